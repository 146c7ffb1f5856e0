"""The heat map of where the net looks, over a face, and the words that say what it is."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats, Frame

from .canvas import PANEL, Canvas, Colour, line_height, text_sprite
from .colour_scales import HEAT, scale_bar, scale_planes

__all__ = ["draw_heat", "draw_legend", "legend_height"]

OPACITY = 0.65
"""Of the hottest place: eyes and mouth are still seen under it."""

FAINT = 0.2
"""Heat up to this is not drawn; opacity rises from there."""

CONTOUR = 0.5
"""A line goes round what speaks for the label at least half as much as the place that does so most."""

_INK: Colour = (235, 238, 242)


def draw_heat(frame: Frame, square: Floats, heat: Floats) -> None:
    """Draw a heat map over a face on the planes of a frame, which are changed.

    Cold places stay as they are; from there colour and opacity rise with the heat. The line marks half of the most.

    Args:
        frame: shows the face.
        square: (4,), centre x, centre y and side in pixels, roll in degrees, as of ``Faces``.
        heat: (S, S), 0..1, of the face's crop.
    """
    x, y, side, roll_deg = square.tolist()
    part = _part(frame.size_wh, x, y, side, roll_deg)
    if part is None or not heat.any():
        return
    left, top, right, bottom = part
    size_wh = right - left, bottom - top
    # The last maps are coarse; their edges would look as if they meant something.
    smooth = cv2.GaussianBlur(heat, (0, 0), len(heat) / 24)
    warm = _laid_over(smooth / smooth.max(), size_wh, x - left, y - top, side, roll_deg)
    luma, cb, cr = scale_planes(HEAT, frame.limited_range)
    level = np.rint(255 * warm).astype(np.uint8)
    cover = OPACITY * np.clip((warm - FAINT) / (1 - FAINT), 0, 1)
    _blend(frame.y[top:bottom, left:right], luma[level], cover)
    _contour(frame, warm, left, top, max(1, round(side / 160)))
    rows, columns = frame.u[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2].shape
    half = cv2.resize(level, (columns, rows), interpolation=cv2.INTER_AREA)
    half_cover = cv2.resize(cover, (columns, rows), interpolation=cv2.INTER_AREA)
    # Colour is told by more of it than of lightness, which carries the face.
    more = np.minimum(1.0, 1.5 * half_cover)
    for plane, values in ((frame.u, cb), (frame.v, cr)):
        _blend(plane[top // 2 : top // 2 + rows, left // 2 : left // 2 + columns], values[half], more)


def draw_legend(frame: Frame, title: str, detail: str) -> None:
    """Say in the bottom right corner of a frame, whose planes are changed, what the heat map shows, and its scale."""
    line = line_height(frame.size_wh)
    sprite = _legend(title, detail, line, frame.limited_range)
    width, height = frame.size_wh
    Canvas.of(frame).blit(sprite, (width & ~1) - sprite.size_wh[0], (height & ~1) - sprite.size_wh[1])


def legend_height(size_wh: tuple[int, int]) -> int:
    """How high the legend is on a frame of this size, pixels."""
    line = line_height(size_wh)
    return 3 * line + 2 * (line // 4)


@lru_cache(maxsize=8)
def _legend(title: str, detail: str, line: int, limited_range: bool) -> Canvas:
    lines = [text_sprite((text,), line, _INK, PANEL, limited_range=limited_range) for text in (title, detail)]
    scale = scale_bar(HEAT, "none", "most", 6 * line, line, limited_range=limited_range)
    rows = [*lines, scale]
    width = max(row.size_wh[0] for row in rows)
    sprite = Canvas.sprite(width, 3 * line + 2 * (line // 4), PANEL, limited_range=limited_range)
    for number, row in enumerate(rows):
        sprite.blit(row, 0, 2 * (line // 8) + number * line)
    return sprite


def _part(
    size_wh: tuple[int, int], x: float, y: float, side: float, roll_deg: float
) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the square's surroundings inside the frame; left and top are even. None: outside."""
    roll = math.radians(roll_deg)
    reach = side / 2 * (abs(math.cos(roll)) + abs(math.sin(roll)))
    left, top = max(0, math.floor(x - reach)) & ~1, max(0, math.floor(y - reach)) & ~1
    right, bottom = min(size_wh[0], math.ceil(x + reach)), min(size_wh[1], math.ceil(y + reach))
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def _laid_over(heat: Floats, size_wh: tuple[int, int], x: float, y: float, side: float, roll_deg: float) -> Floats:
    """(h, w): the heat of a square around (x, y), 0 outside of it."""
    scale, roll = len(heat) / side, math.radians(roll_deg)
    cos, sin = scale * math.cos(roll), scale * math.sin(roll)
    middle = (len(heat) - 1) / 2
    # From a pixel of the part, its centre half a pixel in, to the heat map: the inverse of crop_faces' warp.
    from_part = np.array(
        [
            [cos, sin, middle - cos * (x - 0.5) - sin * (y - 0.5)],
            [-sin, cos, middle + sin * (x - 0.5) - cos * (y - 0.5)],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpAffine(heat, from_part, size_wh, flags=flags, borderMode=cv2.BORDER_CONSTANT), 0, 1)


def _contour(frame: Frame, warm: Floats, left: int, top: int, stroke: int) -> None:
    inside = np.pad((warm >= CONTOUR).astype(np.uint8), 1)
    lines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left - 1, top - 1))
    # Light on the dark face and dark on the light colours beside it, in luma alone.
    white, black = (235, 16) if frame.limited_range else (255, 0)
    cv2.drawContours(frame.y, lines, -1, black, stroke + 2, cv2.LINE_AA)
    cv2.drawContours(frame.y, lines, -1, white, stroke, cv2.LINE_AA)


def _blend(plane: NDArray[np.uint8], colour: NDArray[np.uint8], cover: Floats) -> None:
    """Lay ``colour`` over a part of a plane, which is changed, as densely as ``cover`` says, 0..1."""
    mixed = plane + (colour.astype(np.float32) - plane) * cover
    plane[...] = np.rint(mixed).astype(np.uint8)
