"""Optimizers and learning-rate schedules of a :class:`~fer_live.training.recipes.config.TrainConfig`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fer_live.training.recipes.config import TrainConfig

from .muon import Muon

__all__ = ["learning_rate", "make_optimizer"]


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names. Norms and biases (one-dimensional parameters) have no weight decay."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)
    if config.optimizer == "muon":
        kernels = [parameter for parameter in decayed if parameter.ndim == 4]
        matrices = [parameter for parameter in decayed if parameter.ndim != 4]
        split = [{**groups[0], "params": kernels, "orthogonal": True}, {**groups[0], "params": matrices}, groups[1]]
        return Muon([group for group in split if group["params"]], config.lr, config.momentum)
    kinds: dict[str, type[torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
    }
    return kinds[config.optimizer](groups, lr=config.lr)  # type: ignore[call-arg]


def learning_rate(config: TrainConfig, step: int, steps: int, losses: Sequence[float] = ()) -> float:
    """The learning rate of a step.

    Args:
        config: schedule and its settings.
        step: steps taken so far, 0..``steps``.
        steps: of the whole training.
        losses: on PublicTest after each epoch so far, for the schedule ``plateau``.
    """
    warmup = max(1, round(steps * config.warmup))
    progress = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "one_cycle":
        if step < warmup:
            return config.lr * _between(1 / 25, 1.0, step / warmup)
        return config.lr * _between(1.0, 1 / 250_000, progress)
    if step < warmup:
        return config.lr * ((step + 1) / warmup)
    if config.schedule == "cosine":
        return config.lr * (0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))))
    decays = 0
    if config.schedule == "exponential":
        decays = step // config.lr_decay_steps
    elif config.schedule == "plateau":
        decays = _plateaus(losses, config.lr_patience)
    return max(min(config.lr, config.lr_min), config.lr * config.lr_decay**decays)


def _between(start: float, end: float, progress: float) -> float:
    """Half a cosine from ``start`` to ``end``."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _plateaus(losses: Sequence[float], patience: int) -> int:
    """How often the loss failed to fall for ``patience`` epochs in a row."""
    best, waited, plateaus = math.inf, 0, 0
    for loss in losses:
        waited += 1
        if loss < best:
            best, waited = loss, 0
        elif waited == patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus
