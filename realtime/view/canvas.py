"""Opaque strokes, sprites and text on the planes of a frame, in place: no colour conversion on the way.

Everything lies on even pixels, so that luma and the half-size chroma agree, and covers what is under it: slices are
assigned, nothing is read or blended. That is fast, and flat areas with hard edges cost an encoder little. Words are
rendered once and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.printable import printable
from fer_live.realtime.datatypes import Frame, Plane

__all__ = [
    "PANEL",
    "SMALLEST_TEXT",
    "Canvas",
    "Colour",
    "even",
    "ink_on",
    "line_height",
    "text_sprite",
    "word_width",
]

Colour = tuple[int, int, int]
"""sRGB, 0..255."""

PANEL: Colour = (26, 28, 32)
"""The ground of panels, legends and messages, dark so that they are read on any picture."""

SMALLEST_TEXT = 14
"""Height in pixels of the smallest line of text that is still read with ease; even, as every line's."""

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


class Canvas:
    """Three planes to draw on, of a frame or of a sprite; whatever lies outside is cut off.

    Coordinates are pixels of the luma plane; odd ones are rounded: left and top down, right and bottom up.
    """

    __slots__ = ("_limited_range", "_u", "_v", "_y")

    def __init__(self, y: Plane, u: Plane, v: Plane, *, limited_range: bool) -> None:
        self._y, self._u, self._v, self._limited_range = y, u, v, limited_range

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The planes of a frame, which drawing changes."""
        return cls(frame.y, frame.u, frame.v, limited_range=frame.limited_range)

    @classmethod
    def sprite(cls, width: int, height: int, ground: Colour, *, limited_range: bool) -> Self:
        """Planes of an even size in one colour, to draw on once and :meth:`blit` often."""
        values = _yuv(ground, limited_range)
        sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        planes = (np.full(size, value, np.uint8) for size, value in zip(sizes, values, strict=True))
        return cls(*planes, limited_range=limited_range)

    def copy(self) -> Canvas:
        """The same on planes of its own."""
        return Canvas(self._y.copy(), self._u.copy(), self._v.copy(), limited_range=self._limited_range)

    @property
    def size_wh(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self._y.shape[1], self._y.shape[0]

    def fill(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """A rectangle; right and bottom are exclusive."""
        # Cut off at the left and top; slices end at the right and bottom by themselves.
        left, top, right, bottom = left >> 1, top >> 1, (right + 1) >> 1, (bottom + 1) >> 1
        if left < 0 or top < 0:
            left, top, right, bottom = max(0, left), max(0, top), max(0, right), max(0, bottom)
        y, u, v = _yuv(colour, self._limited_range)
        self._y[2 * top : 2 * bottom, 2 * left : 2 * right] = y
        self._u[top:bottom, left:right] = u
        self._v[top:bottom, left:right] = v

    def outline(self, left: int, top: int, right: int, bottom: int, stroke: int, colour: Colour) -> None:
        """The frame of a rectangle, ``stroke`` (even) pixels wide, inside it."""
        left, top, right, bottom, stroke = left >> 1, top >> 1, (right + 1) >> 1, (bottom + 1) >> 1, stroke // 2
        # Cut off as in fill.
        columns = (max(0, left), max(0, left + stroke), max(0, right - stroke), max(0, right))
        rows = (max(0, top), max(0, top + stroke), max(0, bottom - stroke), max(0, bottom))
        y, u, v = _yuv(colour, self._limited_range)
        for plane, value, scale in ((self._y, y, 2), (self._u, u, 1), (self._v, v, 1)):
            x0, x1, x2, x3 = columns if scale == 1 else [2 * column for column in columns]
            y0, y1, y2, y3 = rows if scale == 1 else [2 * row for row in rows]
            plane[y0:y1, x0:x3] = value
            plane[y2:y3, x0:x3] = value
            plane[y1:y2, x0:x1] = value
            plane[y1:y2, x2:x3] = value

    def dashes(self, left: int, top: int, right: int, bottom: int, stroke: int, colour: Colour) -> None:
        """As :meth:`outline`, dashed."""
        left, top, right, bottom, stroke = left >> 1, top >> 1, (right + 1) >> 1, (bottom + 1) >> 1, stroke // 2
        height, width = self._y.shape
        across, down = _marks(left, right, width // 2, stroke), _marks(top, bottom, height // 2, stroke)
        y, u, v = _yuv(colour, self._limited_range)
        for plane, value, scale in ((self._y, y, 2), (self._u, u, 1), (self._v, v, 1)):
            _dash(plane, top, *across, stroke, scale, value)
            _dash(plane, bottom - stroke, *across, stroke, scale, value)
            _dash(plane.T, left, *down, stroke, scale, value)
            _dash(plane.T, right - stroke, *down, stroke, scale, value)

    def blit(self, sprite: Canvas, left: int, top: int) -> None:
        """Put a sprite with its top left corner there."""
        left, top = left >> 1, top >> 1
        rows, columns = sprite._u.shape
        bottom, right = top + rows, left + columns
        if left >= 0 and top >= 0 and 2 * right <= self._y.shape[1] and 2 * bottom <= self._y.shape[0]:
            self._y[2 * top : 2 * bottom, 2 * left : 2 * right] = sprite._y
            self._u[top:bottom, left:right] = sprite._u
            self._v[top:bottom, left:right] = sprite._v
        else:
            _put_part(self._y, sprite._y, 2 * left, 2 * top)
            _put_part(self._u, sprite._u, left, top)
            _put_part(self._v, sprite._v, left, top)


def text_sprite(words: Sequence[str], size: int, ink: Colour, ground: Colour, *, limited_range: bool) -> Canvas:
    """A line of text, ``size`` (even) pixels high, on a ground of its own.

    Each word is kept once rendered, so give apart what changes apart.
    """
    patches = [_word(word, size, ink, ground, limited_range) for word in words]
    planes = (np.concatenate(parts, axis=1) for parts in zip(*patches, strict=True))
    return Canvas(*planes, limited_range=limited_range)


def line_height(size_wh: tuple[int, int]) -> int:
    """How high a line of text is on a frame of this size, in pixels: 14 at 360p, 18 at 720p, 26 at 1080p."""
    return max(SMALLEST_TEXT, 2 * (min(size_wh) // 80))


def even(value: int) -> int:
    """``value`` or the next even number."""
    return value + (value & 1)


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = ground
    return _BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else _WHITE


def word_width(word: str, size: int) -> int:
    """Width in pixels, even, of a word with its margins in a line ``size`` pixels high."""
    return int(_mask(word, size).shape[1])


def _put_part(plane: Plane, patch: Plane, left: int, top: int) -> None:
    """Put what of a patch lies inside the plane."""
    patch = patch[max(0, -top) :, max(0, -left) :]
    part = plane[max(0, top) : max(0, top) + patch.shape[0], max(0, left) : max(0, left) + patch.shape[1]]
    part[...] = patch[: part.shape[0], : part.shape[1]]


def _marks(begin: int, end: int, limit: int, stroke: int) -> tuple[int, int]:
    """Where the first mark of a dashed line lies that is inside, and how many whole ones there are up to ``limit``.

    A mark is four strokes long, the gap after it two; all in chroma samples.
    """
    if begin < 0:
        begin %= 6 * stroke
    return begin, max(0, min(end - begin + 2 * stroke, limit - begin) // (6 * stroke))


def _dash(plane: Plane, line: int, begin: int, count: int, stroke: int, scale: int, value: int) -> None:
    """A dashed line along the rows of a plane that has ``scale`` samples to one of chroma."""
    if line < 0 or count == 0:
        return
    stroke, begin = scale * stroke, scale * begin
    rows = plane[scale * line : scale * line + stroke, begin : begin + 6 * stroke * count]
    # Splitting an axis of a view gives a view: (stroke, count, mark and gap).
    rows.reshape(rows.shape[0], count, 6 * stroke)[:, :, : 4 * stroke] = value


@lru_cache(maxsize=1024)
def _word(word: str, size: int, ink: Colour, ground: Colour, limited_range: bool) -> tuple[Plane, Plane, Plane]:
    """The planes of a word in one colour on another: luma (size, width), chroma of half that."""
    mask = _mask(word, size)
    half = mask.reshape(size // 2, 2, -1, 2).sum((1, 3)) // 4
    inks, grounds = _yuv(ink, limited_range), _yuv(ground, limited_range)
    y, u, v = (
        ((value * (256 - cover) + inked * cover) >> 8).astype(np.uint8)
        for value, inked, cover in zip(grounds, inks, (mask, half, half), strict=True)
    )
    return y, u, v


@lru_cache(maxsize=1024)
def _mask(word: str, size: int) -> NDArray[np.int32]:
    """Coverage 0..256 of a word in a box ``size`` pixels high, drawn four times larger and averaged down."""
    word, finer = printable(word), 4
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = finer * size * 0.62 / 22  # a capital of this font is 22 pixels high at scale 1
    thick = max(1, round(finer * size / 18))
    (width, height), _ = cv2.getTextSize(word, font, scale, thick)
    margin = finer * (size // 4)
    columns = 2 * finer * -(-(width + 2 * margin) // (2 * finer))
    large = np.zeros((finer * size, columns), np.uint8)
    # A little above the middle: room for what hangs under the line.
    start = ((columns - width) // 2, (finer * size + height) // 2 - finer * size // 24)
    cv2.putText(large, word, start, font, scale, 255, thick, cv2.LINE_8)
    small = cv2.resize(large, (columns // finer, size), interpolation=cv2.INTER_AREA)
    return (small.astype(np.int32) * 256 + 127) // 255


@lru_cache(maxsize=256)
def _yuv(colour: Colour, limited_range: bool) -> tuple[int, int, int]:
    """BT.601 YCbCr of an sRGB colour."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luma) / 1.772, (red - luma) / 1.402
    if limited_range:
        return round(16 + luma * 219 / 255), round(128 + cb * 224 / 255), round(128 + cr * 224 / 255)
    return round(luma), min(255, round(128 + cb)), min(255, round(128 + cr))
