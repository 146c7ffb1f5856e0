"""YuNet 2023mar (Wu, Peng, Yu 2023) in onnxruntime: the default face detector."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import cv2
import numpy as np
import onnxruntime

from fer_live.bundled import DETECTOR_YUNET, asset_path
from fer_live.contract import FER2013_FRAMING, Framing
from fer_live.errors import ModelError
from fer_live.realtime.datatypes import Faces, Floats, Frame, Plane
from fer_live.realtime.downscale import downscaled_bgr
from fer_live.sessions import set_up

from .second_look import first_roll, level_look, may_be_tilted
from .squares import BoxFraming, face_squares
from .suppression import suppress

__all__ = ["YUNET_BOX", "YuNetDetector", "decode"]

STRIDES = (8, 16, 32)
MULTIPLE = 32
MOST_KEPT = 8
"""Sizes of input that memory is kept for; of one video there are two or three."""

YUNET_BOX = BoxFraming(side=1.0, down=0.0, aspect=0.765)

_OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]


class YuNetDetector:
    """Finds faces of about 10 px and more on the small copy, with five keypoints each.

    Of a face that is tilted, square, roll and keypoints are those of a second look at it alone; its box stays.

    Always runs on the CPU, on one thread: at this size a GPU spends longer on the copy than on the work, and the
    other stages want the other cores.

    Args:
        detect_size: longer side of the copy that is searched, pixels; larger finds smaller faces and is slower.
        min_score: faces below this score (0..1) are left out.
        max_overlap: of two boxes whose intersection over union is greater than this only the surer is kept.
        weights: another YuNet file with free height and width; None means the bundled one.
        framing: the square that the classifier's contract names.

    Raises:
        ModelError: the weights are missing or onnxruntime cannot load them.
    """

    name = "yunet"

    def __init__(
        self,
        detect_size: int = 640,
        min_score: float = 0.7,
        max_overlap: float = 0.3,
        weights: Path | None = None,
        framing: Framing = FER2013_FRAMING,
    ) -> None:
        path = weights or asset_path(DETECTOR_YUNET)
        self.detect_size = detect_size
        self._min_score = min_score
        self._max_overlap = max_overlap
        self._framing = framing
        self._blobs: dict[tuple[int, ...], Floats] = {}
        options = onnxruntime.SessionOptions()
        set_up(options, 1)
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # onnxruntime's exceptions share no base but this one
            reason = " ".join(str(error).split())
            raise ModelError(f"{path}: onnxruntime cannot load the face detector: {reason}") from error

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        """The faces of a frame, surest first."""
        small = downscaled_bgr(frame, detect_size or self.detect_size, MULTIPLE)
        boxes, score, keypoints = self._search(small.image)
        if not len(score):
            return Faces.empty()
        tilted = may_be_tilted(boxes[:, 3] - boxes[:, 1], keypoints, self._framing)
        boxes = boxes * np.tile(small.factors_xy, 2)
        keypoints = keypoints * small.factors_xy
        squares = face_squares(boxes, keypoints[:, :2], YUNET_BOX, self._framing)
        for row in np.flatnonzero(tilted):
            roll = first_roll(boxes[row], keypoints[row], known)
            told = level_look(self._search, frame, boxes[row], roll, YUNET_BOX, self._framing)
            if told is not None:
                squares[row], keypoints[row] = told
        return Faces(boxes, score, squares, keypoints)

    def _search(self, image: Plane) -> tuple[Floats, Floats, Floats]:
        """Boxes (N, 4), scores (N,) and keypoints (N, 5, 2), surest first, in pixels of an image, BGR or grey."""
        channels = cv2.split(image) if image.ndim == 3 else (image, image, image)
        # A channel at a time into memory that is kept: several times faster than in one go into new memory.
        shape = (1, 3, *image.shape[:2])
        if (blob := self._blobs.get(shape)) is None:
            if len(self._blobs) >= MOST_KEPT:
                self._blobs.clear()  # photos of many sizes
            blob = self._blobs[shape] = np.empty(shape, np.float32)
        for target, channel in zip(blob[0], channels, strict=True):
            target[...] = channel
        outputs = dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {"input": blob}), strict=True))
        boxes, score, keypoints = decode(outputs, shape[3] // MULTIPLE, self._min_score)
        keep = suppress(boxes, score, self._max_overlap)
        return boxes[keep], score[keep], keypoints[keep]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def decode(outputs: dict[str, Floats], columns_32: int, min_score: float) -> tuple[Floats, Floats, Floats]:
    """Boxes, scores and keypoints of every cell that is sure enough.

    In the cell (row, column) of the grid of stride s, a box's centre is (column + dx, row + dy) s, its size
    (exp dw, exp dh) s, a keypoint (column + kx, row + ky) s, and the score the geometric mean of the class's and the
    object's probability.

    Args:
        outputs: the network's, by name: ``cls_s``, ``obj_s`` (1, C, 1), ``bbox_s`` (1, C, 4), ``kps_s`` (1, C, 10)
            for the strides s = 8, 16, 32, C cells in rows.
        columns_32: cells in a row of the grid of stride 32.
        min_score: 0..1.

    Returns:
        (N, 4) left, top, right, bottom; (N,) scores; (N, 5, 2) keypoints: float32, pixels of the network's input.
    """
    boxes, scores, keypoints = [], [], []
    for stride in STRIDES:
        chance = np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
        sure = np.flatnonzero(chance >= min_score**2)
        rows, columns = np.divmod(sure, columns_32 * (32 // stride))
        cell = np.stack([columns, rows], axis=1).astype(np.float32)
        offset = outputs[f"bbox_{stride}"][0, sure]
        centre, half = (cell + offset[:, :2]) * stride, np.exp(offset[:, 2:]) * (stride / 2)
        boxes.append(np.concatenate([centre - half, centre + half], axis=1))
        scores.append(np.sqrt(chance[sure]))
        keypoints.append((outputs[f"kps_{stride}"][0, sure].reshape(-1, 5, 2) + cell[:, None]) * stride)
    return (
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(scores).astype(np.float32),
        np.concatenate(keypoints).astype(np.float32),
    )
