"""Where a face that is out of sight is likely to be, told by how it moved while it was seen."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats

__all__ = ["Course", "Trail", "middle"]

TRAIL_S = 0.4
"""How far back a face's movement is looked at, seconds."""

FADES_S = 0.5
"""A face is taken to slow down while it is hidden: its speed falls to 1/e in this time."""

MOST_HEIGHTS = 2.0
"""It is taken to go no further than this many times its height."""

PASSING_HEIGHTS_PER_S = 1.0
"""Two faces pass each other within half a second at no less than about this many times their height a second."""

_FEWEST, _SHORTEST_S = 4, 0.1


@dataclass(frozen=True, slots=True)
class Course:
    """``xyxy``: (4,) float32, where a face was at ``time_s``; ``velocity``: (2,) float32, its pixels a second then."""

    xyxy: Floats
    velocity: Floats
    time_s: float

    def at(self, time_s: float) -> Floats:
        """The box (4,) float32 where the face is expected at a later time."""
        lasts_s = FADES_S * (1 - math.exp(-max(0.0, time_s - self.time_s) / FADES_S))
        dx, dy = (self.velocity * lasts_s).tolist()
        most = MOST_HEIGHTS * float(self.xyxy[3] - self.xyxy[1])
        share = min(1.0, most / max(math.hypot(dx, dy), 1e-6))
        return self.xyxy + np.array([dx, dy, dx, dy], np.float32) * np.float32(share)

    def passes(self, other: Course) -> bool:
        """Whether two faces move by each other fast enough for one to come out from behind the other soon."""
        high = max(float(course.xyxy[3] - course.xyxy[1]) for course in (self, other))
        return float(np.abs(self.velocity - other.velocity).max()) > PASSING_HEIGHTS_PER_S * high


class Trail:
    """What was in sight in the last :data:`TRAIL_S`.

    A frame costs a reference to its arrays, which nobody writes to; only a face that goes out of sight is looked up.
    """

    def __init__(self) -> None:
        self._past: deque[tuple[float, NDArray[np.int64], Floats, Floats]] = deque()

    def add(self, time_s: float, ids: NDArray[np.int64], xyxy: Floats, pictures: Floats) -> None:
        """Another frame: its time, and ids (N,), boxes (N, 4) and pictures (N, D) of its faces."""
        if self._past and time_s < self._past[-1][0]:
            self._past.clear()
        while self._past and time_s - self._past[0][0] > TRAIL_S:
            self._past.popleft()
        self._past.append((time_s, ids, xyxy, pictures))

    def course(self, track: int, until_s: float) -> Course | None:
        """How the face of a track moved before ``until_s``; None where too little of it was seen.

        Position and speed are medians (Theil-Sen), so that the last boxes count little, which another face may have
        covered or drawn along already.
        """
        rows = [
            (time_s, xyxy[row])
            for time_s, ids, xyxy, _ in self._past
            if time_s < until_s
            for row in np.flatnonzero(ids == track).tolist()
        ]
        if len(rows) < _FEWEST or rows[-1][0] - rows[0][0] < _SHORTEST_S:
            return None
        last_s = rows[-1][0]
        since_s = np.array([time_s - last_s for time_s, _ in rows], np.float32)  # (K,)
        boxes = np.stack([box for _, box in rows])  # (K, 4)
        middles, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        early, late = np.triu_indices(len(rows), 1)
        apart_s = since_s[late] - since_s[early]
        later = apart_s > 0
        slopes = (middles[late] - middles[early])[later] / apart_s[later, None]
        velocity = middle(slopes)
        at, half = middle(middles - since_s[:, None] * velocity), middle(sizes) / 2
        return Course(np.concatenate([at - half, at + half]).astype(np.float32), velocity, last_s)

    def picture(self, track: int) -> Floats | None:
        """The oldest picture (D,) of a track that is still known: one from before anything began to cover it."""
        for _, ids, _, pictures in self._past:
            for row in np.flatnonzero(ids == track).tolist():
                oldest: Floats = pictures[row]
                return oldest
        return None


def middle(values: Floats) -> Floats:
    """The median (2,) of values (K, 2), the upper one of two.

    np.median would import numpy.ma, which takes longer than many frames.
    """
    found: Floats = np.sort(values, axis=0)[len(values) // 2]
    return found
