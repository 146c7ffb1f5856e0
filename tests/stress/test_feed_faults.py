"""Thousands of seeded runs of a live source whose feed fails at random places: while it opens, reads or closes.

Each run must end; the error that ended the feed's thread is what arrives; no thread is left; the feed is used by one
thread at a time, opened only where it was closed before, and closed at the end.
"""

from __future__ import annotations

import faulthandler
import itertools
import random
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from fer_live.errors import SourceError
from fer_live.realtime.channel import Aborted
from fer_live.realtime.datatypes import Frame, SourceInfo
from fer_live.realtime.sources.conversion import Planes
from fer_live.realtime.sources.live import Backoff, LiveSource
from fer_live.realtime.sources.relay import RelayedSource
from fer_live.realtime.testing.fakes import ListSource, make_frame

INFO = SourceInfo("feed", (64, 48), None, None, is_live=True)
FRAMES = [make_frame(64, 48, index, index / 25) for index in range(10)]
END_S = 60.0
"""A run takes milliseconds; the machine may be busy."""


class Boom(Exception):
    pass


ERRORS: tuple[type[BaseException], ...] = (SourceError, SourceError, SourceError, Boom, OSError, MemoryError, Aborted)


@dataclass(frozen=True)
class Plan:
    """What happens in a run; a place is a call of the feed and how often it was made before."""

    faults: dict[tuple[str, int], type[BaseException]]
    ends: set[int]  # the reads that say that it has ended
    reads: int  # then it is over
    give_up_s: float | None
    steady_s: float
    take: int | None  # how many frames are wanted; None for all
    stop_at: tuple[str, int]

    @classmethod
    def of(cls, seed: int) -> Plan:
        draw = random.Random(seed)

        def place() -> tuple[str, int]:
            call = draw.choice(("open", "read", "read", "close"))
            return call, draw.randrange(30 if call == "read" else 5)

        return cls(
            faults={place(): draw.choice(ERRORS) for _ in range(draw.choice([0, 1, 2, 4, 8]))},
            ends={draw.randrange(30) for _ in range(draw.choice([0, 0, 1, 4]))},
            reads=draw.choice([5, 30]),
            give_up_s=draw.choice([0, 0.003, 0.003, None]),
            steady_s=draw.choice([0, 5]),
            take=draw.choice([None, None, 0, 1, 5]),
            stop_at=place(),
        )


class Feed:
    """Does what the plan says, and notes what is done to it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.met: Counter[str] = Counter()
        self.raised: list[BaseException] = []
        self.wrong: list[str] = []
        self.open_now = False
        self.time_to_stop = threading.Event()
        self._user = threading.Lock()

    def open(self) -> SourceInfo:
        if self.open_now:
            self.wrong.append("opened twice")
        self.open_now = True
        self._meet("open")
        return INFO

    def read(self) -> tuple[Planes, float] | None:
        if not self.open_now:
            self.wrong.append("read while closed")
        number = self.met["read"]
        self._meet("read")
        if number >= self.plan.reads:
            self.time_to_stop.set()
        if number in self.plan.ends:
            return None
        frame = FRAMES[number % len(FRAMES)]
        return (frame.y, frame.u, frame.v), number / 25

    def close(self) -> None:
        self.open_now = False
        self._meet("close")

    def _meet(self, call: str) -> None:
        if not self._user.acquire(blocking=False):
            self.wrong.append(f"{call} beside another call")
            return
        try:
            place = call, self.met[call]
            self.met[call] += 1
            if place == self.plan.stop_at:
                self.time_to_stop.set()
            if place in self.plan.faults:
                error = self.plan.faults[place](f"{place}")
                if call != "close":
                    self.raised.append(error)
                raise error
        finally:
            self._user.release()


def ended(act: Any, about: str) -> Any:
    """What a function returned or raised that must end."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(act())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(END_S)
    if thread.is_alive():
        faulthandler.dump_traceback(sys.__stderr__)
        raise AssertionError(f"{about} did not end")
    left = [each for each in threading.enumerate() if each.name.startswith("fer-live")]
    for each in left:
        each.join(END_S)  # a busy machine may take longer than a source is waited for
    assert not any(each.is_alive() for each in left), f"{about} left {left}"
    return outcome[0]


def run_live(seed: int) -> str:
    """One run of a live source; how it ended."""
    plan = Plan.of(seed)
    feed = Feed(plan)
    about = f"seed {seed}: {plan}"
    frames: list[Frame] = []

    def act() -> None:
        backoff = Backoff(first_s=0.0005, most_s=0.001, give_up_s=plan.give_up_s, steady_s=plan.steady_s, seed=seed)
        with LiveSource(feed, backoff) as source:

            def stop() -> None:
                feed.time_to_stop.wait()
                source.stop()

            stopping = threading.Thread(target=stop, daemon=True)
            stopping.start()
            try:
                frames.extend(itertools.islice(source, plan.take))
            finally:
                feed.time_to_stop.set()
                stopping.join()

    outcome = ended(act, about)
    about += f", raised {feed.raised}, met {feed.met}, ended with {outcome!r}"
    assert not feed.wrong, f"{about}: {feed.wrong}"
    assert not feed.open_now and feed.met["close"] > 0, about
    assert [frame.index for frame in frames] == list(range(len(frames))), about
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames)), about
    if outcome is None:
        return "ended"
    if isinstance(outcome, SourceError):
        given_up = outcome.__cause__ if "gave up" in str(outcome) else outcome
        assert any(given_up is error for error in feed.raised), about
    else:
        assert outcome is feed.raised[-1], about
    return type(outcome).__name__


def run_relayed(seed: int) -> str:
    """One run of a relayed source; how it ended."""
    draw = random.Random(seed)
    error, close_error = (draw.choice((None, *ERRORS)) for _ in range(2))
    failure = None if error is None else error("read")
    count = draw.randrange(len(FRAMES))

    class Source(ListSource):
        def __exit__(self, *_: object) -> None:
            super().__exit__()
            if close_error is not None:
                raise close_error("close")

    source = Source(FRAMES[:count], error=failure, error_at=draw.randrange(count + 1))
    take = draw.choice([None, 0, 1, 5])

    def act() -> int:
        with RelayedSource(source) as relayed:
            given = iter(relayed)
            next(given, None)  # a source that nobody reads is closed by who opened it
            return len(list(itertools.islice(given, take)))

    about = f"seed {seed}: {count} frames, {error}, {close_error}"
    outcome = ended(act, about)
    assert source.closed, about
    if isinstance(outcome, BaseException):
        assert outcome is failure, f"{about}: {outcome!r}"
        return type(outcome).__name__
    return "ended"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "count", [pytest.param(200, id="sample"), pytest.param(3000, id="all", marks=pytest.mark.stress)]
)
def test_every_live_source_ends_with_the_error_that_was_raised(count: int) -> None:
    outcomes = Counter(run_live(seed) for seed in range(count))
    # The draws reach every way to end.
    assert {"ended", "SourceError", "Boom", "OSError", "MemoryError"} <= set(outcomes), outcomes


@pytest.mark.parametrize(
    "count", [pytest.param(100, id="sample"), pytest.param(2000, id="all", marks=pytest.mark.stress)]
)
def test_every_relayed_source_ends_with_the_error_that_was_raised(count: int) -> None:
    outcomes = Counter(run_relayed(seed) for seed in range(count))
    assert {"ended", "SourceError", "Boom", "OSError", "MemoryError"} <= set(outcomes), outcomes
