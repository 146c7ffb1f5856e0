"""How the times of a file's frames stay in order, whatever its time stamps do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

__all__ = ["LONGEST_PAUSE_S", "Timeline"]

LONGEST_PAUSE_S = 4 * 3600
"""A longer step from one time stamp to the next is no pause in a recording but a clock that was set; it is closed.

Recordings of what moves in front of a camera do pause for hours. MP4 has no room for 5 (2**31 ticks of 1/120,000 s).
"""

_FAR_BACK_S = 1
_BACK_IN_A_ROW = 3
"""A picture stored between two others may be out of place with the next one; FFmpeg's order is right."""


class Timeline:
    """Turns a stream's time stamps into strictly increasing seconds since the file's start.

    A stamp in order is kept exactly. One that is missing comes a frame after the last. One that repeats the last, or
    one or two that step back by less than a second (a wrong order), come one tick after it.

    Others show that another clock begins (joined recordings, a counter that wrapped, a clock that was set): it and
    all that follow are moved to come a frame after the last. That is a step back of a second or more; three stamps in
    a row, each after the other, that don't go on, for pictures come out of a decoder in the order in which they
    are shown; and a step ahead of more than ``LONGEST_PAUSE_S``.
    """

    def __init__(
        self,
        start: Fraction,
        tick: Fraction,
        frame: Fraction,
        *,
        earliest: Fraction = Fraction(0),
        joined: Callable[[Fraction], Fraction] = lambda moved: moved,
    ) -> None:
        """A time line that starts at ``start`` of the file's own clock; all in seconds.

        ``tick``: the least step; ``frame``: how long a frame usually lasts; ``earliest``: the first is put no earlier;
        ``joined``: asked where another clock begins: by how much it is moved, given by how much it would be.
        """
        self._earliest = earliest
        self._joined = joined
        self._start = start
        self._offset = -start
        self._tick = tick
        self._frame = frame
        self._last: Fraction | None = None
        self._reached = Fraction(0)  # by stamps of the present clock
        self._back: tuple[Fraction, ...] = ()  # stamps in a row before that
        self.clocks = 1
        """How many clocks there were so far."""

    @property
    def moved(self) -> Fraction:
        """By how many seconds the present clock is moved; 0 before another one begins."""
        return self._offset + self._start

    def place(self, stamp: Fraction | None) -> Fraction:
        """Seconds since the start for the next frame, whose time stamp is ``stamp`` seconds or unknown."""
        if self._last is None:
            self._last = max(self._earliest, self._first(stamp))
        elif stamp is None:
            self._last += self._frame
        else:
            time = self._next(stamp, self._last)
            self._last = time if time > self._last else self._last + self._tick
        return self._last

    def _first(self, stamp: Fraction | None) -> Fraction:
        if stamp is None:
            return Fraction(0)
        if stamp + self._offset > LONGEST_PAUSE_S:
            return self._begin(stamp, Fraction(0))
        self._reached = stamp + self._offset
        return self._reached

    def _next(self, stamp: Fraction, last: Fraction) -> Fraction:
        """Where a stamp belongs; what is not after the last frame is to come a tick after it."""
        time = stamp + self._offset
        if time <= last - _FAR_BACK_S or time > last + LONGEST_PAUSE_S:
            return self._begin(stamp, last + self._frame)
        if time > self._reached or (time == self._reached and not self._back):
            self._back = ()
            self._reached = time
            return time
        self._back = (*self._back, stamp) if self._back and stamp > self._back[-1] else (stamp,)
        if len(self._back) < _BACK_IN_A_ROW:
            return last
        self._begin(self._back[0], self._reached + self._frame)
        self._reached = stamp + self._offset
        return self._reached

    def _begin(self, stamp: Fraction, time: Fraction) -> Fraction:
        """Another clock, on which ``stamp`` is at ``time``."""
        self.clocks += 1
        self._offset = self._joined(time - stamp + self._start) - self._start
        self._reached = stamp + self._offset
        self._back = ()
        return self._reached
