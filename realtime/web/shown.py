"""A result as it is sent to a page: what was found, and the annotated picture."""

from __future__ import annotations

import json
import struct
import threading
from typing import Any

import cv2
import numpy as np

from fer_live.errors import FerLiveError
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Result

__all__ = ["Shown"]

MOST_SIDE = 1280
"""Longer side of the pictures, pixels: what a page shows of more is not worth the time of encoding it."""

QUALITY = 82
"""Of the JPEG; 60 to 180 kB at 1280 x 720."""


class Shown:
    """A result and the message that is made of it: once for all who look, and only if somebody takes it.

    The message: length of a JSON document (4 bytes, big-endian), the document, a JPEG. The document has ``time_s``,
    ``index`` and ``faces``: for each its ``track``, ``box`` (left, top, right, bottom as parts of the picture),
    ``score``, ``label`` (its number), ``probabilities``, and ``doubt`` (null, or why no expression is claimed).
    """

    def __init__(self, result: Result) -> None:
        self._result: Result | None = result
        self._message = b""
        self._lock = threading.Lock()

    def message(self) -> bytes:
        """The message; from any thread."""
        with self._lock:
            if self._result is not None:
                document = json.dumps(_document(self._result), separators=(",", ":")).encode()
                self._message = struct.pack(">I", len(document)) + document + _jpeg(self._result)
                self._result = None  # its planes are used again
            return self._message


def _document(result: Result) -> dict[str, Any]:
    frame, faces, said = result.frame, result.faces, result.expressions
    # In float64, whose rounded values are short texts.
    boxes = (faces.xyxy.astype(np.float64) / np.tile(frame.size_wh, 2)).round(4).tolist()
    rows = zip(
        result.track_ids.tolist(),
        boxes,
        faces.score.astype(np.float64).round(3).tolist(),
        said.shown.tolist(),
        said.smoothed.probabilities.astype(np.float64).round(3).tolist(),
        said.doubts,
        strict=True,
    )
    return {
        "time_s": round(frame.time_s, 4),
        "index": frame.index,
        "faces": [
            {
                "track": track,
                "box": box,
                "score": score,
                "label": label,
                "probabilities": row,
                "doubt": None if doubt is None else doubt.value,
            }
            for track, box, score, label, row, doubt in rows
        ],
    }


def _jpeg(result: Result) -> bytes:
    image = frame_to_bgr(result.frame)
    height, width = image.shape[:2]
    scale = MOST_SIDE / max(width, height)
    if scale < 1:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise FerLiveError(f"a picture of {width} x {height} can't be encoded")
    return encoded.tobytes()
