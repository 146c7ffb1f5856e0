"""A recipe's schedule scaled to a budget of processor time, by the measured cost of its real steps.

Processor time, summed over the process's cores, is what is budgeted: other work on the machine slows a training down
but takes none of its budget.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fer_live.training.augmentation.sampling import epoch_length
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.logits import predict_logits
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.recipe import Recipe, build_model
from fer_live.training.run.loop import RanAwayError, train

__all__ = ["Costs", "Plan", "measure_costs", "scale_to_budget"]

CPU = torch.device("cpu")

BF16_GAIN = 0.9
"""bfloat16 is taken where its steps cost at most this share of float32's."""

JUDGING_SHARE = 0.1
"""The share of the budget that the evaluation after each epoch may take; PublicTest is drawn from to fit it."""

FEWEST_JUDGES = 200
"""Images of PublicTest that judge an epoch, whatever they cost."""

TIMED_STEPS, TIMED_S = 3, 4.0
"""Steps are timed until there were so many of them and they took so much processor time."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds: of a step in the chosen precision, of the end of an epoch, of judging one image there."""

    bf16: bool
    step_s: float
    epoch_end_s: float
    judged_image_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe's training within a budget. ``passes``: over the training images, 0.4 for two fifths of them once."""

    train: TrainConfig
    bf16: bool
    passes: float


class _EnoughError(Exception):
    """The costs are known."""


def measure_costs(recipe: Recipe, dataset: Fer2013) -> Costs:
    """Time a few real steps in float32 and in bfloat16, and the end of an epoch, in the training loop itself."""
    float32, bfloat16 = (_step_s(recipe, dataset, bf16=bf16) for bf16 in (False, True))
    bf16 = bfloat16 <= BF16_GAIN * float32
    judged = _judged_image_s(recipe, dataset)
    step_s = bfloat16 if bf16 else float32
    return Costs(bf16, step_s, _epoch_end_s(recipe, dataset, bf16=bf16, judged_image_s=judged), judged)


def scale_to_budget(config: TrainConfig, costs: Costs, budget_s: float, dataset: Fer2013) -> Plan:
    """The schedule that takes ``budget_s`` of processor time: epochs of equal length that fill it.

    Where a whole pass over the training images does not fit, the one epoch is as much of it as does. Learning-rate
    decays and patience that the recipe counts in steps or epochs are scaled; shares (warm-up, clean tail) scale by
    themselves.
    """
    labels = torch.from_numpy(dataset.expression[dataset.training_rows(config.cleaning)])
    length, public = epoch_length(labels, config), len(dataset.rows(Usage.PublicTest))
    steps = length // config.batch_size
    pass_s = steps * costs.step_s
    judges = int(JUDGING_SHARE * min(pass_s, budget_s) / costs.judged_image_s)
    judges = min(public, max(FEWEST_JUDGES, judges))
    end_s = costs.epoch_end_s + judges * costs.judged_image_s
    epochs = max(1, math.ceil(budget_s / (pass_s + end_s)))
    share = (budget_s / epochs - end_s) / pass_s
    share = min(1.0, max(share, config.batch_size / length))
    done = max(1, int(length * share) // config.batch_size) * epochs
    scaled = replace(
        config,
        epochs=epochs,
        epoch_share=share,
        public_images=0 if judges == public else judges,
        lr_decay_steps=max(1, round(config.lr_decay_steps * done / (steps * config.epochs))),
        lr_patience=max(1, round(config.lr_patience * epochs / config.epochs)),
        patience=math.ceil(config.patience * epochs / config.epochs),
    )
    return Plan(scaled, costs.bf16, done / steps)


def _step_s(recipe: Recipe, dataset: Fer2013, *, bf16: bool) -> float:
    started = time.process_time()
    steps_s: list[float] = []

    def on_step(epoch: int, step: int, steps: int) -> None:
        nonlocal started
        now = time.process_time()
        if step or steps == 1:  # the first step of an epoch is timed with the end of the one before
            steps_s.append(now - started)
        started = now
        # The first step also allocates and compiles.
        if len(steps_s) > TIMED_STEPS and sum(steps_s[1:]) >= TIMED_S:
            raise _EnoughError

    with TemporaryDirectory() as folder:
        try:
            train(recipe, dataset, Path(folder), device=CPU, bf16=bf16, on_step=on_step)
        except (_EnoughError, RanAwayError):
            pass
    timed = steps_s[1:] or steps_s
    return sum(timed) / len(timed)


def _epoch_end_s(recipe: Recipe, dataset: Fer2013, *, bf16: bool, judged_image_s: float) -> float:
    images = 32
    step_at: list[float] = []
    spent: list[float] = []
    with TemporaryDirectory() as folder:
        train(
            recipe.with_options({"epochs": 3, "epoch_share": 0.0001, "public_images": images}),  # a step each
            dataset,
            Path(folder),
            device=CPU,
            bf16=bf16,
            on_step=lambda *_: step_at.append(time.process_time()),
            on_epoch=lambda _: spent.append(time.process_time() - step_at[-1]),
        )
    return max(0.0, spent[-1] - images * judged_image_s)


def _judged_image_s(recipe: Recipe, dataset: Fer2013) -> float:
    images = dataset.images[dataset.rows(Usage.PublicTest)[:128]]
    network = build_model(recipe.model, recipe.contract()).to(memory_format=torch.channels_last)
    predict_logits(network, images, recipe.contract(), CPU)
    started = time.process_time()
    predict_logits(network, images, recipe.contract(), CPU)
    return (time.process_time() - started) / len(images)
