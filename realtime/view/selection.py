"""The face that keys are about."""

from __future__ import annotations

import numpy as np

from fer_live.realtime.datatypes import Frame, Result

from .canvas import PANEL, Canvas, Colour, even

__all__ = ["Selection"]

_MARK: Colour = (255, 255, 255)


class Selection:
    """Which face is selected, by its track; a :class:`~.overlay.Layer` that marks it.

    ``track``: its id, None where none is selected. It stays selected while it is out of sight, for it may come back.
    """

    def __init__(self) -> None:
        self.track: int | None = None
        self.result: Result | None = None
        """What is in sight: the result that was drawn last."""

    @property
    def is_urgent(self) -> bool:
        """What is selected changes by keys and clicks only, and these draw."""
        return False

    @property
    def side(self) -> None:
        """Marks are about a face, wherever it is."""
        return None

    def next(self) -> None:
        """Select the next face in sight, from left to right; after the last one none."""
        result = self.result
        if result is None:
            return
        order = np.argsort(result.faces.xyxy[:, 0], kind="stable")
        tracks: list[int | None] = [*result.track_ids[order].tolist(), None]
        at = tracks.index(self.track) if self.track in tracks else -1
        self.track = tracks[(at + 1) % len(tracks)]

    def at(self, x: float, y: float) -> None:
        """Select the face at a place of the picture, pixels; the smallest of several, none where there is none."""
        result = self.result
        if result is None:
            return
        left, top, right, bottom = result.faces.xyxy.T
        hit = np.flatnonzero((left <= x) & (x < right) & (top <= y) & (y < bottom))
        size = (right - left)[hit]
        self.track = int(result.track_ids[hit[size.argmin()]]) if len(hit) else None

    def row(self, result: Result) -> int | None:
        """Which of a result's faces is the selected one; None where it is not in sight."""
        if self.track is None:
            return None
        rows = np.flatnonzero(result.track_ids == self.track)
        return int(rows[0]) if len(rows) else None

    def draw(self, frame: Frame, result: Result) -> None:
        """Mark the selected face by its corners."""
        self.result = result
        row = self.row(result)
        if row is None:
            return
        stroke = 2 * max(1, round(min(frame.size_wh) / 360))
        box = np.rint(result.faces.xyxy[row]).astype(int).tolist()
        arm = even(max(8, (box[2] - box[0]) // 4))
        canvas = Canvas.of(frame)
        # Dark below white, so that it is seen on any picture.
        _mark(canvas, box, arm, stroke, 2, PANEL)
        _mark(canvas, box, arm, stroke, 0, _MARK)


def _mark(canvas: Canvas, box: list[int], arm: int, stroke: int, edge: int, colour: Colour) -> None:
    """Corners beside and under a box, ``stroke`` wide, ``arm`` long, with an edge around; its tag stays to be read."""
    left, top, right, bottom = box
    grow = 2 * stroke
    for x in (left - grow, right + grow - stroke):
        inner = x if x < left else x + stroke - arm
        for x0, y0, width, height in (
            (x, top, stroke, arm),
            (x, bottom + grow - arm, stroke, arm),
            (inner, bottom + grow - stroke, arm, stroke),
        ):
            canvas.fill(x0 - edge, y0 - edge, x0 + width + edge, y0 + height + edge, colour)
