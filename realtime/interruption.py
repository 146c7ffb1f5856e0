"""How Ctrl-C and SIGTERM end a run: in good order, so that what was written is complete."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "Interruptible", "ended_by_signals"]

EXIT_INTERRUPTED = 130


class Interruptible(Protocol):
    """A run that can be asked to end."""

    @property
    def interrupted(self) -> bool:
        """Whether it was."""

    def interrupt(self) -> None:
        """Ask, from a signal handler; a second time: end at once."""


@contextmanager
def ended_by_signals(run: Interruptible, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in good order; the second one ends it at once. On the main thread only."""

    def end(number: int, _: FrameType | None) -> None:
        first = not run.interrupted
        run.interrupt()
        if first:
            say("finishing what was read; once more to end at once")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
