"""Which training images come up in an epoch, and how often: the balance of classes."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import TrainConfig

__all__ = ["epoch_length", "epoch_order"]


def epoch_length(labels: Tensor, config: TrainConfig) -> int:
    """How many images an epoch has, the same in each."""
    return sum(count for _, count in _wanted(labels, config))


def epoch_order(labels: Tensor, config: TrainConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The rows of an epoch in random order.

    Args:
        labels: (M,) int64 of the training images.
        config: its ``balance`` and ``copies``.
        generator: source of randomness, on the device of ``labels``.

    Returns:
        Row numbers (L,), and (L,) how often each row stood in the epoch before, so that repeats can be mirrored.
        A class that wants more images than it has shows each of them as often as any other, give or take one.
    """
    if config.balance == "none":
        order = torch.randperm(len(labels), generator=generator, device=labels.device)
        return order, torch.zeros_like(order)
    rows: list[Tensor] = []
    repeats: list[Tensor] = []
    for members, count in _wanted(labels, config):
        for repeat, start in enumerate(range(0, count, len(members))):
            drawn = torch.randperm(len(members), generator=generator, device=labels.device)[: count - start]
            rows.append(members[drawn])
            repeats.append(torch.full_like(drawn, repeat))
    order = torch.randperm(sum(map(len, rows)), generator=generator, device=labels.device)
    return torch.cat(rows)[order], torch.cat(repeats)[order]


def _wanted(labels: Tensor, config: TrainConfig) -> list[tuple[Tensor, int]]:
    """The rows of each class that occurs, and how many images of it an epoch has."""
    classes = [torch.nonzero(labels == label).flatten() for label in torch.unique(labels)]
    counts = [len(members) for members in classes]
    if config.balance == "oversample":
        wanted = [max(counts)] * len(counts)
    elif config.balance == "undersample":
        wanted = [min(counts)] * len(counts)
    elif config.balance == "sqrt":
        roots = [count**0.5 for count in counts]
        wanted = [max(1, round(sum(counts) * root / sum(roots))) for root in roots]
    else:
        wanted = [count * (config.copies if config.balance == "augment_all" else 1) for count in counts]
    return list(zip(classes, wanted, strict=True))
