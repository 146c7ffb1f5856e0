"""Which faces the classifier sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.freshness import FIRST_FRAMES, FRESH_S, Freshness


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
