"""The faces of every frame: from the detector where it has to look, by following them where it need not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Detector, Faces, Frame

from .motion import FaceFlow, patches
from .tracker import Ids, Tracker, iou
from .trail import middle

__all__ = ["FaceFinder", "Found"]

STEADY_S = 0.5
"""Time between two looks of the detector while all known faces are followed well."""

MOVING_S = 0.16
"""The same while the picture moves as a whole, for faces come in at its edges, and while a lost face may come back."""

EMPTY_S = 0.2
"""The same while no face is known."""

WHOLE_MOVE = 0.02
"""The picture moves as a whole where faces moved by more than this share of its longer side since the last look."""

TRUST = 0.5
"""How far a followed box is moved to the detector's that agrees with it, of which the size jitters by some per cent."""

COARSE_IOU = 0.6
"""A coarse look confirms a face where its box overlaps the followed one by more than this, and no other does."""

COARSE_ROLL_DEG = 8.0
"""...and its square is rolled by no more than this against the followed one: flow does not carry roll."""

CALM_STEP = 0.02
"""Nobody moves where no face moved by more than this share of its side from one frame to the next..."""

CALM_CHANGE = 3.0
"""...and the picture changed by less than this, in grey levels (0..255) on average: by 0.4 to 0.9 in the median where
people sit and talk, by 13 to 17 where four are replaced by others."""

HALF_SIZE_SIDE_PX = 32
"""While all known faces are larger than this on a copy of half the detector's size, most looks use that one."""

FULL_SIZE_EVERY = 4
"""Every so many looks use the full size all the same, for small faces that are new."""


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of a frame with their track ids (N,) int64, and whether the detector looked at this very frame."""

    faces: Faces
    track_ids: Ids
    looked: bool


class FaceFinder:
    """Gives every frame its faces and their ids.

    The detector looks at the first frame, at a cut, where a face is lost, and every now and then; between its looks
    faces are followed by optical flow. What is done depends on the frames and their times alone, so that the same
    file always gives the same faces.

    Args:
        detector: finds faces; the caller opens and closes it.
        detect_every: look at every so many frames and follow in between; 1 is every frame, and nothing is followed;
            None chooses by what is seen.
    """

    def __init__(self, detector: Detector, *, detect_every: int | None = None) -> None:
        if detect_every is not None and detect_every < 1:
            raise ValueError(f"detect_every must be at least 1, found {detect_every}")
        self._detector, self._detect_every = detector, detect_every
        self._asked: tuple[int | None, float] = (None, 1.0)
        self._detect_size: int | None = None
        self._wait = 1.0
        self._tracker, self._flow = Tracker(), FaceFlow()
        self._looked_s = 0.0
        self._looked_frames = self._looks = 0
        self._moved = np.zeros(2)
        self._calm = False

    @property
    def track_count(self) -> int:
        """How many different faces there were so far."""
        return self._tracker.count

    def set_effort(self, detect_size: int, wait: float) -> None:
        """Search copies of this size, pixels, and wait this multiple of the usual times in between; from any thread."""
        self._asked = (detect_size, wait)

    def use(self, detector: Detector) -> None:
        """Use another detector, which looks at the next frame; its boxes are taken as they are. Tracks go on."""
        self._detector, self._looks = detector, 0

    def update(self, frame: Frame) -> Found:
        """The faces of the next frame."""
        self._detect_size, self._wait = self._asked  # once a frame: another thread sets it
        self._tracker.next_frame(frame.time_s)
        if self._detect_every == 1:
            self._take(frame, self._detector.detect(frame, self._detect_size), trust=1.0, followed=False)
            return Found(self._tracker.faces, self._tracker.ids, looked=True)
        self._looked_frames += 1
        lost = self._follow(frame)
        must = lost or not self._looks or self._is_due(frame)
        if must:
            self._look(frame, whole=lost or self._tracker.must_look)
        return Found(self._tracker.faces, self._tracker.ids, must)

    def _follow(self, frame: Frame) -> bool:
        """Move all faces to where they are in this frame; whether one was lost."""
        tracker, before = self._tracker, len(self._tracker.ids)
        if self._flow.is_cut(frame):
            tracker.lose_all()
            self._flow.look(frame)
            self._calm = False
            return True
        if self._calm and self._flow.change < CALM_CHANGE and not self._is_due(frame):
            # Nobody moves: every other frame does to follow them.
            self._calm = False
            return False
        self._flow.look(frame)
        if not before:
            return False
        steps = self._flow.step(tracker.faces.squares, frame.size_wh[0])
        moved = steps.applied_to(tracker.faces)
        sure = steps.sure & _is_inside(moved, frame.size_wh)
        self._calm = bool((np.abs(steps.shift).max(1) < CALM_STEP * moved.squares[:, 2]).all())
        if sure.any():
            self._moved += middle(steps.shift[sure])
        tracker.follow(moved, sure, steps.suddenly)
        return len(tracker.ids) < before

    def _is_due(self, frame: Frame) -> bool:
        if self._tracker.must_look:
            return True
        if self._detect_every is not None:
            return self._looked_frames >= self._detect_every
        if self._tracker.is_unsettled or np.abs(self._moved).max() > WHOLE_MOVE * max(frame.size_wh):
            wait_s = MOVING_S
        else:
            wait_s = STEADY_S if len(self._tracker.ids) else EMPTY_S
        return frame.time_s - self._looked_s > self._wait * wait_s - 1e-3

    def _look(self, frame: Frame, *, whole: bool) -> None:
        known, size = self._tracker.faces, self._detect_size
        half = (size or self._detector.detect_size) // 2
        least = known.squares[:, 2].min() if len(known) else 0.0
        if not whole and self._looks % FULL_SIZE_EVERY and least * half > HALF_SIZE_SIDE_PX * max(frame.size_wh):
            found = self._detector.detect(frame, half, known)
            # The coarse copy is good enough to see the known faces again, not to miss one, to claim another or to move
            # or turn one: boxes differ by a few per cent with the size of the copy, always in the same direction.
            same = iou(known.xyxy, found.xyxy) > COARSE_IOU
            same &= np.abs(known.squares[:, 3:] - found.squares[:, 3]) < COARSE_ROLL_DEG
            if (same.sum(0) == 1).all() and (same.sum(1) == 1).all():
                self._take(frame, found, trust=0.0)
                return
        # What another detector called a face's box is not averaged with what this one does.
        self._take(frame, self._detector.detect(frame, size, known), trust=TRUST if self._looks else 1.0)

    def _take(self, frame: Frame, found: Faces, *, trust: float, followed: bool = True) -> None:
        self._tracker.find(found, patches(frame.y, found.squares), followed=followed, trust=trust)
        self._looked_s, self._looked_frames = frame.time_s, 0
        self._looks += 1
        self._moved[:] = 0


def _is_inside(faces: Faces, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether (N,) the middles of faces are in the frame."""
    middle = faces.squares[:, :2]
    return np.asarray(((middle >= 0) & (middle < np.array(size_wh))).all(1), np.bool_)
