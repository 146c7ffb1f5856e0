"""The figures of a results table, from a confusion matrix: accuracy, and averages of precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "figures_of"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one split, shares 0..1, of ``n`` images.

    ``macro`` means count every class that has images alike, ``weighted`` ones by the number of its images, as in
    scikit-learn's classification report; a class that is never predicted has the precision 0.
    """

    n: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float


def figures_of(confusion: Sequence[Sequence[int]]) -> Figures:
    """The figures of a confusion matrix (C, C) of counts, rows the true class, columns the predicted.

    Raises:
        ValueError: it is not square or counts nothing.
    """
    counts: NDArray[np.float64] = np.asarray(confusion, float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.sum() > 0:
        raise ValueError(f"expected a square table of counts, found {counts.shape}")
    hits, actual, guessed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    n = actual.sum()
    precision, recall = _share(hits, guessed), _share(hits, actual)
    f1 = _share(2 * precision * recall, precision + recall)
    weights, present = actual / n, actual > 0
    return Figures(
        n=int(n),
        accuracy=float(hits.sum() / n),
        macro_precision=float(precision[present].mean()),
        macro_recall=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        weighted_precision=float((weights * precision).sum()),
        weighted_recall=float((weights * recall).sum()),
        weighted_f1=float((weights * f1).sum()),
    )


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
