"""How Ctrl-C, SIGTERM and a closed terminal end a run: in good order, so that what was written is complete."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["EXIT_INTERRUPTED", "Interruptible", "ended_by_signals", "signals_of_closing"]

EXIT_INTERRUPTED = 130

_TERMINAL_CLOSED = ("SIGHUP", "SIGBREAK")
"""On Unix, where nohup has it ignored, and on Windows."""


class Interruptible(Protocol):
    """A run that can be asked to end."""

    @property
    def interrupted(self) -> bool:
        """Whether it was."""

    def interrupt(self) -> None:
        """Ask, from a signal handler; a second time: end at once."""


def signals_of_closing() -> list[signal.Signals]:
    """The signals that tell of a closed terminal, without those that are ignored."""
    closed = [signal.Signals[name] for name in _TERMINAL_CLOSED if hasattr(signal, name)]
    return [number for number in closed if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def ended_by_signals(run: Interruptible, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the run in good order, the second of them at once. On the main thread
    only.
    """

    def end(number: int, _: FrameType | None) -> None:
        first = not run.interrupted
        run.interrupt()
        if first:
            say("finishing what was read; once more to end at once")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, *signals_of_closing())}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
