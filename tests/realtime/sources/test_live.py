"""What a live source makes of a feed that breaks, comes back for a moment, or cannot even be closed."""

import itertools
import threading
from collections.abc import Callable
from fractions import Fraction

import pytest

from fer_live.errors import SourceError
from fer_live.realtime.datatypes import SourceInfo
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.conversion import Planes
from fer_live.realtime.sources.live import Backoff, LiveSource
from fer_live.realtime.sources.relay import RelayedSource
from fer_live.realtime.testing.fakes import ListSource, make_frame

INFO = SourceInfo("feed", (64, 48), Fraction(25), None, is_live=True)
FRAME = make_frame(64, 48, 0)


class Feed:
    """Gives so many pictures each time it is opened, then what ``end`` says: an error, or None for its end."""

    def __init__(
        self, lasts: int = 2, end: Callable[[], None] = lambda: None, *, opens: int = 10_000, close_error: bool = False
    ) -> None:
        self.lasts, self.end, self.opens, self.close_error = lasts, end, opens, close_error
        self.opened = self.given = 0
        self.gate = threading.Event()

    def open(self) -> SourceInfo:
        self.given = 0
        if self.opened == self.opens:
            raise SourceError("feed: is not there")
        self.opened += 1
        return INFO

    def read(self) -> tuple[Planes, float] | None:
        self.gate.wait()  # no picture is thrown away before somebody wants one
        self.given += 1
        if self.given > self.lasts:
            return self.end()
        return (FRAME.y, FRAME.u, FRAME.v), float(self.opened + self.given)

    def close(self) -> None:
        if self.close_error:
            raise RuntimeError("cannot be closed")


def breaks() -> None:
    raise SourceError("feed: broke off")


def take(source: LiveSource, feed: Feed) -> int:
    given = iter(source)
    feed.gate.set()
    return sum(1 for _ in given)


def test_a_feed_that_cannot_be_closed_holds_nobody_up() -> None:
    for end in (breaks, lambda: None):
        feed = Feed(end=end, opens=2, close_error=True)
        with LiveSource(feed, Backoff(first_s=0.01, most_s=0.01, give_up_s=0.05)) as source:
            given = iter(source)
            feed.gate.set()
            frames = list(itertools.islice(given, 4))
            if end is breaks:
                with pytest.raises(SourceError, match="is not there; gave up"):
                    list(given)
            else:
                assert list(given) == []
        assert len(frames) == 4 and feed.opened == 2


def test_a_feed_that_can_neither_be_opened_nor_closed_is_told() -> None:
    with pytest.raises(SourceError, match="feed: is not there"):
        LiveSource(Feed(opens=0, close_error=True), Backoff())


def test_a_relayed_source_that_cannot_be_closed_holds_nobody_up() -> None:
    class Unclosable(ListSource):
        def __exit__(self, *_: object) -> None:
            raise RuntimeError("cannot be closed")

    for error in (None, SourceError("damaged")):
        with RelayedSource(Unclosable([FRAME] * 3, error=error, error_at=2)) as source:
            given = iter(source)
            assert len(list(itertools.islice(given, 2))) == 2
            if error is None:
                assert len(list(given)) == 1
            else:
                with pytest.raises(SourceError, match="damaged"):
                    list(given)


@pytest.mark.parametrize("ends", [False, True])
def test_what_breaks_again_at_once_is_given_up_and_told_once(ends: bool) -> None:
    told: list[SourceState] = []
    feed = Feed(end=(lambda: None) if ends else breaks)
    with LiveSource(feed, Backoff(first_s=0.01, most_s=0.1, give_up_s=1), told.append) as source:
        if ends:
            frames = take(source, feed)
        else:
            with pytest.raises(SourceError, match="feed: broke off; gave up after 1 s"):
                take(source, feed)
    # The waits are 0.01, 0.02, 0.04, 0.08, 0.1, 0.1 … s, each up to a quarter shorter, and 1 s in all.
    assert 3 <= feed.opened <= 18
    if ends:
        assert frames == 2 * feed.opened
    assert [state.is_lost for state in told] == [True, False, True]
    reasons = ["feed ended", "feed ended; it had come back for less than 5 s"]
    if not ends:
        reasons = [reason.replace("feed ended", "feed: broke off") for reason in reasons]
    assert [told[0].lost, told[2].lost] == reasons
    assert f"lost {feed.opened} times" in source.warnings[0]


def test_after_steady_frames_patience_begins_anew() -> None:
    told: list[SourceState] = []
    feed = Feed(end=breaks, opens=20)
    backoff = Backoff(first_s=0.001, most_s=100, jitter=0, give_up_s=0.5, steady_s=0)
    with LiveSource(feed, backoff, told.append) as source:
        with pytest.raises(SourceError, match="is not there; gave up"):
            take(source, feed)
    assert feed.opened == 20  # with waits that went on doubling it would have been given up before
    assert [state.is_lost for state in told] == [True, False] * 19 + [True]
    assert all(state.attempt == 0 for state in told)


def test_a_return_after_several_losses_is_told_when_it_has_lasted() -> None:
    told: list[tuple[int, bool]] = []
    feed = Feed(end=breaks, opens=4)
    backoff = Backoff(first_s=0.001, most_s=0.001, steady_s=0.05)
    with LiveSource(feed, backoff, lambda state: told.append((feed.opened, state.is_lost))) as source:
        given = iter(source)
        feed.gate.set()
        list(itertools.islice(given, 6))
        feed.lasts = 10**9
        for _ in given:
            if len(told) == 4:
                break
    assert [lost for _, lost in told] == [True, False, True, False]
