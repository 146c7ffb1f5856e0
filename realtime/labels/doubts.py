"""When no expression is claimed for a face, and why. Doubts come and go slowly, so that they don't flicker.

Where the limits are from is measured on FER2013's PublicTest with the bundled model (``benchmarks/doubts.py``):
20 of 100 answers may be wrong on pictures like FER2013's; about 25 on small or blurred ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Doubt

__all__ = [
    "MAX_TURNED_DEG",
    "MIN_CONFIDENCE",
    "MIN_SHARPNESS",
    "MIN_SIDE_PX",
    "REASONS",
    "change_doubts",
    "first_doubts",
    "severity",
]

MIN_CONFIDENCE = 0.558
"""Least probability of the label that is shown. Of the PublicTest images above it 20.0 % are labelled wrongly and
74 % are above it. It belongs to the bundled model: choose it anew for another."""

MIN_SIDE_PX = 16.0
"""Least side of the face square in the source: at 16 px 25 % of the confident answers are wrong, at 12 px 32 %."""

MIN_SHARPNESS = 0.06
"""Least :attr:`~.quality.Qualities.sharpness`: from 0.05 to 0.07 27 % of the confident answers are wrong."""

MAX_TURNED_DEG = 45.0
"""Half way to profile; FER2013 has hardly any faces beyond (4 %), of which 29 % from 40 to 50 are labelled wrongly."""

REASONS = (Doubt.TOO_SMALL, Doubt.BLURRED, Doubt.TURNED_AWAY, Doubt.LOW_CONFIDENCE)
"""In the order of the columns below; where several hold, the first is told."""

HOLD_S = 0.5
"""How long a face must be beyond a limit, by half of that limit's band, before the doubt begins or ends
(docs/experiments.md, "doubts that flicker")."""

_BANDS = np.array([math.log(1.15), math.log(1.3), 8.0, 0.08])

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


def severity(quality: Values, confidence: Values, min_confidence: float) -> Values:
    """How far faces are beyond each limit (K, 4), in widths of its band; positive is doubtful.

    Args:
        quality: (K, 3) side in pixels, sharpness, degrees turned; NaN is never doubtful.
        confidence: (K,) probability of the label that is shown.
        min_confidence: see :data:`MIN_CONFIDENCE`.
    """
    side, sharpness, turned = quality.T
    beyond = np.stack(
        [
            math.log(MIN_SIDE_PX) - np.log(np.maximum(side, 1e-3)),
            math.log(MIN_SHARPNESS) - np.log(np.maximum(sharpness, 1e-3)),
            turned - MAX_TURNED_DEG,
            min_confidence - confidence,
        ],
        axis=1,
    )
    return np.asarray(np.nan_to_num(beyond / _BANDS, nan=-np.inf), np.float64)


def first_doubts(severity: Values) -> Flags:
    """(K, 4) for faces that were never seen before."""
    return severity > 0


def change_doubts(doubtful: Flags, waiting_s: Values, severity: Values, passed_s: Values) -> tuple[Flags, Values]:
    """The doubts after ``passed_s`` (K,) more seconds, and since when each is about to change.

    Args:
        doubtful: (K, 4) as they stand.
        waiting_s: (K, 4) for how long each was beyond its band already.
        severity: (K, 4) now.
        passed_s: (K,) that this judgement stands for, since the last one.
    """
    against = np.where(doubtful, severity < -0.5, severity > 0.5)
    waiting_s = np.where(against, waiting_s + passed_s[:, None], 0.0)
    # Times are sums of frame durations: a hair less than HOLD_S is HOLD_S.
    change = waiting_s > HOLD_S - 1e-6
    return doubtful ^ change, np.where(change, 0.0, waiting_s)
