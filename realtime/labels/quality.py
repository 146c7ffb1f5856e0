"""How well a face can be read: its size, its sharpness and how far it is turned away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Floats

__all__ = ["Qualities", "measure"]

NOSE_DEPTH = 0.41
"""How far the nose's tip stands before the plane of eyes and mouth corners, in distances between the eyes.

From the generic head that pose estimation from landmarks commonly uses (nose 135, eyes' centres 330 apart).
"""

NOISE_LEVELS = 1.0
"""Grey levels that are added to a crop's contrast, so that an empty crop is not divided by zero."""

FEW = 8
"""Crops that are measured at a time: as many as stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class Qualities:
    """What can be told of the pictures of M faces before anything is read from them; arrays (M,) float32.

    ``side_px``: side of the face square in pixels of the source. ``sharpness``: see :func:`measure`; about 0.4 for
    FER2013's images, 0.3 for a sharp video, below 0.1 where hardly anything can be read. ``turned_deg``: how far the
    face looks to either side, 0..90 degrees; NaN where there are no keypoints.
    """

    side_px: Floats
    sharpness: Floats
    turned_deg: Floats

    def __post_init__(self) -> None:
        shape = (len(self.side_px),)
        for name, array in (("side_px", self.side_px), ("sharpness", self.sharpness), ("turned_deg", self.turned_deg)):
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"{name} must be {shape} float32, found {array.shape} {array.dtype}")

    def __len__(self) -> int:
        return len(self.side_px)

    def only(self, keep: slice | NDArray[Any]) -> Qualities:
        """Those of the faces that a slice, mask (M,) or index array selects, in that order."""
        return Qualities(self.side_px[keep], self.sharpness[keep], self.turned_deg[keep])


def measure(crops: NDArray[np.uint8], squares: Floats, keypoints: Floats | None) -> Qualities:
    """Measure the crops of M faces.

    Sharpness is the energy of the second derivative, the classic focus measure (Nayar & Nakagawa 1994, sum of
    modified Laplacian; Pertuz et al. 2013 compare it with others), taken along rows and along columns apart and as
    the smaller of the two, since motion blurs one direction only; and divided by the crop's contrast, so that light
    and skin do not matter. Being taken on the crop, it is relative to the face: what the classifier could see.

    Args:
        crops: (M, 1, S, S) uint8, S >= 3; M may be 0.
        squares: (M, 4), centre x, centre y, side, roll: where in the source the crops are from, pixels.
        keypoints: (M, 5, 2) pixels, eyes, nose, mouth corners as in :class:`~.datatypes.Faces`, or None.
    """
    count = len(crops)
    if len(squares) != count or (keypoints is not None and len(keypoints) != count):
        raise ValueError(
            f"crops, squares and keypoints must be of the same faces, found {count}, {len(squares)}, "
            f"{'none' if keypoints is None else len(keypoints)}"
        )
    if not count:
        none = np.zeros(0, np.float32)
        return Qualities(none, none, none)
    turned = np.full(count, np.nan, np.float32) if keypoints is None else _turned_deg(keypoints)
    return Qualities(squares[:, 2].astype(np.float32), _sharpness(crops[:, 0]), turned)


def _sharpness(crops: NDArray[np.uint8]) -> Floats:
    """(M,) for crops (M, S, S): root mean square of the second difference / standard deviation."""
    parts = [_sharpness_of_few(crops[first : first + FEW]) for first in range(0, len(crops), FEW)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _sharpness_of_few(crops: NDArray[np.uint8]) -> Floats:
    grey = crops.astype(np.float32)
    across = grey[:, :, 2:] + grey[:, :, :-2]
    across -= 2 * grey[:, :, 1:-1]
    down = grey[:, 2:] + grey[:, :-2]
    down -= 2 * grey[:, 1:-1]
    grey -= np.einsum("ijk->i", grey)[:, None, None] / grey[0].size
    contrast = np.sqrt(_mean_square(grey))
    second = np.sqrt(np.minimum(_mean_square(across), _mean_square(down)))
    return np.asarray(second / (contrast + NOISE_LEVELS), np.float32)


def _mean_square(images: Floats) -> Floats:
    flat = images.reshape(len(images), images.shape[1] * images.shape[2])
    return np.asarray(np.einsum("ij,ij->i", flat, flat) / flat.shape[1], np.float32)


def _turned_deg(keypoints: Floats) -> Floats:
    """(M,) degrees for keypoints (M, 5, 2), by how far the nose stands beside the line from eyes to mouth.

    A head of which the nose stands d before a plane w wide shows it d sin(yaw) beside the middle of a width of
    w cos(yaw), when it is far from the camera.
    """
    points = keypoints.astype(np.float64)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    down, nose = mouth - eyes, points[:, 2] - eyes
    length = np.hypot(down[:, 0], down[:, 1])
    beside = np.abs(nose[:, 0] * down[:, 1] - nose[:, 1] * down[:, 0])
    width = np.hypot(points[:, 1, 0] - points[:, 0, 0], points[:, 1, 1] - points[:, 0, 1])
    return np.asarray(np.degrees(np.arctan2(beside, NOSE_DEPTH * width * length)).astype(np.float32), np.float32)
