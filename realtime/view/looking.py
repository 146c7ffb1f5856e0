"""What the window shows of the model's inside: the heat map of a face, and feature maps of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.explain.live import Explained, ExplainThread, Question

from .canvas import line_height
from .feature_maps import draw_maps, stands_left
from .heat_map import draw_heat, draw_legend, legend_height
from .hud import banner, message
from .overlay import Side
from .selection import Selection

__all__ = ["Looking", "Model"]


@dataclass(frozen=True, slots=True)
class Model:
    """The model that runs: its file and the SHA-256 of what was read of it."""

    path: Path
    sha256: str


class Looking:
    """Asks for explanations of one face's newest crop, and draws the newest answer; a :class:`~.overlay.Layer`.

    While nothing is looked at it only remembers the crop that each face was last read from.

    Args:
        selection: the face; where none is selected, or it is out of sight, the largest.
        model: that runs, at each moment; None where it is in no file.
        thread: answers; another in tests. It starts with the first thing that is looked at.
    """

    def __init__(
        self, selection: Selection, model: Callable[[], Model | None], thread: ExplainThread | None = None
    ) -> None:
        self._selection, self._model = selection, model
        self._thread = thread or ExplainThread()
        self._crops: dict[int, NDArray[np.uint8]] = {}
        self._asked: Question | None = None
        self._drawn: Explained | None = None
        self._is_left = False
        self.side: Side | None = None
        """Where the panel was drawn last, if it was."""
        self.heat = False
        """Whether the heat map is wanted."""
        self.layer = 0
        """Which layer's maps are wanted, counted round and round from 1; 0, and each time round again, is none."""

    @property
    def is_urgent(self) -> bool:
        """Whether there is something new to draw, though no frame may come."""
        return self._is_on and self._thread.newest is not self._drawn

    def toggle_heat(self) -> None:
        """Show or hide the heat map."""
        self.heat = not self.heat

    def turn_layer(self, by: int) -> None:
        """Show another layer's maps, ``by`` further on; before the first one and after the last one there is none."""
        known, model = self._thread.newest, self._model()
        self.layer += by
        if known is not None and model is not None and known.question.sha256 == model.sha256:
            self.layer %= len(known.layers) + 1

    def draw(self, frame: Frame, result: Result) -> None:
        """Ask what is new of the face, and draw what is known of it on the planes of ``frame``, which are changed."""
        self._see(result)
        self.side = None
        if not self._is_on:
            return
        row, model = self._row(result), self._model()
        if row is None or model is None:
            return
        if result.heads is not None:
            message(frame, "heads are covered, so nobody looks into the model")
            return
        track = int(result.track_ids[row])
        if track in self._crops:
            self._ask(model, track, int(result.expressions.shown[row]))
        known = self._drawn = self._thread.newest
        if known is None or known.question.track != track or known.question.sha256 != model.sha256:
            return
        if known.failure is not None:
            banner(frame, known.failure)
        else:
            self._draw(frame, result, row, known)

    def picture(self, result: Result) -> Frame:
        """A result's frame with what is looked at on it; the frame itself where nothing is."""
        if not self._is_on:
            return result.frame
        copy = result.frame.copy()
        self.draw(copy, result)
        return copy

    def close(self) -> None:
        """End the thread."""
        self._thread.close()

    @property
    def _is_on(self) -> bool:
        return self.heat or self.layer != 0

    def _see(self, result: Result) -> None:
        """Remember the crops of a result, and forget those of faces that are gone."""
        tracks = result.track_ids.tolist()
        if result.crops is not None:
            fresh = np.flatnonzero(result.expressions.fresh).tolist()
            self._crops |= {tracks[row]: crop[None] for row, crop in zip(fresh, result.crops, strict=True)}
        self._crops = {track: crop for track, crop in self._crops.items() if track in tracks}

    def _row(self, result: Result) -> int | None:
        if not len(result.faces):
            return None
        row = self._selection.row(result)
        return int(result.faces.squares[:, 2].argmax()) if row is None else row

    def _ask(self, model: Model, track: int, label: int) -> None:
        question = Question(
            model.path, model.sha256, track, self._crops[track], label if self.heat else None, self.layer
        )
        if self._asked is None or not question.is_as(self._asked):
            self._asked = question
            self._thread.ask(question)

    def _draw(self, frame: Frame, result: Result, row: int, known: Explained) -> None:
        below = line_height(frame.size_wh)  # the notice
        if self.heat and known.heat is not None and known.question.label is not None:
            label = result.expressions.raw.labels[known.question.label]
            draw_heat(frame, result.faces.squares[row], known.heat)
            draw_legend(frame, *_words(label, known))
            below = max(below, legend_height(frame.size_wh))
        if self.layer and known.maps is not None:
            self._is_left = stands_left(frame.size_wh, result.faces.xyxy[row], self._is_left)
            draw_maps(frame, known.maps, left=self._is_left, above=below)
            self.side = "left" if self._is_left else "right"
        elif self.layer and not known.layers:
            message(frame, "no feature maps: this network has no convolutions")


def _words(label: str, known: Explained) -> tuple[str, str]:
    """What the legend says of a heat map."""
    spoken = "what speaks" if known.heat is not None and known.heat.any() else "nothing speaks"
    made = f"{known.method}"
    if known.layers:
        _, height, width = known.layers[-1].shape
        made = f"{made}, {known.layers[-1].name}, {width}x{height}"
    return f"{spoken} for {label}", made
