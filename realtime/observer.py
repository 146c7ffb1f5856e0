"""Who looks on while the engine works: figures for the HUD, a trace, the governor of the latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .datatypes import Result

__all__ = ["Observer", "Observers"]


class Observer(Protocol):
    """Is told what happens, on the thread where it happens; it must be quick and raise nothing.

    Times are ``time.perf_counter``'s. A class that is made from this one defines what it wants to know; the rest does
    nothing.
    """

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """A stage worked on the frames with these indexes, all together, from begin to end."""
        return

    def queued(self, queue: str, length: int) -> None:
        """So many frames wait in front of a stage."""
        return

    def dropped(self, frame: int) -> None:
        """The frame with this index was thrown away because a fresher one came."""
        return

    def finished(self, result: Result, now_s: float) -> None:
        """A frame came out: it is in the window, or written where there is none."""
        return


class Observers:
    """Several observers, as one."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """See :class:`Observer`, like the rest."""
        for observer in self._observers:
            observer.worked(stage, frames, begin_s, end_s)

    def queued(self, queue: str, length: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.queued(queue, length)

    def dropped(self, frame: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.dropped(frame)

    def finished(self, result: Result, now_s: float) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.finished(result, now_s)
