"""Makes heads unrecognisable, on the planes of a frame or on a picture, in place.

What is left of a head are the means of a few cells: no filter and no sharpening brings back what was never kept.
"""

from __future__ import annotations

import math
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats, Frame

__all__ = ["CELLS", "Style", "anonymise_frame", "anonymise_picture"]

Pixels = NDArray[np.uint8]

CELLS = {"blur": 4, "mosaic": 5}
"""How many cells the side of a face square has. At 16 across the face people are still recognised (Harmon and Julesz
1973), at 10 some are by those who know them, above all when they move (Lander, Bruce and Hill 2001)."""

LEAST_CELL_PX = 8
"""Cells are no smaller, so that a small face keeps less still."""

HALF_WIDTH, HALF_HEIGHT, RAISED = 0.78, 0.92, 0.12
"""The ellipse around a head with hair, ears and chin, in sides of its face square: half axes, and how far its middle
lies above the square's. In that square eyes are at 0.4 and the chin at 1; the crown, as far over the eyes as the chin
is below them, is at -0.2, hair above it, and the ellipse reaches from -0.54 to 1.3."""

_BOX_GREY = 0.25
_FINER = 4
_FRACTION_BITS = 4


class Style(StrEnum):
    """What a head becomes."""

    BLUR = "blur"
    """Smooth spots of colour."""

    MOSAIC = "mosaic"
    """Squares of one colour each."""

    BOX = "box"
    """A grey rectangle: nothing is left."""


def anonymise_frame(frame: Frame, squares: Floats, style: Style) -> None:
    """Cover heads on the planes of a frame, which are changed.

    Args:
        frame: on which they are.
        squares: (M, 4) float32 pixels, centre x, centre y, side, roll in degrees, of the faces, as
            :data:`~fer_live.contract.FER2013_FRAMING` frames them.
        style: how.
    """
    black, white = (16, 235) if frame.limited_range else (0, 255)
    grey = round(black + _BOX_GREY * (white - black))
    half = squares * np.array([0.5, 0.5, 0.5, 1], np.float32)
    _cover(frame.y, squares, style, LEAST_CELL_PX, grey)
    for plane in (frame.u, frame.v):
        _cover(plane, half, style, LEAST_CELL_PX // 2, 128)


def anonymise_picture(image: Pixels, squares: Floats, style: Style) -> None:
    """Cover heads on a picture (H, W) or (H, W, 3) uint8, full range, which is changed; see :func:`anonymise_frame`."""
    _cover(image, squares, style, LEAST_CELL_PX, round(255 * _BOX_GREY))


def _cover(image: Pixels, squares: Floats, style: Style, least_cell_px: int, grey: int) -> None:
    height, width = image.shape[:2]
    for x, y, side, roll_deg in squares.tolist():
        roll = math.radians(roll_deg)
        x, y = x + RAISED * side * math.sin(roll), y - RAISED * side * math.cos(roll)
        across, down = HALF_WIDTH * side, HALF_HEIGHT * side
        reach_x = math.hypot(across * math.cos(roll), down * math.sin(roll))
        reach_y = math.hypot(across * math.sin(roll), down * math.cos(roll))
        left, right = max(0, math.floor(x - reach_x)), min(width, math.ceil(x + reach_x))
        top, bottom = max(0, math.floor(y - reach_y)), min(height, math.ceil(y + reach_y))
        if left >= right or top >= bottom:
            continue
        part = image[top:bottom, left:right]
        if style is Style.BOX:
            part[...] = grey
            continue
        cell = max(least_cell_px, side / CELLS[style])
        cells = max(1, round(part.shape[1] / cell)), max(1, round(part.shape[0] / cell))
        covered = _enlarged(_means(part, cells), part.shape[1::-1], style)
        mask = np.zeros(part.shape[:2], np.uint8)
        centre = _fixed(x - left - 0.5), _fixed(y - top - 0.5)
        axes = _fixed(across), _fixed(down)
        cv2.ellipse(mask, centre, axes, roll_deg, 0, 360, 255, cv2.FILLED, cv2.LINE_8, _FRACTION_BITS)
        cv2.copyTo(covered, mask, part)


def _means(part: Pixels, cells: tuple[int, int]) -> Pixels:
    """The means of so many cells across and down."""
    # By halves first: OpenCV is several times faster at them than at any other factor.
    while part.shape[1] >= 4 * cells[0] and part.shape[0] >= 4 * cells[1]:
        half = part.shape[1] // 2, part.shape[0] // 2
        part = cv2.resize(part, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.resize(part, cells, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _fixed(value: float) -> int:
    return round(value * (1 << _FRACTION_BITS))


def _enlarged(means: Pixels, size_wh: tuple[int, int], style: Style) -> Pixels:
    if style is Style.MOSAIC:
        return cv2.resize(means, size_wh, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    # Twice: once would show the cells as diamonds.
    finer = cv2.resize(means, (_FINER * means.shape[1], _FINER * means.shape[0]), interpolation=cv2.INTER_CUBIC)
    return cv2.resize(finer, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
