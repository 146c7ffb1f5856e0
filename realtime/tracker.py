"""Who is who across frames: track ids by overlap with where each face was last seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .datatypes import Faces

__all__ = ["IouTracker", "iou"]


@dataclass(slots=True)
class _Track:
    xyxy: NDArray[np.float32]
    seen_s: float


class IouTracker:
    """Gives each face the id of the track whose last box overlaps it most, or a new one.

    Ids count from 1, are never used again and mean nothing beyond the run: no face is ever recognised.

    Args:
        min_iou: boxes that overlap less (intersection over union) are not the same face.
        lost_after_s: a track that was not seen for longer than this is over.
    """

    def __init__(self, min_iou: float = 0.25, lost_after_s: float = 0.5) -> None:
        self._min_iou = min_iou
        self._lost_after_s = lost_after_s
        self._tracks: dict[int, _Track] = {}
        self._next_id = 1

    @property
    def count(self) -> int:
        """How many tracks there were so far."""
        return self._next_id - 1

    def update(self, faces: Faces, time_s: float) -> NDArray[np.int64]:
        """Track ids (N,) int64 for the faces of the next frame, which is shown at ``time_s``."""
        self._tracks = {
            key: track for key, track in self._tracks.items() if time_s - track.seen_s <= self._lost_after_s
        }
        ids = np.zeros(len(faces), np.int64)
        known = list(self._tracks)
        if known and len(faces):
            overlap = iou(faces.xyxy, np.stack([self._tracks[key].xyxy for key in known]))
            # Best pairs first; each face and each track once.
            for flat in np.argsort(-overlap, axis=None, kind="stable"):
                face, track = divmod(int(flat), len(known))
                if overlap[face, track] < self._min_iou:
                    break
                if ids[face] == 0 and known[track] not in ids:
                    ids[face] = known[track]
        for new in np.flatnonzero(ids == 0):
            ids[new] = self._next_id
            self._next_id += 1
        for key, box in zip(ids.tolist(), faces.xyxy, strict=True):
            self._tracks[key] = _Track(box, time_s)
        return ids


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union (N, M) of boxes a (N, 4) and b (M, 4), left, top, right, bottom; 0 for empty boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a = np.prod(np.clip(a[:, 2:] - a[:, :2], 0, None), axis=1)
    area_b = np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)
