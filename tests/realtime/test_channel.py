import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.channel import Aborted, Channel, Overflow

BOTH = pytest.mark.parametrize("overflow", Overflow)


@given(st.integers(1, 5), st.lists(st.one_of(st.none(), st.integers(1, 6)), max_size=60))
def test_put_is_taken_plus_inside_plus_dropped_and_order_is_kept(capacity: int, steps: list[int | None]) -> None:
    channel: Channel[int] = Channel(capacity, Overflow.DROP_OLDEST)
    put, taken = 0, []
    inside: list[int] = []  # the model
    for step in steps:
        if step is None:
            channel.put(put)
            inside.append(put)
            put += 1
            inside = inside[-capacity:]
        elif inside:
            got = channel.get_many(step, fill=False)
            assert got == inside[:step]
            taken += got
            inside = inside[step:]
        assert put == len(taken) + len(inside) + channel.dropped
    channel.close()
    rest = list(channel)
    assert rest == inside
    assert taken + rest == sorted(taken + rest)


@given(st.integers(1, 4), st.integers(0, 40), st.integers(1, 6), st.booleans())
def test_two_threads_that_block_lose_nothing(capacity: int, count: int, most: int, fill: bool) -> None:
    channel: Channel[int] = Channel(capacity, Overflow.BLOCK)

    def write() -> None:
        for item in range(count):
            channel.put(item)
        channel.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(write)
        batches = []
        while batch := channel.get_many(most, fill=fill):
            batches.append(batch)
        done.result()
    assert [item for batch in batches for item in batch] == list(range(count))
    assert channel.dropped == 0
    if fill:
        assert all(len(batch) == min(most, capacity) for batch in batches[:-1])
    assert all(len(batch) <= most for batch in batches)


@given(st.integers(1, 3), st.integers(0, 200))
def test_a_slow_reader_of_a_dropping_channel_sees_the_newest(capacity: int, count: int) -> None:
    channel: Channel[int] = Channel(capacity, Overflow.DROP_OLDEST)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: [channel.put(item) for item in range(count)] and None).result()
        channel.close()
    assert list(channel) == list(range(count))[-capacity:]
    assert channel.dropped == max(0, count - capacity)


@BOTH
def test_close_lets_what_is_inside_out_then_ends(overflow: Overflow) -> None:
    channel: Channel[str] = Channel(3, overflow)
    channel.put("a")
    channel.put("b")
    channel.close()
    assert channel.get_many(5, fill=True) == ["a", "b"]
    assert channel.get_many(5, fill=True) == []
    assert list(channel) == []
    with pytest.raises(ValueError, match="closed"):
        channel.put("c")


@BOTH
def test_abort_throws_away_and_meets_whoever_comes_later(overflow: Overflow) -> None:
    channel: Channel[int] = Channel(2, overflow)
    channel.put(1)
    channel.abort()
    for late in (lambda: channel.put(2), lambda: channel.get_many(1, fill=False), lambda: list(channel)):
        with pytest.raises(Aborted):
            late()


def _waits_in(call: Callable[[], object], entered: threading.Event) -> object:
    entered.set()
    return call()


@pytest.mark.parametrize("waiter", ["put", "get", "fill"])
def test_abort_wakes_who_waits(waiter: str) -> None:
    channel: Channel[int] = Channel(2, Overflow.BLOCK)
    for item in {"put": (1, 2), "get": (), "fill": (1,)}[waiter]:
        channel.put(item)
    call = {
        "put": lambda: channel.put(3),
        "get": lambda: channel.get_many(1, fill=False),
        "fill": lambda: channel.get_many(2, fill=True),
    }[waiter]
    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_waits_in, call, entered)
        entered.wait()
        channel.abort()
        with pytest.raises(Aborted):
            waiting.result(timeout=30)


def test_close_wakes_who_waits() -> None:
    empty: Channel[int] = Channel(1, Overflow.BLOCK)
    full: Channel[int] = Channel(1, Overflow.BLOCK)
    full.put(1)
    with ThreadPoolExecutor(2) as pool:
        reading, writing = pool.submit(list, empty), pool.submit(full.put, 2)
        empty.close()
        full.close()
        assert reading.result(timeout=30) == []
        with pytest.raises(ValueError, match="closed"):
            writing.result(timeout=30)


def test_a_channel_holds_something() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Channel(0, Overflow.BLOCK)


def test_a_fresher_item_is_waited_for_and_the_one_before_counts_as_dropped() -> None:
    channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
    channel.put(1)
    asked = threading.Event()

    def patience_s(item: int) -> float:
        assert item == 1
        asked.set()
        return 60.0

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(channel.get_fresh, patience_s)
        asked.wait()
        assert channel.put(2) == 1
        assert taken.result() == [2] and channel.dropped == 1


@pytest.mark.parametrize("patience_s", [0.0, 0.001])
def test_an_old_item_is_taken_where_no_other_comes(patience_s: float) -> None:
    channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
    channel.put(1)
    assert channel.get_fresh(lambda _: patience_s) == [1] and channel.dropped == 0


def test_the_last_item_is_never_waited_on() -> None:
    channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
    channel.put(1)
    channel.close()
    assert channel.get_fresh(lambda _: pytest.fail("asked")) == [1]
    assert channel.get_fresh(lambda _: pytest.fail("asked")) == []


def test_abort_ends_the_wait_for_a_fresher_item() -> None:
    channel: Channel[int] = Channel(1, Overflow.DROP_OLDEST)
    channel.put(1)
    asked = threading.Event()

    def patience_s(_: int) -> float:
        asked.set()
        return 60.0

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(channel.get_fresh, patience_s)
        asked.wait()
        channel.abort()
        with pytest.raises(Aborted):
            taken.result()
