"""From a detector's own box to the face square that the contract's framing names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_live.contract import FER2013_FRAMING, Framing
from fer_live.realtime.datatypes import Floats

__all__ = ["BoxFraming", "face_squares", "roll_deg"]


@dataclass(frozen=True, slots=True)
class BoxFraming:
    """How the boxes of one detector lie in the face square; measured, see docs/framing.md.

    ``side``: the square's side / the box's height. ``down``: how far the square's centre lies below the box's, as a
    fraction of the box's height. ``aspect``: an upright box's width / height.
    """

    side: float
    down: float
    aspect: float


def roll_deg(eyes: Floats) -> Floats:
    """Roll (N,) of faces by their eyes, degrees in -180..180, positive where turned clockwise on the screen.

    Args:
        eyes: (N, 2, 2) pixels, the one on the left of an upright face's picture first.
    """
    across = eyes[:, 1] - eyes[:, 0]
    roll: Floats = np.degrees(np.arctan2(across[:, 1], across[:, 0])).astype(np.float32)
    return roll


def face_squares(xyxy: Floats, eyes: Floats | None, box: BoxFraming, framing: Framing) -> Floats:
    """Squares (N, 4) float32 (centre x, centre y, side, roll in degrees) for boxes (N, 4).

    A face that is rolled by more than the framing's ``level_beyond_deg`` gets a square that is turned with it. The
    box of a turned face is not as high as that of the same face upright; taking a face for an ellipse of the
    upright box's axes, width² + height² of its box stays the same at every angle and gives the upright height, and
    the box's centre stays the face's.

    Args:
        xyxy: (N, 4) pixels.
        eyes: (N, 2, 2) pixels, or None: then no face counts as rolled.
        box: the detector's constants.
        framing: the contract's. The boxes' constants lead to FER2013's square; another framing's is larger by the
            ratio of their sides and lies so that the eyes are on its own eye line.
    """
    boxes = xyxy.astype(np.float64)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    roll = np.zeros(len(boxes)) if eyes is None else roll_deg(eyes).astype(np.float64)
    level = np.abs(roll) <= framing.level_beyond_deg
    roll = np.where(level, 0.0, roll)
    height = np.where(level, height, np.hypot(width, height) / np.hypot(1.0, box.aspect))
    down = np.stack([-np.sin(np.radians(roll)), np.cos(np.radians(roll))], axis=1)
    measured = box.side * height
    side = measured * (framing.side_eye_distances / FER2013_FRAMING.side_eye_distances)
    lower = (FER2013_FRAMING.eye_line - 0.5) * measured - (framing.eye_line - 0.5) * side
    centre = centre + (box.down * height + lower)[:, None] * down
    return np.column_stack([centre, side, roll]).astype(np.float32)
