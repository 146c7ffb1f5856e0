"""Which faces the classifier sees."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Predictions
from fer_live.realtime.labels.quality import Qualities
from fer_live.realtime.labels.smoothing import Smoother
from fer_live.realtime.tracking.freshness import FIRST_FRAMES, FRESH_S, STILL_S, Freshness


def test_a_new_face_is_due_on_its_first_frames_then_when_it_is_stale() -> None:
    freshness = Freshness()
    due = [len(freshness.due(np.array([7]), index / 25)) for index in range(12)]
    assert due == [1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert due[:FIRST_FRAMES] == [1] * FIRST_FRAMES


@pytest.mark.parametrize("fps", [5, 24, 30, 60, 120])
def test_nothing_grows_older_than_it_may(fps: int) -> None:
    freshness, last_s = Freshness(), 0.0
    for index in range(2 * fps):
        if len(freshness.due(np.array([1]), index / fps)):
            last_s = index / fps
        assert index / fps - last_s < FRESH_S


@given(st.integers(1, 9), st.lists(st.sets(st.integers(1, 5)), max_size=40))
def test_each_face_is_due_once_in_so_many_frames(every: int, video: list[set[int]]) -> None:
    freshness, age = Freshness(every), dict[int, int]()
    for index, ids in enumerate(video):
        order = sorted(ids)
        rows = freshness.due(np.array(order, np.int64), index / 25)
        age = {key: age.get(key, every) + 1 for key in ids}
        for row in rows.tolist():
            age[order[row]] = 0
        assert all(value < every for value in age.values())
        if every == 1:
            assert rows.tolist() == list(range(len(order)))


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Freshness(0)


def test_faces_that_came_at_different_times_are_soon_due_together() -> None:
    freshness = Freshness()
    due = [freshness.due(np.array([1] if index == 0 else [1, 2]), index / 25).tolist() for index in range(30)]
    assert all(rows in ([], [0, 1]) for rows in due[8:])
    assert sum(map(len, due[8:])) > 0


def crop_of(level: int) -> np.ndarray:
    return np.full((1, 1, 8, 8), level, np.uint8)


def test_a_face_that_stays_as_it_was_is_classified_less_often() -> None:
    def times(levels: list[int], every: int | None = None) -> list[int]:
        freshness, seen = Freshness(every), []
        for index, level in enumerate(levels):
            rows = freshness.due(np.array([7]), index / 25)
            changed = freshness.changed(np.array([7])[rows], crop_of(level)[rows], index / 25)
            if len(rows[changed]):
                seen.append(index)
        return seen

    still = times([90] * 40)
    assert still[:FIRST_FRAMES] == [0, 1, 2]
    assert all(b - a <= 25 * STILL_S + 4 for a, b in itertools.pairwise(still))
    assert len(still) < len(times([90 + 5 * index for index in range(30)] + [0] * 10))
    assert times([90] * 14 + [120] * 10)[-1] in (14, 15, 16, 17, 18)
    assert times([90] * 12, every=2) == [index for index in range(12) if index % 2 == 1 or index == 0]


@given(st.floats(1, 4), st.lists(st.tuples(st.floats(0.01, 2), st.sets(st.integers(1, 3), min_size=1)), max_size=40))
def test_nobody_is_left_out_whom_the_smoother_has_forgotten(wait: float, video: list[tuple[float, set[int]]]) -> None:
    """Gaps of any length, and a governor that makes everything rarer."""
    freshness, smoother, time_s = Freshness(), Smoother(("a", "b")), 0.0
    freshness.set_wait(wait)
    for passed_s, tracks in video:
        time_s += passed_s
        ids = np.array(sorted(tracks))
        rows = freshness.due(ids, time_s)
        crops = np.repeat(crop_of(90), len(rows), 0)
        rows = rows[freshness.changed(ids[rows], crops, time_s)]
        some = np.full(len(rows), 60, np.float32)
        raw = Predictions(np.full((len(rows), 2), 0.5, np.float32), ("a", "b"))
        smoother.update(time_s, ids, rows, raw, Qualities(some, some / 200, some * 0))
