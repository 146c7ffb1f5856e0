"""Figures of the last seconds, by a clock that the test moves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.realtime.stats import LATELY_S, RecentStats
from fer_live.realtime.testing.fakes import make_frame, make_result


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def recent(clock: Clock, *, is_live: bool = True) -> RecentStats:
    return RecentStats("yunet", "CPUExecutionProvider", is_live=is_live, clock=clock)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_percentiles_are_those_of_the_last_seconds(durations_ms: list[float]) -> None:
    clock = Clock()
    stats = recent(clock)
    stats.worked("detect", (0,), -10.0, -9.0)  # long ago
    for index, ms in enumerate(durations_ms):
        stats.worked("detect", (index,), index / 30 - ms / 1e3, index / 30)
    clock.now_s = len(durations_ms) / 30
    (stage,) = stats.figures().stages
    assert stage.name == "detect"
    np.testing.assert_allclose((stage.p50_ms, stage.p95_ms), np.percentile(durations_ms, (50, 95)), atol=1e-6)


def test_stages_stand_in_the_pipelines_order() -> None:
    stats = recent(Clock(), is_live=False)
    for stage in ("show", "classify", "track", "read", "detect"):
        stats.worked(stage, (0,), 0.0, 0.0)
    assert [stage.name for stage in stats.figures().stages] == ["read", "detect", "track", "classify", "show"]


def test_a_batch_counts_a_frames_share() -> None:
    stats = recent(Clock())
    stats.worked("classify", (1, 2, 3, 4), 0.0, 0.040)
    (stage,) = stats.figures().stages
    assert round(stage.p50_ms, 6) == 10


def test_rate_age_drops_and_faces() -> None:
    clock = Clock()
    stats = recent(clock)
    for index in range(31):
        result = make_result(make_frame(64, 48, index))
        stats.finished(result, clock.now_s)
        clock.now_s += 0.04
    stats.dropped(7)
    figures = stats.figures()
    assert round(figures.fps, 6) == 25 and figures.dropped == 1 and figures.faces == 0
    assert figures.age_ms is not None and round(figures.age_ms) == 1200  # grabbed at 0
    clock.now_s += LATELY_S
    assert stats.figures().fps == 0 and stats.figures().stages == ()
    # The last frame grows older in the window.
    assert stats.figures().age_ms == 1e3 * clock.now_s
    assert recent(clock, is_live=False).figures().age_ms is None
