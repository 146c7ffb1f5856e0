"""Draws boxes, labels and probability bars on a frame's YUV planes, in place: no colour conversion on the way.

Everything is made of two strokes, a filled rectangle and a line of text, snapped to even pixels so that luma and the
half-size chroma agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.palette import LABEL_COLOURS

from .datatypes import Frame, Predictions, Result
from .tracker import iou

__all__ = ["Annotator", "Rect"]

Mask = NDArray[np.uint16]

_OTHER = (150, 150, 220)
SMALLEST_TEXT = 13
"""Height in pixels of the smallest line of text that is still read with ease."""
_WHITE, _BLACK, _PANEL = (255, 255, 255), (0, 0, 0), (20, 22, 26)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def as_box(self) -> NDArray[np.float32]:
        """(4,) float32, left, top, right, bottom."""
        return np.array([self.left, self.top, self.right, self.bottom], np.float32)


@dataclass(slots=True)
class Annotator:
    """Draws results. A face gets its box, a tag with label, probability and track id, and seven bars.

    Bars are a panel with names beside the face where one of a readable size fits without covering another face, else
    a compact row under it, tallest bar the likeliest, in the colours of the labels.
    """

    show_ids: bool = True
    _layout: dict[int, str] = field(default_factory=dict)

    def draw(self, result: Result) -> None:
        """Draw on the planes of ``result.frame``, which are changed."""
        canvas = _Canvas(result.frame)
        width, height = result.frame.size_wh
        seen = set(result.track_ids.tolist())
        self._layout = {track: side for track, side in self._layout.items() if track in seen}
        largest = max(SMALLEST_TEXT, round(height / 40))  # height of a text line in pixels: 13 at 360p, 27 at 1080p
        stroke = 2 * max(1, round(height / 540))
        boxes = result.faces.xyxy
        taken = list(boxes)
        tags: list[tuple[str, int, int, int, tuple[int, int, int]]] = []
        for number, box in enumerate(boxes):
            left, top, right, bottom = (int(value) for value in np.rint(box))
            # Small faces stand close together: their text is smaller too.
            text = min(largest, max(SMALLEST_TEXT, round((right - left) / 3)))
            predictions = result.expressions.smoothed
            probabilities = predictions.probabilities[number]
            best = int(result.expressions.shown[number])
            label = predictions.labels[best]
            colour = LABEL_COLOURS.get(label, _OTHER)
            canvas.outline(Rect(left, top, right, bottom), stroke, colour)
            tag = f"{label} {100 * probabilities[best]:.0f}%"
            if self.show_ids and len(boxes) > 1:
                tag = f"#{result.track_ids[number]} {tag}"
            tag_wh = canvas.text_wh(tag, text)
            tag_top = top - tag_wh[1] if top - tag_wh[1] >= 0 else bottom
            # A tag wider than its face stands over its middle.
            tag_left = left if tag_wh[0] <= right - left else (left + right - tag_wh[0]) // 2
            tag_left = min(max(0, tag_left), max(0, width - tag_wh[0]))
            track = int(result.track_ids[number])
            panel = self._panel(track, box, text, (width, height), predictions, taken, canvas)
            if panel is not None:
                _draw_panel(canvas, panel, probabilities, predictions.labels, text)
                taken.append(panel.as_box())
            else:
                bars_top = bottom + (tag_wh[1] if tag_top == bottom else 0)
                half = max(right - left, 3 * text) // 2
                middle = (left + right) // 2
                bars = Rect(middle - half, bars_top, middle + half, bars_top + text)
                _draw_compact_bars(canvas, bars, probabilities, predictions.labels)
            tags.append((tag, tag_left, tag_top, text, colour))
        # Last, so that no neighbour's bars hide a label.
        for entry in tags:
            canvas.tag(*entry)

    def _panel(
        self,
        track: int,
        box: NDArray[np.float32],
        text: int,
        frame_wh: tuple[int, int],
        predictions: Predictions,
        taken: list[NDArray[np.float32]],
        canvas: _Canvas,
    ) -> Rect | None:
        """Where the panel of bars goes: the side it was on before if that still fits, else right or left, else None."""
        names = max(canvas.text_wh(label, text)[0] for label in predictions.labels)
        width, height = names + 5 * text, len(predictions.labels) * text + text // 2
        if box[3] - box[1] < height * 0.55:
            self._layout.pop(track, None)
            return None
        top = int(min(max(0, box[1]), max(0, frame_wh[1] - height)))
        gap = text // 3
        spots = {"right": int(box[2]) + gap, "left": int(box[0]) - gap - width}
        before = self._layout.get(track)
        for side in sorted(spots, key=lambda name: (name != before, name != "right")):
            rect = Rect(spots[side], top, spots[side] + width, top + height)
            inside = rect.left >= 0 and rect.right <= frame_wh[0] and rect.bottom <= frame_wh[1]
            others = [other for other in taken if other is not box]
            free = not others or float(iou(rect.as_box()[None], np.stack(others)).max()) == 0.0
            if inside and free:
                self._layout[track] = side
                return rect
        self._layout.pop(track, None)
        return None


def _draw_panel(
    canvas: _Canvas, rect: Rect, probabilities: NDArray[np.float32], labels: tuple[str, ...], text: int
) -> None:
    canvas.fill(rect, _PANEL, 0.72)
    names = max(canvas.text_wh(label, text)[0] for label in labels)
    bar_left = rect.left + names + text // 4
    room = rect.right - bar_left - text // 2
    for row, (label, probability) in enumerate(zip(labels, probabilities.tolist(), strict=True)):
        top = rect.top + text // 4 + row * text
        canvas.text(label, rect.left, top, text, _WHITE)
        bar = Rect(bar_left, top + text // 4, bar_left + max(2, round(room * probability)), top + text - text // 8)
        canvas.fill(Rect(bar_left, bar.top, bar_left + room, bar.bottom), _WHITE, 0.12)
        canvas.fill(bar, LABEL_COLOURS.get(label, _OTHER), 1.0)


def _draw_compact_bars(
    canvas: _Canvas, rect: Rect, probabilities: NDArray[np.float32], labels: tuple[str, ...]
) -> None:
    canvas.fill(rect, _PANEL, 0.72)
    step = (rect.right - rect.left) / len(labels)
    height = rect.bottom - rect.top
    for column, (label, probability) in enumerate(zip(labels, probabilities.tolist(), strict=True)):
        left = round(rect.left + column * step)
        right = max(left + 2, round(rect.left + (column + 1) * step) - (2 if step >= 6 else 0))
        bar_top = rect.bottom - max(2, round(height * probability))
        canvas.fill(Rect(left, bar_top, right, rect.bottom), LABEL_COLOURS.get(label, _OTHER), 1.0)


class _Canvas:
    """Strokes on the three planes of one frame; whatever lies outside is cut off."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._size_wh = frame.size_wh

    def fill(self, rect: Rect, colour: tuple[int, int, int], opacity: float) -> None:
        width, height = self._size_wh
        # Even edges, outwards on the left and top: a chroma sample covers 2 x 2 pixels.
        left, top = max(0, rect.left & ~1), max(0, rect.top & ~1)
        right, bottom = min(width, rect.right + (rect.right & 1)), min(height, rect.bottom + (rect.bottom & 1))
        if left >= right or top >= bottom:
            return
        luma, blue, red = _yuv(colour, self._frame.limited_range)
        half = (slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2))
        for plane, where, value in (
            (self._frame.y, (slice(top, bottom), slice(left, right)), luma),
            (self._frame.u, half, blue),
            (self._frame.v, half, red),
        ):
            if opacity >= 1:
                plane[where] = value
            else:
                # dst = src * (1 - opacity) + value * opacity, in OpenCV's saturating 8-bit arithmetic.
                plane[where] = cv2.convertScaleAbs(plane[where], alpha=1 - opacity, beta=value * opacity)

    def outline(self, rect: Rect, stroke: int, colour: tuple[int, int, int]) -> None:
        left, top = rect.left & ~1, rect.top & ~1
        right, bottom = rect.right + (rect.right & 1), rect.bottom + (rect.bottom & 1)
        self.fill(Rect(left, top, right, top + stroke), colour, 1.0)
        self.fill(Rect(left, bottom - stroke, right, bottom), colour, 1.0)
        self.fill(Rect(left, top, left + stroke, bottom), colour, 1.0)
        self.fill(Rect(right - stroke, top, right, bottom), colour, 1.0)

    def tag(self, text: str, left: int, top: int, size: int, colour: tuple[int, int, int]) -> None:
        width, height = self.text_wh(text, size)
        self.fill(Rect(left, top, left + width, top + height), colour, 1.0)
        bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 110
        self.text(text, left, top, size, _BLACK if bright else _WHITE)

    def text_wh(self, text: str, size: int) -> tuple[int, int]:
        """(width, height) in pixels that a line of text takes, its margins included."""
        mask = _text_mask(text, size)
        return mask.shape[1], mask.shape[0]

    def text(self, text: str, left: int, top: int, size: int, colour: tuple[int, int, int]) -> None:
        """Blend a line of text into the luma plane only: it stands on a filled ground of its own colour."""
        mask = _text_mask(text, size)
        width, height = self._size_wh
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(width, left + mask.shape[1]), min(height, top + mask.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        part = mask[y0 - top : y1 - top, x0 - left : x1 - left]
        ground = self._frame.y[y0:y1, x0:x1].astype(np.uint16)
        luma = _yuv(colour, self._frame.limited_range)[0]
        self._frame.y[y0:y1, x0:x1] = ((ground * (256 - part) + np.uint16(luma) * part) >> 8).astype(np.uint8)


@lru_cache(maxsize=2048)
def _text_mask(text: str, size: int) -> Mask:
    """Coverage 0..256 of a line of text in a box ``size`` pixels high, drawn four times larger and averaged down."""
    finer = 4
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = finer * size * 0.62 / 22  # a capital of this font is 22 pixels high at scale 1
    thick = max(1, round(finer * size / 18))
    (width, height), _ = cv2.getTextSize(text, font, scale, thick)
    margin = finer * max(2, size // 4)
    rows, columns = finer * size, -(-(width + 2 * margin) // finer) * finer
    large = np.zeros((rows, columns), np.uint8)
    baseline = (rows + height) // 2
    cv2.putText(large, text, (margin, baseline), font, scale, 255, thick, cv2.LINE_AA)
    small = cv2.resize(large, (columns // finer, size), interpolation=cv2.INTER_AREA)
    return (small.astype(np.uint16) * 256 + 127) // 255


@lru_cache(maxsize=256)
def _yuv(colour: tuple[int, int, int], limited_range: bool) -> tuple[int, int, int]:
    """BT.601 YCbCr of an sRGB colour."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luma) / 1.772, (red - luma) / 1.402
    if limited_range:
        return round(16 + luma * 219 / 255), round(128 + cb * 224 / 255), round(128 + cr * 224 / 255)
    return round(luma), min(255, round(128 + cb)), min(255, round(128 + cr))
