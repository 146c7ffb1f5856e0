"""How many frames are on their way at once when live: the fewer, the fresher each comes out."""

from __future__ import annotations

import threading
from collections import deque

from .channel import Aborted

__all__ = ["Admission"]

MOST = 2
"""Frames between detection and the end of writing; two keep both the slowest stage and its neighbour busy."""

SLOW_S = 1 / 30
"""Where a stage takes longer than this, a second frame would only wait for it, and grow as old again."""

LATELY = 30
"""Frames whose slowest stage is looked at."""


class Admission:
    """Lets a frame in when it will not have to wait long inside; what is not let in can be replaced by a fresher one.

    So no queue between the stages ever holds a frame that goes stale, and the only place where frames are lost is the
    one before the entrance.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._slowest_s: deque[float] = deque(maxlen=LATELY)
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

    def abort(self) -> None:
        """End everything now."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()
