"""What the window shows over the picture: a notice, the HUD and the keys where they are wanted, what a key has done,
and what is wrong with the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np

from fer_live.realtime.datatypes import Faces, Frame, Result
from fer_live.realtime.planes import PlanePool
from fer_live.realtime.source_state import SourceState

from .canvas import line_height
from .hud import HudFigures, banner, draw_help, draw_hud, hud_box, message, notice

__all__ = ["NOTICE", "PAUSED", "REFRESH_S", "Layer", "Overlay", "Side"]

Side = Literal["left", "right"]

NOTICE = "expression analysis on"

PAUSED = "paused"

REFRESH_S = 0.25
"""How often the HUD's figures and the banner change: numbers that flicker cannot be read."""


class Layer(Protocol):
    """Draws something of its own over the picture."""

    @property
    def is_urgent(self) -> bool:
        """Whether there is something new to draw even while no frames come."""

    @property
    def side(self) -> Side | None:
        """The edge of the picture that is taken by what was drawn last: the HUD goes to the other one."""

    def draw(self, frame: Frame, result: Result) -> None:
        """Draw on the planes of ``frame``, a copy of the result's."""


class Overlay:
    """Draws on copies of frames, so that what is recorded stays as it is.

    Args:
        figures: the newest figures.
        state: of the source.
        clock: as ``time.perf_counter``.
        say: what is to be told at this moment, None for nothing.
        layers: draw first, in this order.

    ``hud``: whether the HUD is shown. ``help``: whether the keys are, and ``keys``: those that there are, and what
    they do.
    """

    def __init__(
        self,
        figures: Callable[[], HudFigures],
        state: Callable[[], SourceState],
        clock: Callable[[], float] = time.perf_counter,
        *,
        say: Callable[[], str | None] = lambda: None,
        layers: Sequence[Layer] = (),
    ) -> None:
        self._figures, self._state, self._clock, self._say = figures, state, clock, say
        self._layers = tuple(layers)
        self.hud = self.help = False
        self.keys: tuple[tuple[str, str], ...] = ()
        self._said: str | None = None
        self._pool: PlanePool | None = None
        self._pool_wh = (0, 0)
        self._known: HudFigures | None = None
        self._known_s = 0.0
        self._hud_left = True

    @property
    def is_urgent(self) -> bool:
        """Whether there is something to tell even while no frames come."""
        return self._state().is_lost or self._say() != self._said or any(layer.is_urgent for layer in self._layers)

    def over(self, frame: Frame, result: Result | None = None) -> Frame:
        """A copy of a frame, drawn on; ``result``: what was found in it."""
        copy = self._copy(frame)
        if result is not None:
            for layer in self._layers:
                layer.draw(copy, result)
        notice(copy, NOTICE)
        now_s = self._clock()
        if self.hud:
            if self._known is None or now_s - self._known_s >= REFRESH_S:
                self._known, self._known_s = self._figures(), now_s
            taken = {layer.side for layer in self._layers} - {None}
            if not taken and result is not None:
                self._hud_left = self._is_freer_at_left(copy, self._known, result.faces)
            draw_hud(copy, self._known, left="left" not in taken if taken else self._hud_left)
        self._said = self._say()
        if self._said is not None:
            message(copy, self._said)
        if self.help and self.keys:
            draw_help(copy, self.keys)
        state = self._state()
        if state.is_lost:
            banner(copy, state.line(now_s))
        return copy

    def blank(self, size_wh: tuple[int, int]) -> Frame:
        """A black frame, for a source that has not given any yet."""
        half = ((size_wh[1] + 1) // 2, (size_wh[0] + 1) // 2)
        grey = np.full(half, 128, np.uint8)
        return Frame(np.full(size_wh[::-1], 16, np.uint8), grey, grey, 0, 0.0)

    def _is_freer_at_left(self, frame: Frame, figures: HudFigures, faces: Faces) -> bool:
        """Whether the HUD stands at the left: where it was, unless it hides a face there and none at the other side."""
        line = line_height(frame.size_wh)  # of the tag over a face
        left, top, right, bottom = (faces.xyxy - np.array([0, line, 0, 0], np.float32)).T

        def hides(*, at_left: bool) -> bool:
            a, b, c, d = hud_box(frame, figures, left=at_left)
            return bool(((left < c) & (a < right) & (top < d) & (b < bottom)).any())

        here = self._hud_left
        return not here if hides(at_left=here) and not hides(at_left=not here) else here

    def _copy(self, frame: Frame) -> Frame:
        if self._pool is None or self._pool_wh != frame.size_wh:
            self._pool, self._pool_wh = PlanePool(frame.size_wh), frame.size_wh
        y, u, v = self._pool.take()
        y[:], u[:], v[:] = frame.y, frame.u, frame.v
        return replace(frame, y=y, u=u, v=v)
