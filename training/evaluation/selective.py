"""Answering only when sure: risk against coverage, and the confidence from which a stated risk is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .metrics import wilson_interval
from .splits import Answers

__all__ = ["OperatingPoint", "RiskCoverage", "operating_point", "risk_coverage", "threshold_for"]


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Risk against coverage (Geifman and El-Yaniv 2017). All shares 0..1.

    ``coverage``, ``risk``, ``threshold``: for each possible threshold, from the strictest, the share of faces that are
    answered, the share of wrong answers among them, and the threshold itself. ``area``: the mean risk over all
    coverages (AURC), smaller is better.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    threshold: NDArray[np.float64]
    area: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What answering from ``threshold`` (a confidence) up gives: shares 0..1, and the risk's Wilson interval.

    ``answered``: how many faces that is. With none answered the risk is 0 and its interval (0, 1).
    """

    threshold: float
    answered: int
    coverage: float
    risk: float
    risk_interval: tuple[float, float]


def risk_coverage(answers: Answers) -> RiskCoverage:
    """The curve of a model's answers: faces of equal confidence are answered together or not at all."""
    confidence = answers.probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], ~answers.correct[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the last face of each confidence
    count = np.arange(1, len(ranked) + 1)
    risk = np.cumsum(wrong) / count
    return RiskCoverage(count[last] / len(ranked), risk[last], ranked[last], float(risk.mean()))


def threshold_for(curve: RiskCoverage, risk: float) -> float:
    """The confidence from which most faces are answered with at most ``risk``; 1 and a bit where none can be."""
    kept = np.flatnonzero(curve.risk <= risk)
    return float(curve.threshold[kept[-1]]) if len(kept) else float(np.nextafter(np.float32(1), np.float32(2)))


def operating_point(answers: Answers, threshold: float) -> OperatingPoint:
    """What a threshold that was chosen elsewhere gives on these answers."""
    answered = answers.probabilities.max(axis=1) >= threshold
    count, wrong = int(answered.sum()), int((answered & ~answers.correct).sum())
    return OperatingPoint(
        threshold, count, count / len(answered), wrong / count if count else 0.0, wilson_interval(wrong, count)
    )
