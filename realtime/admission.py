"""Which frames are worked on when live, and how many at once: so that each is fresh when it comes out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from statistics import median

from .channel import Aborted
from .datatypes import Result
from .observer import Observer

__all__ = ["Admission"]

MOST = 2
"""Frames between detection and the end of writing; two keep both the slowest stage and its neighbour busy."""

SLOW_S = 1 / 30
"""Where a stage takes longer than this, a second frame would only wait for it, and grow as old again."""

LATELY = 30
"""Frames that are looked at: their slowest stage, the time they took, the time between two."""

AIM_S = 0.09
"""A frame that would come out older than this gives way to the next: 100 ms, less what one takes longer than usual."""

FRESH_S = 0.005
"""A frame that has waited for no longer than this gives way to none, however slow the machine."""

LATE = 1.25
"""The next frame is waited for until so many times the usual interval have gone by since this one."""


class Admission(Observer):
    """Lets a frame in when it will not have to wait long inside; what is not let in can be replaced by a fresher one.

    So no queue between the stages ever holds a frame that goes stale, and the only place where frames are lost is the
    one before the entrance. As an observer it learns how often frames arrive, and how long they take until they are
    shown.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._slowest_s: deque[float] = deque(maxlen=LATELY)
        self._inside_s: deque[float] = deque(maxlen=LATELY)
        self._gaps_s: deque[float] = deque(maxlen=LATELY)
        self._arrived_s: float | None = None
        self._aborted = False

    @property
    def limit(self) -> int:
        """How many frames may be inside now."""
        return 1 if max(self._slowest_s, default=0.0) > SLOW_S else MOST

    def enter(self) -> None:
        """Wait until there is room for one more.

        Raises:
            Aborted: :meth:`abort` was called.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._aborted or self._inside < self.limit)
            if self._aborted:
                raise Aborted
            self._inside += 1

    def leave(self, slowest_s: float = 0.0) -> None:
        """A frame came out; the slowest stage took so long for it."""
        with self._changed:
            self._inside -= 1
            self._slowest_s.append(slowest_s)
            self._changed.notify_all()

    def patience_s(self, age_s: float) -> float:
        """How long the next frame is to be waited for, rather than to let this one in; 0: let it in.

        Args:
            age_s: how long ago the source gave this one.
        """
        with self._changed:
            expected_s = median(self._inside_s) if self._inside_s else 0.0
            if not self._gaps_s or age_s <= max(FRESH_S, AIM_S - expected_s):
                return 0.0
            return max(0.0, LATE * median(self._gaps_s) - age_s)

    def finished(self, result: Result, now_s: float) -> None:
        """A frame came out, or is shown where there is a display."""
        with self._changed:
            self._inside_s.append(now_s - result.grabbed_s - result.latency_ms["wait"] / 1e3)

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """A frame that was read has arrived: how often they do is learned."""
        if stage != "read":
            return
        with self._changed:
            if self._arrived_s is not None:
                self._gaps_s.append(end_s - self._arrived_s)
            self._arrived_s = end_s

    def abort(self) -> None:
        """End everything now."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()
