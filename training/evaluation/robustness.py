"""What a model loses on corrupted faces. A development figure: measured on PublicTest, never on PrivateTest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.training.data.fer2013 import Fer2013, Usage

from .corruptions import CORRUPTIONS, MOST_POINTS_LOST, Corruption, corrupt
from .metrics import wilson_interval
from .predictors import Predictor
from .significance import Estimate, Resamples, bootstrap_interval
from .splits import answer

__all__ = ["PASSES", "CorruptionResult", "Level", "Robustness", "measure_robustness", "robustness_rows"]

PASSES = 1 + sum(len(corruption.strengths) for corruption in CORRUPTIONS)
"""How often :func:`measure_robustness` goes through the images."""


@dataclass(frozen=True, slots=True)
class Level:
    """Accuracy (0..1, with its Wilson interval) at one strength, and the points lost against the clean images.

    ``lost_points``: per cent of all images, with its paired bootstrap interval; below 0 where the model gained.
    """

    strength: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    lost_points: Estimate


@dataclass(frozen=True, slots=True)
class CorruptionResult:
    """A corruption's levels, clean first. ``target_met``: None where the corruption has no target strength."""

    key: str
    levels: tuple[Level, ...]
    target_met: bool | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """All corruptions on ``n`` PublicTest images, drawn with ``seed`` where they are not all of them."""

    n: int
    seed: int
    results: tuple[CorruptionResult, ...]


def robustness_rows(dataset: Fer2013, images: int | None, seed: int) -> NDArray[np.int64]:
    """PublicTest rows to corrupt: all, or ``images`` of them at random."""
    rows = dataset.rows(Usage.PublicTest)
    if images is None or images >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, images, replace=False))


def measure_robustness(
    predict: Predictor,
    dataset: Fer2013,
    *,
    images: int | None,
    mirror: bool,
    resamples: int,
    seed: int,
    on_pass: Callable[[str], None] = lambda _: None,
) -> Robustness:
    """Run a model on every corruption.

    Args:
        predict: the model.
        dataset: its PublicTest is used.
        images: how many of them; None for all.
        mirror: as for :func:`~fer_live.training.evaluation.splits.answer`.
        resamples: bootstrap samples for the intervals of the losses.
        seed: of the choice of images, the corruptions and the bootstrap.
        on_pass: called with what has been measured, :data:`PASSES` times.
    """
    rows = robustness_rows(dataset, images, seed)
    faces, truth = dataset.images[rows], dataset.expression[rows]

    def correct(shown: NDArray[np.uint8], name: str) -> NDArray[np.bool_]:
        right = answer(predict, shown, mirror=mirror)[0].argmax(axis=1) == truth
        on_pass(name)
        return np.asarray(right)

    clean = correct(faces, "clean")
    found = {
        (corruption.key, strength): correct(corrupt(corruption, faces, strength, seed), corruption.title)
        for corruption in CORRUPTIONS
        for strength in corruption.strengths
    }
    # All losses on the same resamples in one product: (P, n) @ (n, B).
    lost = {key: clean.astype(np.float64) - right for key, right in found.items()}
    stacked = np.stack(list(lost.values()))
    replicates = np.concatenate(
        [stacked @ weights.T for weights in Resamples(len(rows), resamples, seed).batches()], axis=1
    )
    intervals = {
        key: bootstrap_interval(100 * float(loss.mean()), 100 * drawn / len(rows))
        for (key, loss), drawn in zip(lost.items(), replicates, strict=True)
    }

    def level(strength: float, right: NDArray[np.bool_], loss: Estimate) -> Level:
        return Level(strength, float(right.mean()), wilson_interval(int(right.sum()), len(rows)), loss)

    results = []
    for corruption in CORRUPTIONS:
        levels = [level(corruption.clean, clean, Estimate(0.0, 0.0, 0.0))]
        levels += [
            level(strength, found[corruption.key, strength], intervals[corruption.key, strength])
            for strength in corruption.strengths
        ]
        results.append(CorruptionResult(corruption.key, tuple(levels), _target_met(corruption, levels)))
    return Robustness(len(rows), seed, tuple(results))


def _target_met(corruption: Corruption, levels: list[Level]) -> bool | None:
    at_target = [level.lost_points.value for level in levels if level.strength == corruption.target]
    return at_target[0] <= MOST_POINTS_LOST if at_target else None
