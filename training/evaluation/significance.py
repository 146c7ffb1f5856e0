"""How sure a figure is, and a difference of two models: paired bootstrap and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .splits import Answers

__all__ = [
    "FIGURES",
    "Estimate",
    "McNemar",
    "Resamples",
    "bootstrap_interval",
    "differences",
    "estimates",
    "holm",
    "mcnemar",
    "replicates_of",
]

FIGURES = ("accuracy", "macro_f1", "balanced_accuracy", "nll", "brier", "ece", "accuracy_at_70")
"""Figures of :class:`~fer_live.training.evaluation.metrics.Metrics` that get an interval."""

Replicates = Mapping[str, NDArray[np.float64]]
_BATCH = 250
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two models on the same images: counts of who is right, and two-sided p-values of "equally often right".

    ``exact_p``: of the exact conditional test. ``mid_p``: its mid-p version, which Fagerland, Lydersen and Laake (2013)
    advise: the exact test is needlessly conservative.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    exact_p: float
    mid_p: float


@dataclass(frozen=True, slots=True)
class Resamples:
    """Seeded bootstrap samples of ``n`` images: the same for every model, so that differences are paired.

    ``count`` samples of n images drawn with replacement.
    """

    n: int
    count: int
    seed: int

    def batches(self) -> Iterator[NDArray[np.float64]]:
        """How often each image is drawn, (B, n) float64, ``count`` rows in all."""
        generator = np.random.default_rng([self.seed, self.n])
        for start in range(0, self.count, _BATCH):
            rows = min(_BATCH, self.count - start)
            drawn = generator.integers(self.n, size=(rows, self.n)) + self.n * np.arange(rows)[:, None]
            yield np.bincount(drawn.ravel(), minlength=rows * self.n).reshape(rows, self.n).astype(np.float64)


def replicates_of(answers: Answers, resamples: Resamples) -> dict[str, NDArray[np.float64]]:
    """Each of :data:`FIGURES` on every resample, (count,) each."""
    parts = [_weighted_figures(answers, weights) for weights in resamples.batches()]
    return {name: np.concatenate([part[name] for part in parts]) for name in FIGURES}


def estimates(answers: Answers, replicates: Replicates) -> dict[str, Estimate]:
    """:data:`FIGURES` with bootstrap intervals."""
    return {name: bootstrap_interval(value, replicates[name]) for name, value in _point(answers).items()}


def differences(first: Answers, second: Answers, ours: Replicates, theirs: Replicates) -> dict[str, Estimate]:
    """:data:`FIGURES` of the first minus those of the second, replicates from the same resamples of the same images."""
    one, other = _point(first), _point(second)
    return {name: bootstrap_interval(one[name] - other[name], ours[name] - theirs[name]) for name in FIGURES}


def bootstrap_interval(value: float, replicates: NDArray[np.float64]) -> Estimate:
    """The 95 % bias-corrected percentile interval (Efron 1981) of a figure and its replicates (count,).

    The correction matters for ECE, whose resamples lie above it: noise looks like miscalibration. The interval never
    leaves out the figure itself.
    """
    # Rounding must not tell a replicate from an equal figure: the sums that made them ran in another order.
    close = np.abs(replicates - value) < 1e-12
    below = float(((replicates < value) & ~close).mean() + close.mean() / 2)
    shift = min(1.96, max(-1.96, _NORMAL.inv_cdf(min(1 - 1e-9, max(1e-9, below)))))
    levels = [_NORMAL.cdf(2 * shift + z) for z in (-1.96, 1.96)]
    low, high = np.quantile(replicates, levels, method="inverted_cdf")
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's test of two models' right answers (N,) on the same images."""
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    fewer, discordant = min(only_first, only_second), only_first + only_second
    # Whole numbers as long as can be: 2 ** discordant is beyond a float from 1,024 on.
    tail, last = sum(math.comb(discordant, k) for k in range(fewer + 1)), math.comb(discordant, fewer)
    return McNemar(
        both=int((first & second).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~first & ~second).sum()),
        exact_p=min(1.0, 2 * tail / 2**discordant),
        mid_p=min(1.0, (2 * tail - last) / 2**discordant),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the same order."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = largest
    return adjusted


def _point(answers: Answers) -> dict[str, float]:
    once = _weighted_figures(answers, np.ones((1, len(answers.truth))))
    return {name: float(values[0]) for name, values in once.items()}


def _weighted_figures(answers: Answers, weights: NDArray[np.float64], bins: int = 15) -> dict[str, NDArray[np.float64]]:
    """:data:`FIGURES` of the images taken ``weights`` (B, n) times, (B,) each.

    As :func:`~fer_live.training.evaluation.metrics.compute_metrics` on the images repeated so often, for all B at once.
    """
    probabilities, truth = answers.probabilities, answers.truth
    n, classes = probabilities.shape
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = (predicted == truth).astype(np.float64)
    cells = np.eye(classes * classes)[truth * classes + predicted]  # (n, C * C)
    confusion = (weights @ cells).reshape(-1, classes, classes)
    hits = np.einsum("bcc->bc", confusion)
    actual, guessed = confusion.sum(axis=2), confusion.sum(axis=1)
    present = actual > 0
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=present)
    f1 = np.divide(2 * hits, actual + guessed, out=np.zeros_like(hits), where=actual + guessed > 0)
    gaps = np.eye(bins)[np.minimum((confidence * bins).astype(int), bins - 1)] * (confidence - correct)[:, None]
    losses = -np.log(np.maximum(probabilities[np.arange(n), truth], 1e-12))
    brier = ((probabilities - np.eye(classes)[truth]) ** 2).sum(axis=1)
    order = np.argsort(-confidence, kind="stable")
    surest = max(1, round(0.7 * n))
    sorted_weights = weights[:, order]
    taken = np.clip(surest - (np.cumsum(sorted_weights, axis=1) - sorted_weights), 0, sorted_weights)
    return {
        "accuracy": weights @ correct / n,
        "macro_f1": (f1 * present).sum(axis=1) / present.sum(axis=1),
        "balanced_accuracy": recall.sum(axis=1) / present.sum(axis=1),
        "nll": weights @ losses / n,
        "brier": weights @ brier / n,
        "ece": np.abs(weights @ gaps).sum(axis=1) / n,
        "accuracy_at_70": taken @ correct[order] / surest,
    }
