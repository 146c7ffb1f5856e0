"""A panel with the feature maps of a layer, the strongest first."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats, Frame
from fer_live.realtime.explain.live import MapsShown

from .canvas import PANEL, Canvas, Colour, even, line_height, text_sprite, word_width
from .colour_scales import MAPS, picture_sprite, scale_bar

__all__ = ["draw_maps", "stands_left"]

SHARE, LEAST_LINES = 0.26, 9
"""The panel's width: a share of the frame's, and at least so many heights of a line of text."""

TILE_PX = 36
"""Least side of a tile, where three of them have room beside each other."""

MOST_TILES, MOST_COLUMNS = 60, 6

BRIGHTEST = 0.997
"""The scale ends at this quantile of all values: a few that stand out would leave the rest dark."""

BARS_LINES = 10
"""How wide the bars beside a face are, in heights of a line of text, about."""

FACE_WEIGHT = 4
"""A pixel of the face's width is worth so many of the bars'."""

LEAST_SPREAD = 1e-9

GAP = 2

_INK: Colour = (235, 238, 242)
_QUIET: Colour = (160, 164, 170)


def draw_maps(frame: Frame, shown: MapsShown, *, left: bool = False, above: int = 0) -> None:
    """Draw the panel at the right or left of a frame, whose planes are changed.

    Maps stand in rows, the one with the largest mean first, all on one scale; those that there is no room for are
    told by their number.

    Args:
        frame: to draw on.
        shown: the layer and its maps.
        left: whether the panel stands there.
        above: pixels at the bottom that stay free.
    """
    width, height = frame.size_wh
    sprite = _panel(shown, _width(frame.size_wh), height - above, line_height(frame.size_wh), frame.limited_range)
    Canvas.of(frame).blit(sprite, 0 if left else (width & ~1) - sprite.size_wh[0], 0)


def stands_left(size_wh: tuple[int, int], xyxy: Floats, was_left: bool) -> bool:
    """Whether the panel stands at the left, where it covers less of a face and of what is written at its right.

    Args:
        size_wh: of the frame.
        xyxy: (4,), the face's box, pixels.
        was_left: where it stood before; a small difference doesn't move it.
    """
    line, panel = line_height(size_wh), _width(size_wh)
    face_left, _, face_right, _ = xyxy.tolist()
    covered_left = FACE_WEIGHT * max(0.0, panel - face_left)
    beyond = face_right - (size_wh[0] - panel)
    covered_right = FACE_WEIGHT * max(0.0, beyond) + min(BARS_LINES * line, max(0.0, beyond + BARS_LINES * line))
    if abs(covered_left - covered_right) <= 2 * line:
        return was_left
    return bool(covered_left < covered_right)


def _width(size_wh: tuple[int, int]) -> int:
    return even(max(round(SHARE * size_wh[0]), LEAST_LINES * line_height(size_wh)))


def _panel(shown: MapsShown, wide: int, height: int, line: int, limited_range: bool) -> Canvas:
    margin = 2 * (line // 4)
    texts = _texts(shown, wide, line)
    head = (len(texts) + 1) * line
    tile, columns, rows = _plan(len(shown.maps), wide - 2 * margin, height - head - margin)
    order = strongest_first(shown.maps)[: columns * rows]
    sprite = Canvas.sprite(
        wide, head + -(-len(order) // columns) * (tile + GAP) + margin, PANEL, limited_range=limited_range
    )
    for row, text in enumerate(texts):
        ink = _QUIET if row else _INK
        sprite.blit(text_sprite((text,), line, ink, PANEL, limited_range=limited_range), 0, row * line)
    least, most = float(shown.maps.min()), float(np.quantile(shown.maps, BRIGHTEST))
    bar = scale_bar(MAPS, f"{least:.1f}", f"{most:.1f}+", 4 * line, line, limited_range=limited_range)
    sprite.blit(bar, 0, head - line)
    spread = max(most - least, LEAST_SPREAD)
    levels = np.rint(255 * np.minimum((shown.maps[order] - least) / spread, 1)).astype(np.uint8)
    for place, level in enumerate(levels):
        large = cv2.resize(level, (tile, tile), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
        left, top = margin + place % columns * (tile + GAP), head + place // columns * (tile + GAP)
        sprite.blit(picture_sprite(large, MAPS, limited_range=limited_range), left, top)
    return sprite


def strongest_first(maps: Floats) -> NDArray[np.intp]:
    """Numbers of maps (C, h, w), that of the largest mean first."""
    return np.argsort(-maps.mean((1, 2)), kind="stable")


def _texts(shown: MapsShown, room: int, line: int) -> list[str]:
    """What the panel says, in lines that fit."""
    layer = shown.layer
    count, height, width = layer.shape
    name = layer.name
    while word_width(f"{shown.number}/{shown.count} {name}", line) > room and "." in name:
        name = ".." + name.lstrip(".").partition(".")[2]  # the end tells more than the beginning
    precision = "int8, dequantised" if layer.precision == "int8" else layer.precision
    return [f"{shown.number}/{shown.count} {name}", f"{count} maps, {width}x{height}", precision, "strongest first"]


def _plan(maps: int, width: int, height: int) -> tuple[int, int, int]:
    """Side of a tile, even, and how many columns and rows of them."""
    columns = min(MOST_COLUMNS, max(3, width // (TILE_PX + GAP)))
    tile = max(8, (width // columns - GAP) & ~1)
    rows = max(1, min(height // (tile + GAP), -(-min(maps, MOST_TILES) // columns)))
    return tile, columns, rows
