"""What a run has to say to whoever watches it, for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SHOWN_S", "Messages"]

SHOWN_S = 2.0
"""How long a message stays."""


class Messages:
    """Holds the newest message until it is old. Thread-safe.

    Args:
        clock: as ``time.perf_counter``.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._newest = ("", -SHOWN_S)

    def say(self, text: str) -> None:
        """Say one line, in place of the one before."""
        self._newest = (text, self._clock())

    @property
    def current(self) -> str | None:
        """What is to be seen at this moment."""
        text, said_s = self._newest
        return text if self._clock() - said_s < SHOWN_S else None
