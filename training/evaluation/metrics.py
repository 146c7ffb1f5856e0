"""The figures that honest tables need, from probabilities and true labels.

Splits: *public* (PublicTest, for choosing), *private* (PrivateTest, standard) and *private_dedup* (PrivateTest
without images that stand in Training or PublicTest).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .logits import Floats

__all__ = ["Metrics", "calibration_bins", "compute_metrics", "wilson_interval"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one head on one split. Shares are 0..1, losses in nats.

    ``confusion``: (C, C) counts, rows the true label, columns the predicted. ``precision``, ``recall``, ``f1``: (C,),
    0 for a class without images, which ``macro_f1`` and ``balanced_accuracy``, means over classes, leave out.
    ``recall_interval``: 95 % Wilson interval of each recall, (C, 2). ``ece``: expected calibration error, 15 equal
    bins of confidence (Guo et al. 2017). ``brier``: multi-class Brier score, 0..2.
    ``accuracy_at_70``: accuracy on the 70 % of images it is surest of.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    balanced_accuracy: float
    nll: float
    brier: float
    ece: float
    accuracy_at_70: float
    labels: tuple[str, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    recall_interval: tuple[tuple[float, float], ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def absent(self) -> tuple[str, ...]:
        """Labels of the classes without images."""
        return tuple(label for label, row in zip(self.labels, self.confusion, strict=True) if not any(row))


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson score interval of the share ``hits / n``; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The ends are exact where the share is 0 or 1, which rounding would miss by a hair.
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


def calibration_bins(probabilities: Floats, truth: NDArray[np.int64], bins: int = 15) -> NDArray[np.float64]:
    """Reliability of probabilities (N, C): rows (count, mean confidence, accuracy) of ``bins`` equal bins."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    table = np.zeros((bins, 3))
    for number in range(bins):
        inside = index == number
        if inside.any():
            table[number] = inside.sum(), confidence[inside].mean(), correct[inside].mean()
    return table


def compute_metrics(probabilities: Floats, truth: NDArray[np.int64], labels: Sequence[str]) -> Metrics:
    """All figures of one head: probabilities (N, C), true labels (N,) 0..C-1, N > 0."""
    n, classes = probabilities.shape
    if n == 0:
        raise ValueError("metrics of no images")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (truth, predicted), 1)
    hits = confusion.diagonal()
    actual, guessed = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = np.divide(hits, actual, out=np.zeros(classes), where=actual > 0)
    precision = np.divide(hits, guessed, out=np.zeros(classes), where=guessed > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(classes), where=both > 0)
    one_hot = np.eye(classes)[truth]
    table = calibration_bins(probabilities, truth)
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(0.7 * n))]
    return Metrics(
        n=n,
        accuracy=float(hits.sum() / n),
        accuracy_interval=wilson_interval(int(hits.sum()), n),
        macro_f1=float(f1[actual > 0].mean()),
        balanced_accuracy=float(recall[actual > 0].mean()),
        nll=float(-np.log(np.maximum(probabilities[np.arange(n), truth], 1e-12)).mean()),
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        ece=float((table[:, 0] * np.abs(table[:, 1] - table[:, 2])).sum() / n),
        accuracy_at_70=float((predicted[surest] == truth[surest]).mean()),
        labels=tuple(labels),
        precision=_floats(precision),
        recall=_floats(recall),
        f1=_floats(f1),
        recall_interval=tuple(wilson_interval(int(hit), int(of)) for hit, of in zip(hits, actual, strict=True)),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def _floats(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
