"""The governor against simulated machines: what each level costs is known, and time is counted, not waited for."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.realtime.governor import LEVELS, MOST_CALM_S, PROVEN_S, WINDOW_S, Effort, Governor
from fer_live.realtime.testing.fakes import make_frame, make_result

TARGET_MS = 50.0
FRAME = make_result(make_frame(64, 48))


def run(
    governor: Governor,
    latency_ms: Callable[[float, int], float],
    seconds: float,
    *,
    begin_s: float = 0.0,
    fps: int = 30,
) -> list[tuple[float, int]]:
    """Frames whose latency depends on the time and the level; when the level changed, and to what."""
    changes = []
    for index in range(round(fps * seconds)):
        grabbed_s, level = begin_s + index / fps, governor.level
        now_s = grabbed_s + latency_ms(grabbed_s, level) / 1e3
        governor.finished(replace(FRAME, grabbed_s=grabbed_s), now_s)
        if governor.level != level:
            changes.append((now_s, governor.level))
    return changes


def costs(draw: st.DrawFn) -> list[float]:
    """What a frame costs at each level, milliseconds, less with every step."""
    values = draw(st.lists(st.floats(5, 200), min_size=len(LEVELS), max_size=len(LEVELS)))
    return sorted(values, reverse=True)


machines = st.composite(costs)()


def test_levels_cost_less_and_less() -> None:
    for before, after in pairwise(LEVELS):
        assert after.detect_size <= before.detect_size
        assert after.detect_wait >= before.detect_wait and after.classify_wait >= before.classify_wait
    assert LEVELS[0] == Effort()


@settings(max_examples=50, deadline=None)
@given(machines, st.integers(0, 1000))
def test_converges_to_the_target_where_the_machine_allows(cost: list[float], seed: int) -> None:
    """It goes down to a level that is fast enough, or to the last one, and no further."""
    chance, governor = random.Random(seed), Governor(TARGET_MS, lambda _: None)
    jittered = [value * 1.1 for value in cost]
    changes = run(
        governor, lambda _, level: cost[level] * chance.uniform(0.9, 1.1), (len(LEVELS) - 1) * (WINDOW_S + 0.5)
    )
    first = next((level for level, value in enumerate(jittered) if value <= TARGET_MS), len(LEVELS) - 1)
    deepest = max((level for _, level in changes), default=0)
    assert deepest <= first
    assert cost[deepest] * 0.9 <= TARGET_MS or deepest == len(LEVELS) - 1


@settings(max_examples=15, deadline=None)
@given(machines, st.integers(0, 1000))
def test_never_oscillates(cost: list[float], seed: int) -> None:
    """On a machine that stays as it is, the tries become rare: in a later minute one, which is taken back."""
    chance, governor = random.Random(seed), Governor(TARGET_MS, lambda _: None)
    changes = run(governor, lambda _, level: cost[level] * chance.uniform(0.9, 1.1), 300)
    for begin_s in (120.0, 180.0, 240.0):
        assert len([at for at, _ in changes if begin_s <= at < begin_s + 60]) <= 4
    # Time above the target is short, where it can be met at all.
    if cost[-1] * 1.1 < TARGET_MS:
        above = sum(
            (until - at) for (at, level), (until, _) in pairwise(changes) if cost[level] * 0.9 > TARGET_MS and at > 120
        )
        assert above < 0.1 * 180


def test_goes_back_to_full_effort_when_the_load_falls() -> None:
    governor = Governor(TARGET_MS, lambda _: None)
    run(governor, lambda _, level: 100 - 12 * level, 60)
    assert governor.level > 0
    run(governor, lambda _, level: 20, MOST_CALM_S + PROVEN_S + 20, begin_s=60)
    assert governor.level == 0


def test_a_machine_that_is_fast_enough_is_left_alone() -> None:
    efforts: list[Effort] = []
    governor = Governor(TARGET_MS, efforts.append)
    assert run(governor, lambda _, level: 45.0, 60) == [] and efforts == []


def test_a_single_late_frame_changes_nothing() -> None:
    governor = Governor(TARGET_MS, lambda _: None)
    assert run(governor, lambda at, level: 400.0 if 10 < at < 10.02 else 20.0, 30) == []


def test_frames_from_before_a_step_do_not_count_for_it() -> None:
    """Frames that were on their way when the level changed say nothing of the new one."""
    efforts: list[Effort] = []
    governor = Governor(TARGET_MS, efforts.append)
    changes = run(governor, lambda _, level: 900.0 if level == 0 else 10.0, 2.5)
    assert [level for _, level in changes][:1] == [1] and governor.level <= 1
    assert efforts[0] == LEVELS[1]


def test_a_target_must_be_positive() -> None:
    with pytest.raises(ValueError, match="target_ms"):
        Governor(0, lambda _: None)


@pytest.mark.parametrize("fps", [2, 5, 9, 10, 15])
def test_slow_sources_are_governed_too(fps: int) -> None:
    changes = run(Governor(TARGET_MS, lambda _: None), lambda *_: 8 * TARGET_MS, 60, fps=fps)
    assert [level for _, level in changes] == list(range(1, len(LEVELS)))
