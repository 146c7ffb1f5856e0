"""Times that increase strictly, whatever a file's time stamps do."""

import itertools
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.timeline import LONGEST_PAUSE_S, Timeline

stamps = st.lists(st.one_of(st.none(), st.fractions(-5, 100, max_denominator=1000)), max_size=40)


@given(stamps, st.fractions(0, 3))
def test_time_increases_strictly_whatever_the_stamps(given_stamps: list[Fraction | None], start: Fraction) -> None:
    line = Timeline(start, tick=Fraction(1, 1000), frame=Fraction(1, 25))
    times = [line.place(stamp) for stamp in given_stamps]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(time >= 0 for time in times)


@given(st.lists(st.fractions(0, 100), unique=True).map(sorted), st.fractions(-3, 0))
def test_stamps_in_order_are_kept_exactly(given_stamps: list[Fraction], start: Fraction) -> None:
    line = Timeline(start, tick=Fraction(1, 1000), frame=Fraction(1, 25))
    assert [line.place(stamp) for stamp in given_stamps] == [stamp - start for stamp in given_stamps]


def placed(stamps: Iterable[Fraction | float | None], frame: float = 0.04) -> list[float]:
    line = Timeline(Fraction(0), tick=Fraction(1, 90_000), frame=Fraction(frame).limit_denominator(1000))
    return [float(line.place(None if s is None else Fraction(s).limit_denominator(90_000))) for s in stamps]


def steady(count: int, begins_s: float = 0.0) -> list[float]:
    return [begins_s + index / 25 for index in range(count)]


def test_a_clock_that_starts_over_goes_on_after_the_last_frame() -> None:
    assert placed((0, 5, 6, 0, 1, 2), frame=0.1) == pytest.approx([0, 5, 6, 6.1, 7.1, 8.1])
    assert placed((0, None, 1, 1, 2), frame=0.1) == pytest.approx([0, 0.1, 1, 1 + 1 / 90_000, 2])


@pytest.mark.parametrize("overlap", [3, 5, 15, 24, 25, 50])
def test_recordings_whose_clocks_overlap_follow_each_other(overlap: int) -> None:
    """By less than a second and by more; the third begins where the first did."""
    times = placed(steady(50) + steady(50, (50 - overlap) / 25) + steady(9))
    expected = steady(109)
    assert times[-1] == pytest.approx(expected[-1], abs=1e-3)
    # The first two of a new recording could still be in a wrong order only: they come early.
    assert sum(abs(a - b) > 1e-3 for a, b in zip(times, expected, strict=True)) <= 4
    assert all(a < b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(
    "stamps",
    [
        (0, 3, 1, 2, 6, 4, 5, 9, 7, 8),  # as decoded, not as shown, with two pictures between
        (0, 4, 2, 1, 3, 8, 6, 5, 7, 12),
        (0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 4),
        (0, 1, 2, 1.98, 3, 4, 3.9, 5, 6),
        (0, 1, 2, 1.5, 1.4, 3, 4),
    ],
)
def test_a_wrong_order_moves_nothing_behind_it(stamps: tuple[float, ...]) -> None:
    times = placed([stamp / 25 for stamp in stamps])
    assert all(a < b for a, b in itertools.pairwise(times))
    highest = [max(stamps[: index + 1]) / 25 for index in range(len(stamps))]
    assert times == pytest.approx(highest, abs=1e-3)


def test_a_pause_is_kept_and_a_clock_that_was_set_is_closed() -> None:
    pause_s = float(LONGEST_PAUSE_S)
    assert placed(steady(3) + steady(3, pause_s))[3:] == pytest.approx(steady(3, pause_s))
    for jump_s in (pause_s + 1, 36_000, 1.7e9):
        assert placed(steady(3) + steady(3, jump_s) + steady(3, 2 * jump_s)) == pytest.approx(steady(9), abs=1e-3)
    assert placed([0, 0.04, 1.7e9, 0.12, 0.16]) == pytest.approx(steady(5))  # one stamp alone
    assert placed([1.7e9, 1.7e9 + 0.04])[0] == 0
