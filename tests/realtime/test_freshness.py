"""Which faces the classifier sees."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.freshness import FIRST_FRAMES, FRESH_S, STILL_S, Freshness


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
