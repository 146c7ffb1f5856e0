"""What is live and may break: read in a thread of its own, opened again with patience, left at any time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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

STEADY_S = 5.0
"""How long frames must have come for an interruption to be over: longer than what a server sends before it breaks."""

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
    ``give_up_s``: after so long without frames it is over; None: never, 0: there is no second try. ``steady_s``: the
    waits and that time begin anew once frames have come for so long; a source that opens and breaks again at once is
    else opened every ``first_s`` for ever.
    """

    first_s: float = 0.5
    most_s: float = 10.0
    jitter: float = 0.25
    give_up_s: float | None = None
    steady_s: float = STEADY_S
    seed: int = 0

    def delays_s(self) -> Iterator[float]:
        """The waits, without end."""
        chance = random.Random(self.seed)
        delay_s = self.first_s
        while True:
            yield delay_s * (1 - self.jitter * chance.random())
            delay_s = min(self.most_s, 2 * delay_s)


@dataclass(slots=True)
class _Interruption:
    """From a loss until frames have come for some seconds; what is lost again before that goes on with it."""

    delays_s: Iterator[float]
    losses: int = 0
    attempts: int = 0
    lost_s: float = 0.0
    """How long no frames came, without the loss at hand."""
    back_s: float = 0.0
    """When they came again, by ``time.perf_counter``."""


class LiveSource:
    """Frames of a :class:`Feed`; a live :class:`~.datatypes.Source`.

    The feed lives in a thread of its own, from before the constructor returns to the end: what comes before the
    iteration starts is read and thrown away, so that the first frame is a fresh one, and nobody who waits for a frame
    hangs with a driver or a network that doesn't answer: :meth:`stop` ends the iteration at once.

    ``time_s``: seconds from the first frame, by the monotonic clock (``time.perf_counter``) when a picture came from
    the feed. It goes on through an interruption, and increases strictly.

    Where the feed breaks or stalls, it is opened again as ``backoff`` says; ``state`` and ``on_state`` tell. What
    closing the feed raises is dropped: it is given up then, whatever it says.

    Args:
        feed: what to read; this source closes it.
        backoff: how to come back from an interruption.
        on_state: called with the new ``state`` when frames stop to come and when they come again, in the feed's
            thread. One that is lost again and again is told as lost twice, and as back when that has lasted.

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
        self._losses, self._lost_s = 0, 0.0
        self._interruption: _Interruption | None = None
        self._told_lost = False
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
        if not self._losses:
            return ()
        times = "once" if self._losses == 1 else f"{self._losses} times"
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
        except Aborted as error:
            if not self._stopped.is_set():  # not of this source's channel
                self._failure = error
        except BaseException as error:
            self._failure = error
        finally:
            # Before the feed is closed, which may fail or take long: nobody who waits depends on that.
            self._opened.set()
            self._frames.close()
            self._close_feed()

    def _close_feed(self) -> None:
        with suppress(Exception):
            self._feed.close()

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
            self._end_interruption()
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
        self._close_feed()
        since_s = time.perf_counter()
        self._losses += 1
        if self._interruption is None:
            self._interruption = _Interruption(self._backoff.delays_s())
        else:
            reason = f"{reason}; it had come back for less than {self._backoff.steady_s:g} s"
        self._interruption.losses += 1
        try:
            return self._try_again(self._interruption, reason, error, since_s)
        finally:
            self._interruption.back_s = time.perf_counter()
            lost_s = self._interruption.back_s - since_s
            self._interruption.lost_s += lost_s
            self._lost_s += lost_s

    def _try_again(self, interruption: _Interruption, reason: str, error: SourceError | None, since_s: float) -> bool:
        give_up_s = self._backoff.give_up_s
        for delay_s in interruption.delays_s:
            lost_s = interruption.lost_s + time.perf_counter() - since_s
            left_s = None if give_up_s is None else give_up_s - lost_s
            if left_s is not None and left_s <= 0:
                if error is None:
                    return False
                if not interruption.attempts:
                    raise error
                raise SourceError(f"{error}; gave up after {give_up_s:g} s") from error
            self._show(SourceState(reason, since_s, interruption.attempts))
            if self._stopped.wait(delay_s if left_s is None else min(delay_s, left_s)):
                raise Aborted
            interruption.attempts += 1
            try:
                self._feed.open()
            except SourceError as again:
                self._close_feed()
                reason, error = str(again), (None if error is None else again)
            else:
                break
        self._show(SourceState(), tell=interruption.losses == 1)
        return True

    def _end_interruption(self) -> None:
        """Called with each picture: whether they have come for long enough."""
        interruption = self._interruption
        if interruption is not None and time.perf_counter() - interruption.back_s >= self._backoff.steady_s:
            self._interruption = None
            self._show(SourceState())

    def _show(self, state: SourceState, *, tell: bool = True) -> None:
        self._state = state
        if tell and state.is_lost != self._told_lost:
            self._told_lost = state.is_lost
            if self._on_state is not None:
                self._on_state(state)
