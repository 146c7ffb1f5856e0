"""One small picture of each face: of the frame in which it is best seen."""

from __future__ import annotations

import math
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.labels.quality import measure

__all__ = ["SIDE_PX", "Thumbnails"]

SIDE_PX = 112
"""Side of a thumbnail; it is shown half as large, for screens with fine pixels."""

_JPEG_QUALITY = 82
_MARGIN = 1.25
_LOOK_PX = 48
_BEST_SHARPNESS = 0.4
_DOUBTED = 0.1
_NONE = -1.0  # a picture without any contrast, as of a covered head, is one all the same


class Thumbnails:
    """Keeps a JPEG of each face's best crop; a :class:`~fer_live.realtime.datatypes.Sink` that looks at frames before
    anything is drawn on them (:class:`~fer_live.realtime.datatypes.Looker`), and after heads were covered.

    Best is sharp, large up to the thumbnail's own size, turned to the camera, and read without doubt. Only frames on
    which the face was classified count.
    """

    needs_pixels = False

    def __init__(self) -> None:
        self._best: dict[int, tuple[float, bytes]] = {}

    def look(self, result: Result) -> None:
        """Look at the faces of a frame."""
        faces, fresh = result.faces, result.expressions.fresh
        for row in np.flatnonzero(fresh).tolist():
            track = int(result.track_ids[row])
            side = float(faces.squares[row, 2])
            if not (math.isfinite(side) and side >= 2):
                continue
            scale = min(side, SIDE_PX) * (1.0 if result.expressions.doubts[row] is None else _DOUBTED)
            kept = self._best.get(track, (_NONE, b""))[0]
            if scale * _BEST_SHARPNESS <= kept:
                continue
            image = _cut(result.frame, faces.squares[row].astype(np.float64))
            look = cv2.resize(
                cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA
            )
            points = None if faces.keypoints is None else faces.keypoints[row : row + 1]
            quality = measure(np.asarray(look, np.uint8)[None, None], faces.squares[row : row + 1], points)
            turned = math.radians(float(np.nan_to_num(quality.turned_deg[0])))
            score = scale * min(_BEST_SHARPNESS, float(quality.sharpness[0])) * math.cos(turned)
            if score > kept:
                _, coded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
                self._best[track] = (score, coded.tobytes())

    def write(self, result: Result) -> None:
        """It was looked at."""

    def finish(self) -> None:
        """There is nothing to complete."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def drop(self, track: int) -> None:
        """Forget a face."""
        self._best.pop(track, None)

    def jpeg(self, track: int) -> bytes | None:
        """The picture of a face, None where there is none."""
        return self._best[track][1] if track in self._best else None


def _cut(frame: Frame, square: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(SIDE_PX, SIDE_PX, 3) BGR of a square and a little around it, upright; beyond the edge its pixels repeat."""
    x, y, side, roll_deg = square.tolist()
    side *= _MARGIN
    reach = side * 0.75 + 4  # half the diagonal of a square of any roll
    width, height = frame.size_wh
    # Even, so that chroma samples belong to it whole; at least 2 x 2 pixels, for a square wholly outside.
    left, right = (max(0, min(width - 2, round(x - reach))) & ~1, min(width, max(2, math.ceil(x + reach))))
    top, bottom = (max(0, min(height - 2, round(y - reach))) & ~1, min(height, max(2, math.ceil(y + reach))))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    chroma = (slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2))
    planes = (frame.y[top:bottom, left:right], frame.u[chroma], frame.v[chroma])
    luma, u, v = (np.ascontiguousarray(plane) for plane in planes)
    image = frame_to_bgr(Frame(luma, u, v, frame.index, frame.time_s, frame.limited_range))
    shrink = max(1.0, side / (2 * SIDE_PX))
    if shrink > 1:  # bilinear sampling skips pixels where it shrinks to less than half
        size_wh = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    step = side / SIDE_PX / shrink
    cos, sin = step * math.cos(math.radians(roll_deg)), step * math.sin(math.radians(roll_deg))
    centre_x, centre_y, middle = (x - left) / shrink - 0.5, (y - top) / shrink - 0.5, (SIDE_PX - 1) / 2
    to_source = np.array([[cos, -sin, centre_x - middle * (cos - sin)], [sin, cos, centre_y - middle * (sin + cos)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, to_source, (SIDE_PX, SIDE_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)
