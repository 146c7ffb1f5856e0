"""The faces of the probe: drawn, the same on every machine, and different from their mirror image and transpose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["probe_faces"]


def probe_faces(size: int) -> NDArray[np.uint8]:
    """Four crops (4, 1, size, size) uint8: a drawn face smiling, one with an open mouth, a ramp, a checkerboard.

    Integer arithmetic only, so that every machine draws the same bytes.
    """
    grid = np.arange(size, dtype=np.int64) * 48 // size  # in pixels of a 48 x 48 face
    y, x = np.meshgrid(grid, grid, indexing="ij")
    ramp = (x * 3 + y * 2) * 255 // (47 * 5)
    board = np.where((x // 6 + y // 4) % 2 == 0, 40 + 3 * x, 210 - 2 * y)
    crops = np.stack([_face(x, y, smile=True), _face(x, y, smile=False), ramp, board])
    return np.asarray(np.clip(crops, 0, 255)[:, None], np.uint8)


def _face(x: NDArray[np.int64], y: NDArray[np.int64], *, smile: bool) -> NDArray[np.int64]:
    def ellipse(centre_x: int, centre_y: int, radius_x: int, radius_y: int) -> NDArray[np.bool_]:
        across, down = (x - centre_x) * radius_y, (y - centre_y) * radius_x
        return np.asarray(across * across + down * down <= (radius_x * radius_y) ** 2)

    face = 60 + x  # light from the right
    face = np.where(ellipse(24, 24, 20, 26), 150 + x, face)
    for eye_x in (15, 33):
        face = np.where(ellipse(eye_x, 19, 4, 2 if smile else 3), 50, face)
        face = np.where(ellipse(eye_x + 1, 12 if smile else 9, 6, 1), 70, face)
    face = np.where(ellipse(24, 27, 2, 5), 175, face)
    mouth = ellipse(24, 36, 9, 5) & (y >= 36) if smile else ellipse(25, 37, 5, 6)
    return np.asarray(np.where(mouth, 45, face))
