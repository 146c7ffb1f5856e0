"""What a page draws of a clip: the expressions of each face over time, in as many points as a screen can show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_live.realtime.data.events import EventFinder
from fer_live.realtime.datatypes import Result

__all__ = ["MOST_FACES", "MOST_POINTS", "Curves"]

MOST_POINTS = 1500
"""Of a curve; more frames than twice as many are thinned out evenly."""

MOST_FACES = 40
"""Curves of the faces that are seen longest; the data have all of them."""


@dataclass(slots=True)
class _Face:
    frames: int = 0
    points: list[tuple[int, float, list[int], int, str | None]] = field(default_factory=list)


class Curves:
    """Takes the results of a clip, frame by frame, and gives a document for the page."""

    def __init__(self) -> None:
        self._events = EventFinder()
        self._faces: dict[int, _Face] = {}
        self._labels: tuple[str, ...] = ()
        self._every = 1
        self._end_s = 0.0

    def add(self, result: Result) -> None:
        """Take the next frame."""
        self._events.add(result)
        said, frame = result.expressions, result.frame
        self._labels, self._end_s = said.raw.labels, frame.time_s
        for track in result.track_ids.tolist():
            self._faces.setdefault(track, _Face()).frames += 1
        if frame.index % self._every:
            return
        permille = np.rint(1000 * said.smoothed.probabilities).astype(int).tolist()
        rows = zip(result.track_ids.tolist(), permille, said.shown.tolist(), said.doubts, strict=True)
        for track, row, shown, doubt in rows:
            doubted = None if doubt is None else str(doubt)
            self._faces[track].points.append((frame.index, frame.time_s, row, shown, doubted))
        if frame.index // self._every >= 2 * MOST_POINTS:
            self._thin()

    def document(self) -> dict[str, Any]:
        """After the last frame: ``labels``, ``end_s``, ``every`` (frames a point), ``faces`` and ``events``.

        A face has its ``track``, the ``frames`` that it was seen in and of its points the ``time_s``, ``permille``
        (smoothed probabilities in thousandths, in the order of the labels), ``shown`` (index of its label) and
        ``doubt`` (null, or why no expression is claimed). Faces come in the order of their tracks.
        """
        longest = sorted(self._faces, key=lambda track: -self._faces[track].frames)[:MOST_FACES]
        return {
            "labels": list(self._labels),
            "end_s": round(self._end_s, 3),
            "every": self._every,
            "faces_in_all": len(self._faces),
            "faces": [self._face(track) for track in sorted(longest)],
            "events": [
                {
                    "track": event.track,
                    "label": event.label,
                    "onset_s": round(event.onset_s, 3),
                    "apex_s": round(event.apex_s, 3),
                    "offset_s": round(event.offset_s, 3),
                    "strength": round(event.strength, 3),
                }
                for event in self._events.end()
            ],
        }

    def _face(self, track: int) -> dict[str, Any]:
        face = self._faces[track]
        return {
            "track": track,
            "frames": face.frames,
            "time_s": [round(time_s, 3) for _, time_s, _, _, _ in face.points],
            "permille": [row for _, _, row, _, _ in face.points],
            "shown": [shown for _, _, _, shown, _ in face.points],
            "doubt": [doubt for _, _, _, _, doubt in face.points],
        }

    def _thin(self) -> None:
        self._every *= 2
        for face in self._faces.values():
            face.points = [point for point in face.points if point[0] % self._every == 0]
