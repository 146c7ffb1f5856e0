"""Whatever may be a head, on every frame: what is to be covered. Better one too many than one too few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING, Framing
from fer_live.realtime.datatypes import Detector, Faces, Floats, Frame

from .tracker import iou

__all__ = ["KEPT_S", "LEAST_SCORE", "HeadFinder"]

LEAST_SCORE = 0.3
"""YuNet's score from which something is covered; a face is labelled from 0.7."""

KEPT_S = 0.5
"""How long a place stays covered after the last sight of a face there, seconds."""

SAME_PLACE = 0.7
"""A face is where another was before if their middles are no further apart than this share of the larger side."""

SAME_BOX = 0.5
"""Boxes that overlap more (intersection over union) are of one face."""

GROWTH_PER_S = 1.0
"""A face that is out of sight may move: its square grows by this share of its side in a second."""

ANOTHER_SCENE_S = 1.0
"""No face is expected where one was if time jumps by more than this."""


class HeadFinder:
    """Finds the heads of every frame, surely labelled or not.

    A detector of its own looks at every frame for everything that is somewhat like a face; the faces that are followed
    and labelled are added. Where a face was seen the place stays covered for :data:`KEPT_S`, unless the face
    is seen to have moved on.

    Args:
        detector: finds faces of low scores, too, framed as :data:`~fer_live.contract.FER2013_FRAMING` says; the caller
            opens and closes it.
        framing: of the faces that are labelled.
    """

    def __init__(self, detector: Detector, framing: Framing = FER2013_FRAMING) -> None:
        self._detector = detector
        self._widened = max(1.0, FER2013_FRAMING.side_eye_distances / framing.side_eye_distances)
        self._kept = np.zeros((0, 4), np.float32)
        self._seen_s = np.zeros(0)
        self._before_s = 0.0

    def update(self, frame: Frame, known: Faces) -> Floats:
        """The squares (M, 4) float32 (centre x, centre y, side, roll in degrees) of the heads in the next frame.

        Args:
            frame: of the frames, given in order.
            known: the faces of the frame that are labelled.
        """
        found = self._detector.detect(frame)
        # Those that the detector sees here too, just as large, are covered already.
        new = iou(known.xyxy, found.xyxy).max(1, initial=0) < SAME_BOX
        unseen = known.squares[new] * np.array([1, 1, self._widened, 1], np.float32)
        seen = np.concatenate([found.squares, unseen])
        now_s = frame.time_s
        # A clock that runs backwards must not keep a place covered for ever, nor uncover it at once.
        gone_s = np.maximum(0.0, now_s - self._seen_s)
        stays = (gone_s <= KEPT_S) & (abs(now_s - self._before_s) <= ANOTHER_SCENE_S)
        stays &= ~_is_at_any(self._kept, seen)
        kept, kept_s = self._kept[stays], self._seen_s[stays]
        self._kept, self._seen_s = np.concatenate([seen, kept]), np.concatenate([np.full(len(seen), now_s), kept_s])
        self._before_s = now_s
        grown = kept.copy()
        grown[:, 2] *= 1 + GROWTH_PER_S * np.maximum(0.0, now_s - kept_s)
        return np.concatenate([seen, grown]).astype(np.float32)


def _is_at_any(squares: Floats, others: Floats) -> NDArray[np.bool_]:
    """Whether (N,) one of ``others`` is where a square is."""
    apart = np.linalg.norm(squares[:, None, :2] - others[None, :, :2], axis=2)
    side = np.maximum(squares[:, None, 2], others[None, :, 2])
    return np.asarray((apart <= SAME_PLACE * side).any(1), np.bool_)
