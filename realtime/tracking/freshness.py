"""Which faces of a frame are classified: an expression lasts longer than a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .tracker import LOST_AFTER_S

__all__ = ["Freshness"]

FRESH_S = 0.16
"""How long a classification stays fresh, seconds. Brief facial actions last about 0.2 s and more (Ekman 2003)."""

STALE_S = 0.5
"""How old it may become whatever was asked for."""

SOON = 0.6
"""A face whose classification is older than this share of what it may be is due with any other that is."""

STILL_LEVELS = 2.0
"""A face whose crop differs by less than this from the one classified last, in grey levels (0..255) on average..."""

STILL_S = 0.4
"""...is as it was, for this long; measured on talking faces, probabilities move by 0.08 in the median then."""

FIRST_FRAMES = 3
"""A new face is classified on its first frames, so that its label does not hang on one of them."""


class Freshness:
    """Tells which faces are due for the classifier.

    Args:
        classify_every: each face on every so many frames; 1 is all; None: when what is known is older than
            :data:`FRESH_S`, and always on a face's first :data:`FIRST_FRAMES` frames.
    """

    def __init__(self, classify_every: int | None = None) -> None:
        if classify_every is not None and classify_every < 1:
            raise ValueError(f"classify_every must be at least 1, found {classify_every}")
        self._every, self._wait = classify_every, 1.0
        self._before_s = 0.0
        self._known: dict[int, tuple[int, int, float]] = {}  # times due and frames seen, when due last
        self._classified: dict[int, tuple[NDArray[np.uint8], float]] = {}  # the crop seen last, and when

    def set_wait(self, multiple: float) -> None:
        """Let classifications stay fresh for this multiple of :data:`FRESH_S`; from any thread."""
        self._wait = multiple

    def forget(self) -> None:
        """Take all that is known for stale: another classifier is to say what it thinks of each face."""
        self._known, self._classified = {}, {}

    def due(self, track_ids: NDArray[np.int64], time_s: float) -> NDArray[np.intp]:
        """Rows of the faces of this frame, (M,) of N, that the classifier is to see."""
        if not 0 <= time_s - self._before_s <= LOST_AFTER_S:
            self._known = {}  # nobody is taken for known across a gap
        self._before_s = time_s
        tracks = track_ids.tolist()
        known = [self._known.get(track, (0, 0, 0.0)) for track in tracks]
        if self._every is not None:
            # Each track in its own turn, so that no frame bears them all.
            due = [
                times == 0 or (frames + track) % self._every == 0 or time_s - last_s > STALE_S
                for track, (times, frames, last_s) in zip(tracks, known, strict=True)
            ]
        else:
            limit_s = self._wait * FRESH_S - 1e-3
            due = [times < FIRST_FRAMES or time_s - last_s > limit_s for times, _, last_s in known]
            if any(due):
                # Those that would be due soon come along: one run of many faces costs less than many runs.
                due = [now or time_s - last_s > SOON * limit_s for now, (_, _, last_s) in zip(due, known, strict=True)]
        self._known = {
            track: (times + now, frames + 1, time_s if now else last_s)
            for track, (times, frames, last_s), now in zip(tracks, known, due, strict=True)
        }
        return np.flatnonzero(due)

    def changed(
        self, track_ids: NDArray[np.int64], crops: NDArray[np.uint8], time_s: float
    ) -> NDArray[np.bool_] | slice:
        """Which of the M faces that are due look different from when they were classified last.

        Args:
            track_ids: (M,) of the faces that :meth:`due` named for this frame.
            crops: (M, 1, S, S) of them.
            time_s: as given there.
        """
        if self._every is not None:
            return slice(None)
        before, self._classified = (
            self._classified,
            {track: seen for track, seen in self._classified.items() if track in self._known},
        )
        changed = np.ones(len(track_ids), np.bool_)
        for row, (track, crop) in enumerate(zip(track_ids.tolist(), crops, strict=True)):
            old, old_s = before.get(track, (crop, -np.inf))
            still = time_s - old_s < STILL_S * self._wait and self._known[track][0] > FIRST_FRAMES
            if still and cv2.norm(crop[0], old[0], cv2.NORM_L1) < STILL_LEVELS * crop.size:
                changed[row] = False
            else:
                self._classified[track] = (crop, time_s)
        return changed
