"""Follows faces from one frame to the next by optical flow on a small grey copy, between the detector's looks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Faces, Floats, Frame, Plane
from fer_live.realtime.downscale import halved

__all__ = ["MIN_LIKENESS", "FaceFlow", "Steps", "likeness", "patches"]

LONGEST_PX = 640
"""Longer side at most of the copy that flow is measured on; frames are halved until they fit."""

LEAST_SIDE_PX = 24
"""Faces smaller than this on the copy are followed on one that is twice as large, if there is one."""

MOST_DIFFERENCE = 24.0
"""Mean grey difference (0..255) between a point's surroundings before and after, beyond which it counts as lost."""

SUSPICIOUS_DIFFERENCE = 6.0
"""The same, as median of a face's points, beyond which another face may have taken its place."""

CUT_DIFFERENCE = 28.0
"""Mean grey difference (0..255) between the thumbnails of two frames, beyond which they are two scenes."""

MIN_LIKENESS = 0.5
"""Correlation of pictures below which they are not of one face in neighbouring frames, nor shortly after.

Measured on faces in neighbouring frames: 0.78 and more in 98 of 100; where one takes another's place: 0.38 at most.
"""

PATCH_PX = 16
_THUMBNAIL_ROWS, _THUMBNAIL_COLUMNS = 36, 64
_GRID = np.stack(np.meshgrid([-0.3, 0.0, 0.3], [-0.3, 0.0, 0.3]), -1).reshape(-1, 2).astype(np.float32)
_FEWEST = 5
_WINDOW_WH = (11, 11)
_LEVELS = 2
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)


@dataclass(frozen=True, slots=True)
class Steps:
    """How N faces moved from the frame before to this one.

    ``shift``: (N, 2) float32 pixels. ``scale``: (N,) float32, size now / size before. ``sure``: (N,) bool, False
    where the face was lost on the way: the other two mean nothing then. ``suddenly``: (N,) bool, where it was lost
    because something else is in its place.
    """

    shift: Floats
    scale: Floats
    sure: NDArray[np.bool_]
    suddenly: NDArray[np.bool_]

    def applied_to(self, faces: Faces) -> Faces:
        """The faces where they are now; scores stay."""
        middle = faces.squares[:, :2]
        to = middle + self.shift
        squares = np.column_stack([to, faces.squares[:, 2] * self.scale, faces.squares[:, 3]]).astype(np.float32)

        def moved(points: Floats) -> Floats:  # (N, K, 2)
            placed: Floats = to[:, None] + self.scale[:, None, None] * (points - middle[:, None])
            return placed

        xyxy = moved(faces.xyxy.reshape(-1, 2, 2)).reshape(-1, 4)
        return Faces(xyxy, faces.score, squares, None if faces.keypoints is None else moved(faces.keypoints))


class FaceFlow:
    """Pyramidal Lucas-Kanade flow (Bouguet 2001) of nine points a face; their median is the face's step.

    Give it the frames with :meth:`look`, not necessarily all, then ask with :meth:`step` how the faces have moved
    since the frame that it was given before. All frames must be of one size.

    ``change``: mean grey difference (0..255) of the last two frames that :meth:`is_cut` was asked of, coarsely.
    """

    def __init__(self) -> None:
        self._before: list[Plane] = []
        self._now: list[Plane] = []
        self._thumbnail: Plane | None = None
        self.change = 0.0

    def is_cut(self, frame: Frame) -> bool:
        """Whether the frame shows another scene than the one this was asked of before."""
        height, width = frame.y.shape
        every = max(1, height // _THUMBNAIL_ROWS), max(1, width // _THUMBNAIL_COLUMNS)
        thumbnail = frame.y[:: every[0], :: every[1]].copy()  # never the luma itself, which is drawn on later
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None:
            return False
        self.change = cv2.norm(thumbnail, before, cv2.NORM_L1) / thumbnail.size
        return self.change > CUT_DIFFERENCE

    def look(self, frame: Frame) -> None:
        """Take a frame."""
        self._before, self._now = self._now, _copies(frame.y)

    def step(self, squares: Floats, frame_width: int) -> Steps:
        """How faces with these squares (N, 4) have moved between the two frames that were looked at last.

        Args:
            squares: where they were in the former.
            frame_width: pixels of a whole frame; squares are in its coordinates.
        """
        n = len(squares)
        if not n or not self._before:
            return Steps(
                np.zeros((n, 2), np.float32), np.ones(n, np.float32), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
            )
        level = len(self._now) - 1
        if level and squares[:, 2].min() * self._now[level].shape[1] / frame_width < LEAST_SIDE_PX:
            level -= 1
        factor = self._now[level].shape[1] / frame_width
        grid = squares[:, None, 2:3] * _GRID * factor  # (N, P, 2), about each face's middle
        points = (squares[:, None, :2] * factor + grid).astype(np.float32)
        found, status, error = cv2.calcOpticalFlowPyrLK(
            self._before[level],
            self._now[level],
            points.reshape(-1, 1, 2),
            None,  # type: ignore[call-overload]
            winSize=_WINDOW_WH,
            maxLevel=_LEVELS,
            criteria=_STOP,
        )
        # OpenCV leaves the error of points that it lost as the memory was.
        difference = np.where(status.reshape(n, -1) == 1, error.reshape(n, -1), np.float32(255))
        good = difference < MOST_DIFFERENCE  # (N, P)
        shift = found.reshape(n, -1, 2) - points
        middle = _median(shift, good)
        # Points that don't go with the face (hair, background, a hand) have no say in its size.
        off = np.abs(shift - middle[:, None]).max(2)
        good &= off <= 0.15 * squares[:, None, 2] * factor
        middle = _median(shift, good)
        weight = good[:, :, None]
        spread = (grid * grid * weight).sum((1, 2))
        growth = ((shift - middle[:, None]) * grid * weight).sum((1, 2))
        scale = 1 + np.divide(growth, spread, out=np.zeros_like(growth), where=spread > 0)
        sure = (good.sum(1) >= _FEWEST) & (np.abs(scale - 1) < 0.15)
        suddenly = np.sort(difference, axis=1)[:, len(_GRID) // 2] > SUSPICIOUS_DIFFERENCE
        for row in np.flatnonzero(suddenly):
            old, new = squares[row : row + 1] * factor, squares[row : row + 1] * factor
            new[:, :2] += middle[row]
            alike = likeness(patches(self._before[level], old), patches(self._now[level], new))
            suddenly[row] = alike[0, 0] < MIN_LIKENESS
        shift_px = (middle / factor).astype(np.float32)
        return Steps(shift_px, scale.astype(np.float32), sure & ~suddenly, suddenly)


def patches(grey: Plane, squares: Floats) -> Floats:
    """What faces look like, (N, P * P) float32 of zero mean and unit length: to tell a face from one that replaced it.

    Coarse grey pictures that live as long as their track; nothing in them tells a person from another for good.

    Args:
        grey: (H, W).
        squares: (N, 4), their roll is not looked at.
    """
    out = np.empty((len(squares), PATCH_PX, PATCH_PX), np.float32)
    for row, (x, y, side, _) in enumerate(squares.tolist()):
        half = side / 2
        left, top = max(0, int(x - half)), max(0, int(y - half))
        part = grey[top : max(top + 1, int(y + half)), left : max(left + 1, int(x + half))]
        # A square beside the frame has nothing to show.
        out[row] = cv2.resize(part, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA) if part.size else 0
    flat = out.reshape(len(squares), PATCH_PX * PATCH_PX)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat


def likeness(a: Floats, b: Floats) -> Floats:
    """Normalised correlation (N, M), -1..1, of patches a (N, D) and b (M, D)."""
    # Not a @ b.T: matrices this small would wake the threads of NumPy's BLAS for nothing.
    product: Floats = np.einsum("nd,md->nm", a, b)
    return product


def _copies(y: Plane) -> list[Plane]:
    """The luma halved until it is at most LONGEST_PX long, and that halved once more: large first."""
    # Never the frame's own luma, which will be drawn on.
    small = y if max(y.shape) > LONGEST_PX else y.copy()
    while max(small.shape) > LONGEST_PX:
        small = halved(small)
    return [small, halved(small)] if min(small.shape) >= 4 * _WINDOW_WH[0] else [small]


def _median(values: Floats, good: NDArray[np.bool_]) -> Floats:
    """Median (N, 2) of values (N, P, 2) over the good points (N, P); 0 where there is none."""
    # Bad ones are sorted to the end; the middle of the others is taken.
    ordered = np.sort(np.where(good[:, :, None], values, np.float32(np.inf)), axis=1)
    count = good.sum(1)
    at = np.maximum(count - 1, 0) // 2
    rows = np.arange(len(values))
    low, high = ordered[rows, at], ordered[rows, np.maximum(count, 1) // 2]
    return np.where(count[:, None] > 0, (low + high) / 2, 0).astype(np.float32)
