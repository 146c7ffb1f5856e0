"""Reading what may block in a thread of its own, so that whoever waits can be let go at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self, TypeVar

from fer_live.realtime.channel import Aborted, Channel, Overflow
from fer_live.realtime.datatypes import Frame, Source, SourceInfo
from fer_live.realtime.source_state import SourceState

from .live import LEAVE_S

__all__ = ["RelayedSource", "wait_for"]

T = TypeVar("T")


def wait_for(function: Callable[[], T]) -> T:
    """What a function returns or raises that may block for long; Ctrl-C is heard meanwhile, and leaves it behind."""
    returned: list[T] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            returned.append(function())
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="fer-live open", daemon=True)
    thread.start()
    done.wait()
    thread.join()
    if raised:
        raise raised[0]
    return returned[0]


class RelayedSource:
    """Another source, read in a thread of its own: a pipe's or server's silence then holds nobody up.

    Every frame passes, in order. :meth:`stop` ends the iteration at once, even where the other source blocks.

    Args:
        source: the other source; this one closes it, when it is safe to.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: Channel[Frame] = Channel(4, Overflow.BLOCK)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fer-live relay", daemon=True)

    @property
    def info(self) -> SourceInfo:
        """The other source's."""
        return self._source.info

    @property
    def state(self) -> SourceState:
        """The other source's."""
        return self._source.state

    @property
    def warnings(self) -> tuple[str, ...]:
        """The other source's."""
        return self._source.warnings

    def stop(self) -> None:
        """End the iteration now, even one that waits; from any thread, any number of times."""
        self._source.stop()
        self._frames.abort()

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        try:
            yield from self._frames
        except Aborted:
            return
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._thread.ident is None:
            self._source.__exit__()
        else:
            self._thread.join(LEAVE_S)  # one that is stuck closes the source itself as soon as it comes back

    def _run(self) -> None:
        try:
            for frame in self._source:
                self._frames.put(frame)
        except Aborted as error:
            if not self._frames.is_aborted:  # not of this source's channel
                self._failure = error
        except BaseException as error:
            self._failure = error
        finally:
            # Before the source is closed, which may fail or take long: nobody who waits depends on that.
            self._frames.close()
            with suppress(Exception):
                self._source.__exit__()
