"""The one pixel path from a grey image to a model's input, used by training's evaluation and by the live engine.

A *square* is a row (centre x, centre y, side, roll) in pixels and degrees: the face square that the contract's
framing names, in the continuous image plane where pixel (0, 0) covers [0, 1) x [0, 1). Roll is positive where the
face is turned clockwise on the screen.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .contract import Contract

__all__ = ["LIMITED_TO_FULL", "crop_faces", "crop_squares", "whole_image_squares"]

LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16.0) * (255.0 / 219.0)), 0, 255).astype(np.uint8)
"""(256,) uint8: video luma, black 16 and white 235 (ITU-R BT.601, BT.709), as 0..255."""

LARGE = 6.0
"""A square of more times the crop's size is halved before it is warped: several times faster, and hardly different."""


def whole_image_squares(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Squares (N, 4) that frame each of ``images`` (N, S, S) as it is: what a FER2013 image is to the contract."""
    side = float(images.shape[-1])
    return np.tile(np.array([side / 2, side / 2, side, 0.0], np.float32), (len(images), 1))


def crop_faces(
    grey: NDArray[np.uint8], squares: NDArray[np.float32], contract: Contract, *, limited_range: bool = False
) -> NDArray[np.uint8]:
    """Cut the face squares out of a grey image, as large as a model wants them: see :func:`crop_squares`.

    Args:
        grey: (H, W) uint8.
        squares: (N, 4) float32, (centre x, centre y, side, roll in degrees).
        contract: gives the crop's size S.
        limited_range: ``grey`` is video luma: the crops are expanded.

    Returns:
        (N, 1, S, S) uint8, full range; N may be 0.

    Raises:
        ValueError: ``grey`` is not (H, W) uint8 or ``squares`` not (N, 4).
    """
    return crop_squares(grey, squares, contract.size, limited_range=limited_range)


def crop_squares(
    grey: NDArray[np.uint8], squares: NDArray[np.float32], size: int, *, limited_range: bool = False
) -> NDArray[np.uint8]:
    """Cut squares out of a grey image.

    Each square is sampled bilinearly on a grid that is k times finer than the crop, with k so large that no source
    pixel is skipped, and averaged in blocks of k x k: no aliasing at any scale, sub-pixel exact, any roll in the
    same warp. Of a square more than :data:`LARGE` times the crop's size the surroundings are halved first, by means
    of 2 x 2 pixels, until it is smaller. A square that is the whole of an image of the crop's size comes out
    unchanged. Beyond the image's edge its nearest pixel is repeated.

    Args:
        grey: (H, W) uint8.
        squares: (N, 4) float32, (centre x, centre y, side, roll in degrees).
        size: side S of a crop, pixels.
        limited_range: ``grey`` is video luma, black 16 and white 235 (ITU-R BT.601, BT.709): the crops are expanded.

    Returns:
        (N, 1, S, S) uint8, full range; N may be 0.

    Raises:
        ValueError: ``grey`` is not (H, W) uint8 or ``squares`` not (N, 4).
    """
    if grey.ndim != 2 or grey.dtype != np.uint8:
        raise ValueError(f"grey must be (H, W) uint8, found {grey.shape} {grey.dtype}")
    if squares.ndim != 2 or squares.shape[1] != 4:
        raise ValueError(f"squares must be (N, 4), found {squares.shape}")
    crops = np.empty((len(squares), 1, size, size), np.uint8)
    for crop, (x, y, side, roll_deg) in zip(crops, squares.astype(np.float64), strict=True):
        crop[0] = _crop(grey, x, y, side, roll_deg, size)
    return cv2.LUT(crops, LIMITED_TO_FULL).astype(np.uint8, copy=False) if limited_range and len(crops) else crops


def _crop(grey: NDArray[np.uint8], x: float, y: float, side: float, roll_deg: float, size: int) -> NDArray[np.uint8]:
    while side > LARGE * size and (part := _around(grey, x, y, side)) is not None:
        part_left, part_top, pixels = part
        half_wh = pixels.shape[1] // 2, pixels.shape[0] // 2
        grey = cv2.resize(pixels, half_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        x, y, side = (x - part_left) / 2, (y - part_top) / 2, side / 2
    finer = max(1, math.ceil(side / size - 1e-3))
    fine = size * finer
    step = side / fine
    cos, sin = step * math.cos(math.radians(roll_deg)), step * math.sin(math.radians(roll_deg))
    # Fine pixel (u, v) has its centre at (u + .5, v + .5); OpenCV's warp counts from pixel centres, hence the - .5.
    middle = (fine - 1) / 2
    to_source = np.array(
        [
            [cos, -sin, x - 0.5 - middle * (cos - sin)],
            [sin, cos, y - 0.5 - middle * (sin + cos)],
        ]
    )
    warped = cv2.warpAffine(
        grey,
        to_source,
        (fine, fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if finer > 1:
        warped = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
    return warped.astype(np.uint8, copy=False)


def _around(grey: NDArray[np.uint8], x: float, y: float, side: float) -> tuple[int, int, NDArray[np.uint8]] | None:
    """Left, top and pixels of an even part of the image that holds a square at any roll; None where it has none."""
    reach = side * math.sqrt(0.5) + 2  # half the diagonal, and the neighbours that bilinear sampling asks
    left, top = max(0, math.floor(x - reach)), max(0, math.floor(y - reach))
    part = grey[top : max(0, math.ceil(y + reach)), left : max(0, math.ceil(x + reach))]
    # Of an odd number the last one is left out: at the image's edge its neighbour stands in for it.
    part = part[: part.shape[0] & ~1, : part.shape[1] & ~1]
    return (left, top, part) if part.size else None
