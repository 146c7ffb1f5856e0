"""A run that stands still for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .datatypes import Frame

__all__ = ["Hole", "Pause"]


@dataclass(frozen=True, slots=True)
class Hole:
    """What a pause left out of a live source: its frames after ``from_s`` and before ``to_s``, ``frames`` of them.

    Both are times of frames that were worked on, seconds.
    """

    from_s: float
    to_s: float
    frames: int


class Pause:
    """Holds up the frames of a source while it is on; :meth:`begin` and :meth:`end` it from any thread.

    A file's frames wait, and none is missed. A live source's go by, for a camera does not wait: they are counted, and
    the first of them is let through all the same, to be told as the last one before the pause, so that a recording in
    which it stands for all of the pause can say why.

    Args:
        live: whether frames come by the clock.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._going = threading.Event()
        self._going.set()
        self._over = False
        self._passed = 0
        self._holes: list[Hole] = []

    @property
    def is_on(self) -> bool:
        """Whether frames are held up."""
        return not self._going.is_set()

    @property
    def passed(self) -> int:
        """Frames of a live source that went by so far."""
        return self._passed

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What the pauses that have ended left out; of a file nothing is."""
        return tuple(self._holes)

    def begin(self) -> None:
        """Hold frames up; after :meth:`release` nothing is."""
        if not self._over:
            self._going.clear()
        if self._over:  # released between the two
            self._going.set()

    def end(self) -> None:
        """Go on."""
        self._going.set()

    def release(self) -> None:
        """Hold nothing up any more: the run ends. Any number of times."""
        self._over = True
        self._going.set()

    def passing(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
        """The frames that are let through, each with whether it is the last one before a pause. For one thread."""
        last: Frame | None = None
        passed = 0
        for frame in frames:
            if self._going.is_set():
                if last is not None and not self._over:
                    self._holes.append(Hole(last.time_s, frame.time_s, passed))
                last, passed = None, 0
                yield frame, False
            elif not self._live:
                self._going.wait()
                yield frame, False
            elif last is None:
                last = frame
                yield frame, True
            else:
                passed += 1
                self._passed += 1
