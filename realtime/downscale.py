"""Small copies of a frame for the detectors; the full-size frame is never converted to BGR."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.preprocess import LIMITED_TO_FULL

from .datatypes import Floats, Frame, Plane

__all__ = ["Downscaled", "downscaled_bgr", "downscaled_grey", "halved", "small_size_wh"]

_LEVELS = np.arange(256, dtype=np.float64)
_LUMA_TO_LIMITED = np.rint(16 + _LEVELS * (219 / 255)).astype(np.uint8)
_CHROMA_TO_LIMITED = np.rint(128 + (_LEVELS - 128) * (224 / 255)).astype(np.uint8)

_BLACK_LUMA, _NO_CHROMA = 16, 128


@dataclass(frozen=True, slots=True)
class Downscaled:
    """A small copy of a frame.

    ``image``: (h, w, 3) BGR or (h, w) grey uint8, full range. ``factors_xy``: (2,) float32, what its pixel
    coordinates are multiplied by to get the frame's.
    """

    image: Plane
    factors_xy: Floats


def small_size_wh(size_wh: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """(width, height) of the copy: its longer side is at most ``longest_px``; never larger than the frame."""
    width, height = size_wh
    scale = min(1.0, longest_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def downscaled_bgr(frame: Frame, longest_px: int, multiple: int) -> Downscaled:
    """A BGR copy, its longer side at most ``longest_px``, padded with black on the right and at the bottom.

    The planes are shrunk first and only the small ones converted, as BT.601: a detector does not mind the slightly
    other hues of BT.709.

    Args:
        frame: of any size, odd ones too.
        longest_px: at least 1.
        multiple: the copy's width and height are padded to multiples of this even number.
    """
    small_w, small_h = small_size_wh(frame.size_wh, longest_px)
    padded_w, padded_h = (-(-side // multiple) * multiple for side in (small_w, small_h))
    # I420 as OpenCV wants it: the rows of Y, then those of U and of V at half the width, one after the other.
    i420 = np.empty(padded_h * padded_w * 3 // 2, np.uint8)
    y, u, v = np.split(i420, [padded_h * padded_w, padded_h * padded_w * 5 // 4])
    chroma_wh = (small_w + 1) // 2, (small_h + 1) // 2
    full_range = not frame.limited_range
    _place(frame.y, (small_w, small_h), y.reshape(padded_h, padded_w), _BLACK_LUMA, full_range, _LUMA_TO_LIMITED)
    for plane, part in ((frame.u, u), (frame.v, v)):
        half = part.reshape(padded_h // 2, padded_w // 2)
        _place(plane, chroma_wh, half, _NO_CHROMA, full_range, _CHROMA_TO_LIMITED)
    bgr = cv2.cvtColor(i420.reshape(padded_h * 3 // 2, padded_w), cv2.COLOR_YUV2BGR_I420)
    return Downscaled(bgr.astype(np.uint8, copy=False), _factors(frame, small_w, small_h))


def downscaled_grey(frame: Frame, longest_px: int) -> Downscaled:
    """A grey copy, full range, its longer side at most ``longest_px``."""
    small_w, small_h = small_size_wh(frame.size_wh, longest_px)
    grey = _shrunk(frame.y, (small_w, small_h))
    if frame.limited_range:
        grey = cv2.LUT(grey, LIMITED_TO_FULL).astype(np.uint8, copy=False)
    return Downscaled(grey, _factors(frame, small_w, small_h))


def _factors(frame: Frame, small_w: int, small_h: int) -> Floats:
    width, height = frame.size_wh
    return np.array([width / small_w, height / small_h], np.float32)


def halved(plane: Plane) -> Plane:
    """The plane at half its width and height, rounded down but at least 1, by averaging."""
    height, width = plane.shape
    size_wh = max(1, width // 2), max(1, height // 2)
    return cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _shrunk(plane: Plane, size_wh: tuple[int, int]) -> Plane:
    # By halves as far as that goes: OpenCV is several times faster at it than at any other factor.
    height, width = size_wh[::-1]
    while not (plane.shape[0] % 2 or plane.shape[1] % 2 or plane.shape[0] < 2 * height or plane.shape[1] < 2 * width):
        plane = halved(plane)
    if plane.shape == (height, width):
        return plane
    return cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _place(
    plane: Plane, size_wh: tuple[int, int], target: Plane, padding: int, map_range: bool, table: NDArray[np.uint8]
) -> None:
    """Shrink ``plane`` into the top left corner of ``target`` and fill the rest with ``padding``."""
    small = _shrunk(plane, size_wh)
    width, height = size_wh
    target[:height, :width] = cv2.LUT(small, table) if map_range else small
    target[:height, width:] = padding
    target[height:] = padding
