"""Colours for numbers, in an order that the eye sees: equal steps look equal, more is lighter, also without colour.

Both are of matplotlib (Smith and van der Walt 2015, https://bids.github.io/colormap/) as OpenCV brings them.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Plane

from .canvas import PANEL, Canvas, Colour, text_sprite, word_width

__all__ = ["HEAT", "MAPS", "picture_sprite", "scale_bar", "scale_planes"]

HEAT = cv2.COLORMAP_INFERNO
MAPS = cv2.COLORMAP_VIRIDIS

_INK: Colour = (190, 194, 200)


@lru_cache(maxsize=4)
def scale_planes(scale: int, limited_range: bool) -> tuple[Plane, Plane, Plane]:
    """The 256 colours of a scale as Y, Cb and Cr, (256,) each: ITU-R BT.601."""
    steps = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], scale).astype(np.float64)[:, 0]
    blue, green, red = steps.T
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luma) / 1.772, (red - luma) / 1.402
    if limited_range:
        luma, cb, cr = 16 + luma * 219 / 255, cb * 224 / 255, cr * 224 / 255
    planes = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (luma, 128 + cb, 128 + cr))
    y, u, v = planes
    return y, u, v


def picture_sprite(levels: NDArray[np.uint8], scale: int, *, limited_range: bool) -> Canvas:
    """Levels (H, W), both even, 0..255 on a scale, as a sprite."""
    half = levels[::2, ::2]
    y, u, v = scale_planes(scale, limited_range)
    return Canvas(y[levels], u[half], v[half], limited_range=limited_range)


def scale_bar(scale: int, least: str, most: str, width: int, height: int, *, limited_range: bool) -> Canvas:
    """A line of text ``height`` pixels high: the scale, so wide, between the words for its ends."""
    first, last = word_width(least, height), word_width(most, height)
    sprite = Canvas.sprite(first + width + last, height, PANEL, limited_range=limited_range)
    for word, left in ((least, 0), (most, first + width)):
        sprite.blit(text_sprite((word,), height, _INK, PANEL, limited_range=limited_range), left, 0)
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    band = np.repeat(ramp[None], 2 * (height // 4), 0)
    sprite.blit(picture_sprite(band, scale, limited_range=limited_range), first, 2 * (height // 8))
    return sprite
