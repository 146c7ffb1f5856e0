"""What is live and may break: read in a thread of its own, opened again with patience, left at any time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from fer_live.errors import SourceError
from fer_live.realtime.channel import Aborted, Channel, Overflow
from fer_live.realtime.datatypes import Frame, SourceInfo
from fer_live.realtime.source_state import SourceState

from .conversion import Planes

__all__ = ["Backoff", "Feed", "Listener", "LiveSource"]

LEAVE_S = 1.0
"""How long a thread that is busy in a driver or in the network is waited for when a source is left."""

_LEAST_STEP_S = 1e-6  # between frames that come in one burst

Listener = Callable[[SourceState], None]


class Feed(Protocol):
    """Something live that can be opened, read and closed again and again; by one thread at a time."""

    def open(self) -> SourceInfo:
        """Open it. The first time tells what its frames are; those of later times are fitted to that.

        Raises:
            SourceError: it cannot be opened or gives no picture.
        """

    def read(self) -> tuple[Planes, float] | None:
        """Wait for the next picture: its planes and when it came, by a monotonic clock; None where it has ended.

        Raises:
            SourceError: it broke or gives nothing any more.
        """

    def close(self) -> None:
        """Let go of it; also where it is not open."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before each try to open a source again.

    ``first_s`` before the first try, twice as long before each further one, at most ``most_s``; each wait is up to
    ``jitter`` of itself shorter, by chance from ``seed``, so that many readers don't come back at once.
    ``give_up_s``: after so long without frames it is over; None: never, 0: there is no second try.
    """

    first_s: float = 0.5
    most_s: float = 10.0
    jitter: float = 0.25
    give_up_s: float | None = None
    seed: int = 0

    def delays_s(self) -> Iterator[float]:
        """The waits, without end."""
        chance = random.Random(self.seed)
        delay_s = self.first_s
        while True:
            yield delay_s * (1 - self.jitter * chance.random())
            delay_s = min(self.most_s, 2 * delay_s)


class LiveSource:
    """Frames of a :class:`Feed`; a live :class:`~.datatypes.Source`.

    The feed lives in a thread of its own, from before the constructor returns to the end: what comes before the
    iteration starts is read and thrown away, so that the first frame is a fresh one, and nobody who waits for a frame
    hangs with a driver or a network that doesn't answer: :meth:`stop` ends the iteration at once.

    ``time_s``: seconds from the first frame, by the monotonic clock (``time.perf_counter``) when a picture came from
    the feed. It goes on through an interruption, and increases strictly.

    Where the feed breaks or stalls, it is opened again as ``backoff`` says; ``state`` and ``on_state`` tell.

    Args:
        feed: what to read; this source closes it.
        backoff: how to come back from an interruption.
        on_state: called with the new ``state`` when frames stop to come and when they come again, in the feed's thread.

    Raises:
        SourceError: at construction, where the feed cannot be opened (there is no second try then); while iterating,
            where it broke and did not come back in time. A feed that ended by itself and did not come back ends the
            iteration.
    """

    def __init__(self, feed: Feed, backoff: Backoff, on_state: Listener | None = None) -> None:
        self._feed, self._backoff, self._on_state = feed, backoff, on_state
        self._state = SourceState()
        self._info: SourceInfo | None = None
        self._frames: Channel[Frame] = Channel(1, Overflow.BLOCK)
        self._opened, self._wanted, self._stopped = threading.Event(), threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._interruptions, self._lost_s = 0, 0.0
        # A daemon: a driver that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="fer-live feed", daemon=True)
        self._thread.start()
        try:
            self._opened.wait()
            if self._info is None:
                assert self._failure is not None
                raise self._failure
        except BaseException:
            self._leave()
            raise

    @property
    def info(self) -> SourceInfo:
        """What the feed said when it was opened first."""
        assert self._info is not None
        return self._info

    @property
    def state(self) -> SourceState:
        """Whether frames come, at this moment; from any thread."""
        return self._state

    @property
    def warnings(self) -> tuple[str, ...]:
        """How often and how long no frames came, in one line; empty where they always did."""
        if not self._interruptions:
            return ()
        times = "once" if self._interruptions == 1 else f"{self._interruptions} times"
        return (f"{self.info.name}: was lost {times}, for {self._lost_s:.1f} s in all",)

    def stop(self) -> None:
        """End the iteration now, even one that waits; from any thread, any number of times."""
        self._stopped.set()
        self._frames.abort()

    def __iter__(self) -> Iterator[Frame]:
        self._wanted.set()
        return self._take()

    def _take(self) -> Iterator[Frame]:
        try:
            yield from self._frames
        except Aborted:
            return
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self.stop()
        self._thread.join(LEAVE_S)  # one that is stuck closes its feed itself as soon as it comes back

    def _run(self) -> None:
        try:
            self._info = self._feed.open()
            self._opened.set()
            self._pass_on()
        except Aborted:
            pass
        except BaseException as error:
            self._failure = error
        finally:
            self._feed.close()
            self._opened.set()
            self._frames.close()

    def _pass_on(self) -> None:
        limited_range = self.info.colour.limited_range
        start_s: float | None = None
        time_s, index = 0.0, 0
        while not self._stopped.is_set():
            try:
                came = self._feed.read()
            except SourceError as error:
                if not self._come_back(str(error), error):
                    return
                continue
            if came is None:
                if not self._come_back(f"{self.info.name} ended", None):
                    return
                continue
            if not self._wanted.is_set():
                continue
            planes, came_s = came
            if start_s is None:
                start_s = came_s
            else:
                time_s = max(came_s - start_s, time_s + _LEAST_STEP_S)
            self._frames.put(Frame(*planes, index, time_s, limited_range))
            index += 1

    def _come_back(self, reason: str, error: SourceError | None) -> bool:
        """Open the feed again, as often as it takes; False where it ended by itself and that is the end."""
        self._feed.close()
        since_s = time.perf_counter()
        self._interruptions += 1
        try:
            return self._try_again(reason, error, since_s)
        finally:
            self._lost_s += time.perf_counter() - since_s

    def _try_again(self, reason: str, error: SourceError | None, since_s: float) -> bool:
        give_up_s = self._backoff.give_up_s
        for attempt, delay_s in enumerate(self._backoff.delays_s()):
            left_s = None if give_up_s is None else give_up_s - (time.perf_counter() - since_s)
            if left_s is not None and left_s <= 0:
                if error is None:
                    return False
                raise error if not attempt else SourceError(f"{error}; gave up after {give_up_s:g} s") from error
            self._tell(SourceState(reason, since_s, attempt))
            if self._stopped.wait(delay_s if left_s is None else min(delay_s, left_s)):
                raise Aborted
            try:
                self._feed.open()
            except SourceError as again:
                self._feed.close()
                reason, error = str(again), (None if error is None else again)
            else:
                break
        self._tell(SourceState())
        return True

    def _tell(self, state: SourceState) -> None:
        changed = state.is_lost != self._state.is_lost
        self._state = state
        if changed and self._on_state is not None:
            self._on_state(state)
