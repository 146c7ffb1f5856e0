"""A face that may be tilted is looked at once more by itself, turned upright and enlarged, until it stands level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import Framing
from fer_live.preprocess import crop_squares
from fer_live.realtime.datatypes import Faces, Floats, Frame, Plane

from .squares import BoxFraming, face_squares, roll_deg

__all__ = ["LARGE_PX", "MOST_LOOKS", "first_roll", "level_look", "may_be_tilted"]

LARGE_PX = 120
"""Height of a box, pixels of the copy, from which YuNet's keypoints turn with the face: the grid of stride 32 finds it
then. Of a smaller one they tell hardly a quarter of its roll (docs/framing.md)."""

LEAST_PX = 40
"""Of a face that is lower on the copy they tell nothing: it is not looked at again."""

LEAN_DEG, LARGE_LEAN_DEG = 2.5, 6.0
"""Mean angle of a face's lines (:func:`_lean_deg`) beyond which it is looked at again, below and from
:data:`LARGE_PX` on. Of 13 real faces, turned, 13 % of those within 6 degrees are, 88 % of those at 15 to 25 and 96 % at
25 to 45; of faces of 48 px 27, 65 and 72 %."""

TILTED_DEG = 15.0
"""Roll from which a face is taken as the second look tells it. Up to 20 degrees the classifier answers as rightly
without (docs/experiments.md), so a face that is nearly upright stays as it was found."""

SAME_PLACE = 0.3
"""A face is a known one whose boxes' middles are no further apart than this share of its height."""

MOST_LOOKS = 3
"""A look tells up to 30 degrees of what is left of the roll: two looks are enough up to 40, three up to 60."""

STANDS_DEG = 6.0
"""A face stands level in a look that tells less: what it tells is right then."""

LEAST_SCORE = 0.88
"""Score of the last look below which it is not believed: of faces that then stand level it is 0.89 to 0.95, of those
half hidden or seen from the side 0.79 to 0.86."""

EYES_APART = 0.22
"""Distance between the eyes, in heights of the face, below which it is seen from the side, and they tell no roll: 0.36
from the front, 0.25 and more of a head turned by 45 degrees, 0.06 to 0.20 in profile."""

LOOK_PX = 320
AROUND = 1.6
"""Side of what is looked at, in heights of the upright face, and in pixels of the look: the face is 200 high there,
where its roll is told best."""

Search = Callable[[Plane], tuple[Floats, Floats, Floats]]
"""From a grey image, full range, to boxes (N, 4), scores (N,) and keypoints (N, 5, 2) in its pixels."""


@dataclass(frozen=True, slots=True)
class _View:
    """A square of a frame, looked at: its centre (2,) and side in pixels, turned by so many degrees."""

    centre: NDArray[np.float64]
    side: float
    roll: float

    def image(self, frame: Frame) -> Plane:
        """(LOOK_PX, LOOK_PX), the square upright."""
        square = np.array([[*self.centre, self.side, self.roll]], np.float32)
        crop: Plane = crop_squares(frame.y, square, LOOK_PX, limited_range=frame.limited_range)[0, 0]
        return crop

    def to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (..., 2) of the image in pixels of the frame."""
        cos, sin = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        turn = np.array([[cos, sin], [-sin, cos]]) * (self.side / LOOK_PX)
        placed: NDArray[np.float64] = self.centre + (points - LOOK_PX / 2) @ turn
        return placed


def may_be_tilted(height_px: Floats, keypoints: Floats, framing: Framing) -> NDArray[np.bool_]:
    """Whether (N,) faces deserve a second look.

    Args:
        height_px: (N,) of their boxes on the copy that was searched.
        keypoints: (N, 5, 2) in the order of :class:`~.datatypes.Faces`, at any scale.
        framing: the contract's; one that levels no face wants no second look.
    """
    if framing.level_beyond_deg >= 180:
        return np.zeros(len(height_px), np.bool_)
    limit = np.where(height_px < LARGE_PX, LEAN_DEG, LARGE_LEAN_DEG)
    tilted = (np.abs(_lean_deg(keypoints)) > limit) | (np.abs(roll_deg(keypoints[:, :2])) > framing.level_beyond_deg)
    return np.asarray(tilted & (height_px >= LEAST_PX), np.bool_)


def first_roll(xyxy: Floats, keypoints: Floats, known: Faces | None) -> float:
    """By how much, degrees, the first look at a face is turned: by the roll that its eyes tell, or, where it is that of
    a known face which was tilted further to the same side, by that one's: one look is enough then while it stays so.

    Args:
        xyxy: (4,) its box.
        keypoints: (5, 2) in the same pixels.
        known: see :meth:`.Detector.detect`; None where nobody is.
    """
    told = float(roll_deg(keypoints[None, :2])[0])
    if known is None or not len(known):
        return told
    middles = (known.xyxy[:, :2] + known.xyxy[:, 2:]) / 2
    off = np.linalg.norm(middles - (xyxy[:2] + xyxy[2:]) / 2, axis=1)
    before = float(known.squares[off.argmin(), 3])
    same = off.min() <= SAME_PLACE * (xyxy[3] - xyxy[1]) and before * told > 0
    return before if same and abs(before) > abs(told) else told


def level_look(
    search: Search, frame: Frame, xyxy: Floats, roll: float, box: BoxFraming, framing: Framing
) -> tuple[Floats, Floats] | None:
    """Square (4,) and keypoints (5, 2) of a face as the last of up to :data:`MOST_LOOKS` looks tells them.

    Args:
        search: the detector's.
        frame: the face's.
        xyxy: (4,) its box, pixels of the frame.
        roll: of the first look, degrees, see :func:`first_roll`.
        box: the detector's constants.
        framing: the contract's.

    Returns:
        None where the face is rolled by no more than :data:`TILTED_DEG` after all, or is not seen again as surely as an
        upright one: it is as it was found.
    """
    width, height = (xyxy[2:] - xyxy[:2]).astype(np.float64)
    upright = np.hypot(width, height) / np.hypot(1.0, box.aspect)  # as face_squares has it
    centre = (xyxy[:2] + xyxy[2:]).astype(np.float64) / 2
    told: tuple[Floats, Floats] | None = None
    surely = 0.0
    for _ in range(MOST_LOOKS):
        view = _View(centre, AROUND * upright, roll)
        boxes, score, points = search(view.image(frame))
        off = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - LOOK_PX / 2, axis=1)
        if not len(off) or off.min() > LOOK_PX / AROUND / 3:
            return None
        row = int(off.argmin())
        across = float(np.linalg.norm(points[row, 1] - points[row, 0]))
        if across < EYES_APART * float(boxes[row, 3] - boxes[row, 1]):
            return None
        surely = float(score[row])
        left = float(roll_deg(points[row : row + 1, :2])[0])
        roll = (roll + left + 180) % 360 - 180
        x, y, side, _ = face_squares(boxes[row : row + 1], None, box, framing)[0].astype(np.float64)
        square = np.array([*view.to_frame(np.array([x, y])), side * view.side / LOOK_PX, roll], np.float32)
        told = square, view.to_frame(points[row].astype(np.float64)).astype(np.float32)
        if abs(left) <= STANDS_DEG:
            break
    if told is None or surely < LEAST_SCORE or abs(told[0][3]) <= max(TILTED_DEG, framing.level_beyond_deg):
        return None
    return told


def _lean_deg(keypoints: Floats) -> Floats:
    """Mean (N,) of the angles of three lines of a face: through its eyes, through its mouth, and down between them.

    Those of a small face hardly turn with it, each a little; their mean tells more than the eyes do.
    """
    down = (keypoints[:, 3] + keypoints[:, 4] - keypoints[:, 0] - keypoints[:, 1]) / 2
    axis = np.degrees(np.arctan2(-down[:, 0], down[:, 1]))
    lean: Floats = ((roll_deg(keypoints[:, :2]) + roll_deg(keypoints[:, 3:]) + axis) / 3).astype(np.float32)
    return lean
