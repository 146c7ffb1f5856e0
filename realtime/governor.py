"""``--target-latency``: spends less on faces where frames come out too late, and more again where there is time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .datatypes import Result
from .observer import Observer

__all__ = ["LEVELS", "Effort", "Governor"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on finding and reading faces.

    ``detect_size``: the longer side of the copy that is searched, as a share of what was asked for, 0..1.
    ``detect_wait``, ``classify_wait``: the times between two looks of the detector, and between two
    classifications of a face, as multiples of the ordinary ones.
    """

    detect_size: float = 1.0
    detect_wait: float = 1.0
    classify_wait: float = 1.0


LEVELS = (
    Effort(),
    Effort(0.75, 1.0, 1.5),
    Effort(0.5, 1.5, 2.0),
    Effort(0.5, 2.0, 3.0),
    Effort(0.375, 3.0, 4.0),
)
"""From full effort to the least: size first, for it costs most and small faces least often matter; labels and new
faces come later with each (at most after 0.64 s and 1.2 s)."""

WINDOW_S = 1.0
"""The latency is the 95th percentile over at least this time since the level changed."""

JUDGE_EVERY_S = 0.2
"""It is worked out this often."""

FEWEST = 10
"""Frames in it at least."""

CALM = 0.6
"""More is tried only where the latency is below this share of the target ..."""

CALM_S = 3.0
"""... for so long; twice as long after each try that had to be taken back, at most :data:`MOST_CALM_S`."""

MOST_CALM_S = 48.0

PROVEN_S = 30.0
"""A try that has to be taken back within this time was a wrong one; after it, the next may follow soon."""


class Governor(Observer):
    """Keeps the 95th percentile of the age of finished frames below a target.

    One step at a time. Down as soon as a window is above the target; up after calm, with longer and longer patience
    where that turned out wrong, so that a machine between two levels sees one try every :data:`MOST_CALM_S`. Dropped
    frames don't count: one that is replaced by a fresher one makes nothing late.

    Args:
        target_ms: the longest latency wanted, from the source to the end.
        set_effort: called with the new effort at each step, on the thread that finishes frames.
    """

    def __init__(self, target_ms: float, set_effort: Callable[[Effort], None]) -> None:
        if target_ms <= 0:
            raise ValueError(f"target_ms must be positive, found {target_ms}")
        self._target_ms, self._set_effort = target_ms, set_effort
        self._level = 0
        self._changed_s = self._calm_since_s = -np.inf
        self._raised_s = self._judged_s = -np.inf
        self._patience_s = CALM_S
        self._ages: deque[tuple[float, float]] = deque()  # (when finished, ms)

    @property
    def level(self) -> int:
        """Which of :data:`LEVELS` holds."""
        return self._level

    def finished(self, result: Result, now_s: float) -> None:
        """A frame came out: step where it is time to."""
        if result.grabbed_s < self._changed_s:
            return  # done with the effort before
        ages = self._ages
        if not ages:
            self._changed_s = max(self._changed_s, result.grabbed_s)
        ages.append((now_s, 1e3 * (now_s - result.grabbed_s)))
        while len(ages) > FEWEST and ages[0][0] < now_s - WINDOW_S:
            ages.popleft()
        if now_s - self._changed_s < WINDOW_S or len(ages) < FEWEST or now_s - self._judged_s < JUDGE_EVERY_S:
            return
        self._judged_s = now_s
        late_ms = float(np.percentile([age for _, age in ages], 95))
        if late_ms > self._target_ms:
            self._step(1, now_s)
        elif late_ms > CALM * self._target_ms:
            self._calm_since_s = now_s
        elif now_s - max(self._calm_since_s, self._changed_s) >= self._patience(now_s):
            self._step(-1, now_s)

    def _patience(self, now_s: float) -> float:
        proven = self._raised_s > -np.inf and now_s - self._raised_s >= PROVEN_S
        return CALM_S if proven else self._patience_s

    def _step(self, by: int, now_s: float) -> None:
        level = min(max(self._level + by, 0), len(LEVELS) - 1)
        if level == self._level:
            return
        if by < 0:
            self._patience_s = self._patience(now_s)
            self._raised_s = now_s
        else:
            if now_s - self._raised_s < PROVEN_S:
                self._patience_s = min(MOST_CALM_S, 2 * self._patience_s)
            self._raised_s = -np.inf
        self._level = level
        self._changed_s = self._calm_since_s = now_s
        self._ages.clear()
        self._set_effort(LEVELS[level])
