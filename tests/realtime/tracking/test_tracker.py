"""Track ids."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Faces
from fer_live.realtime.tracking.tracker import DECIDED_S, UNCONFIRMED_S, Tracker, iou

Box = tuple[float, float, float, float]


def faces(*boxes: Box) -> Faces:
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(xyxy)
    squares = np.column_stack([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 3] - xyxy[:, 1], np.zeros(n)])
    return Faces(xyxy, np.ones(n, np.float32), squares.astype(np.float32))


def pictures(*kinds: int) -> np.ndarray:
    """Pictures of unit length: the same for the same kind, at right angles for others."""
    return np.eye(32, dtype=np.float32)[list(kinds)].reshape(len(kinds), 32)


def found(tracker: Tracker, time_s: float, *boxes: Box, kinds: tuple[int, ...] | None = None) -> list[int]:
    tracker.next_frame(time_s)
    tracker.find(faces(*boxes), pictures(*(kinds or [0] * len(boxes))))
    return tracker.ids.tolist()


def test_iou_of_known_boxes() -> None:
    a = faces((0, 0, 10, 10), (5, 5, 5, 5)).xyxy
    b = faces((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)).xyxy
    np.testing.assert_allclose(iou(a, b), [[1, 1 / 3, 0], [0, 0, 0]], atol=1e-6)


def test_ids_follow_moving_faces_in_any_order() -> None:
    tracker = Tracker()
    assert found(tracker, 0.0, (0, 0, 20, 20), (100, 0, 120, 20)) == [1, 2]
    assert found(tracker, 0.04, (103, 1, 123, 21), (3, 0, 23, 20)) == [2, 1]


def test_a_track_survives_half_a_second_and_no_longer() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20))
    assert found(tracker, 0.2) == []
    assert tracker.is_unsettled
    assert found(tracker, 0.5, (4, 0, 24, 20)) == [1]
    assert found(tracker, 0.6) == []
    assert found(tracker, 1.2, (4, 0, 24, 20)) == [2]
    assert tracker.count == 2


def test_a_lost_face_is_forgotten_by_the_first_frame_after_half_a_second_that_has_it_not() -> None:
    for back, expected in ((14, 1), (15, 2)):  # at 26 frames a second half a second is 13 frames
        tracker = Tracker()
        found(tracker, 0.0, (0, 0, 20, 20))
        for index in range(1, back):
            assert found(tracker, index / 26 - 0.5 / 26) == []
            assert tracker.must_look == (index == 14)
        assert found(tracker, back / 26 - 0.5 / 26, (4, 0, 24, 20)) == [expected]


def test_nobody_is_remembered_across_a_gap_nor_when_time_runs_back() -> None:
    for time_s in (0.8, 0.0):
        tracker = Tracker()
        found(tracker, 0.1, (0, 0, 20, 20))
        found(tracker, 0.2)
        assert found(tracker, time_s, (0, 0, 20, 20)) == [2]


def walk_behind(tracker: Tracker, kind: int) -> list[int]:
    """A face of kind 0 walks to the right and is hidden for 0.3 s; one of ``kind`` comes out where it should be."""
    for index in range(10):
        found(tracker, index / 25, (8.0 * index, 0, 8.0 * index + 20, 20))
    for index in range(10, 17):
        assert found(tracker, index / 25) == []
    return found(tracker, 17 / 25, (130, 0, 150, 20), kinds=(kind,))


def test_a_face_that_walks_is_expected_further_on() -> None:
    assert walk_behind(Tracker(), kind=0) == [1]


def test_a_hidden_face_does_not_lend_its_id_to_a_new_one_where_it_is_expected() -> None:
    assert walk_behind(Tracker(), kind=1) == [2]


def test_who_is_expected_elsewhere_must_look_very_much_alike() -> None:
    """As much as two people may look alike is enough where the face was, not where it should be."""
    somewhat = np.zeros((1, 32), np.float32)
    somewhat[0, :2] = 0.7, np.sqrt(1 - 0.49)
    for x, expected in ((130, [2]), (74, [1])):
        tracker = Tracker()
        for index in range(10):
            found(tracker, index / 25, (8.0 * index, 0, 8.0 * index + 20, 20))
        found(tracker, 10 / 25)
        tracker.next_frame(16 / 25)
        tracker.find(faces((x, 0, x + 20, 20)), somewhat)
        assert tracker.ids.tolist() == expected


def cross(kinds: list[int]) -> list[list[int]]:
    """A face passes in front of another, which comes out looking like each of ``kinds`` in turn, a frame each."""
    tracker, ids = Tracker(), []
    for index in range(10):
        x = 4.0 * index
        found(tracker, index / 25, (x, 0, x + 20, 20), (104 - x, 0, 124 - x, 20), kinds=(0, 1))
    for index in range(10, 17):
        x = 4.0 * index
        assert found(tracker, index / 25, (x, 0, x + 20, 20)) == [1]
    for index, kind in enumerate(kinds, 17):
        x = 4.0 * index
        boxes = ((x, 0, x + 20, 20), (104 - x, 0, 124 - x, 20))
        ids.append(found(tracker, index / 25, *boxes, kinds=(0, kind)))
    return ids


def test_who_comes_out_from_behind_another_is_told_when_fully_seen() -> None:
    assert cross([2, 2, 1]) == [[1], [1], [1, 2]]


def test_somebody_else_who_comes_out_gets_a_new_id_in_a_moment() -> None:
    ids = cross([2] * 6)
    assert ids[0] == [1]
    assert ids[-1] == [1, 3]
    assert sum(entry == [1] for entry in ids) <= round(DECIDED_S * 25)


def test_another_face_in_the_place_of_a_lost_one_is_another_track() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20), kinds=(0,))
    tracker.lose_all()
    assert found(tracker, 0.04, (0, 0, 20, 20), kinds=(1,)) == [2]
    assert found(tracker, 0.08, (0, 0, 20, 20), (40, 0, 60, 20), kinds=(1, 0)) == [2, 3]


def test_the_same_face_after_a_cut_keeps_its_id() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20), kinds=(0,))
    tracker.lose_all()
    assert found(tracker, 0.04, (2, 0, 22, 20), kinds=(0,)) == [1]


def test_faces_that_cross_keep_their_ids_by_what_they_look_like() -> None:
    """Two faces meet, overlap by half, and part on the other side."""
    tracker = Tracker()
    for step in range(21):
        x = 2.0 * step
        ids = found(tracker, step / 25, (x, 0, x + 20, 20), (40 - x, 4, 60 - x, 24), kinds=(0, 1))
        assert ids == [1, 2], step


def follow(tracker: Tracker, time_s: float, shift: float, sure: list[bool], suddenly: bool = False) -> list[int]:
    tracker.next_frame(time_s)
    moved = faces(*[(a + shift, b, c + shift, d) for a, b, c, d in tracker.faces.xyxy.tolist()])
    tracker.follow(moved, np.array(sure, np.bool_), np.full(len(sure), suddenly))
    return tracker.ids.tolist()


def test_a_followed_face_that_the_detector_misses_stays_for_a_moment() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20))
    assert follow(tracker, 2.0, 5, [True]) == [1]
    tracker.find(Faces.empty(), pictures(), followed=True)
    assert tracker.ids.tolist() == [1]
    assert follow(tracker, 2.0 + UNCONFIRMED_S, 5, [True]) == [1]
    assert follow(tracker, 2.04 + UNCONFIRMED_S, 5, [True]) == []
    assert found(tracker, 2.08 + UNCONFIRMED_S, (10, 0, 30, 20)) == [1]


def test_a_followed_box_is_averaged_with_the_detectors_if_they_agree() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20))
    follow(tracker, 0.04, 2, [True])
    tracker.find(faces((4, 0, 24, 20)), pictures(0), followed=True, trust=0.5)
    np.testing.assert_allclose(tracker.faces.xyxy, [[3, 0, 23, 20]])
    tracker.find(faces((12, 0, 32, 20)), pictures(0), followed=True, trust=0.5)
    np.testing.assert_allclose(tracker.faces.xyxy, [[12, 0, 32, 20]])


def test_no_face_is_kept_where_another_stands() -> None:
    tracker = Tracker()
    found(tracker, 0.0, (0, 0, 20, 20), (12, 0, 32, 20), kinds=(0, 1))
    follow(tracker, 0.04, 0, [True, True])
    tracker.find(faces((11, 0, 31, 20)), pictures(1), followed=True)
    assert 2 in tracker.ids.tolist()
    follow(tracker, 0.08, 6, [True] * len(tracker.ids))
    tracker.find(faces((12, 0, 32, 20)), pictures(1), followed=True)
    assert tracker.ids.tolist() == [2]


def test_a_suddenly_lost_face_must_look_very_much_alike_to_come_back() -> None:
    half_alike = np.zeros((1, 32), np.float32)
    half_alike[0, :2] = 0.6, 0.8
    for suddenly, expected in ((False, [1]), (True, [2])):
        tracker = Tracker()
        found(tracker, 0.0, (0, 0, 20, 20), kinds=(0,))
        assert follow(tracker, 0.04, 0, [False], suddenly) == []
        tracker.find(faces((0, 0, 20, 20)), half_alike, followed=True)
        assert tracker.ids.tolist() == expected


box = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(1, 40), st.integers(1, 40))
look = st.tuples(st.booleans(), st.booleans(), st.lists(st.tuples(box, st.integers(0, 3)), max_size=6))


@given(st.lists(look, max_size=10))
def test_no_two_faces_of_a_frame_share_an_id(video: list[tuple[bool, bool, list[tuple[Box, int]]]]) -> None:
    tracker, before = Tracker(), 0
    for index, (followed, sure, boxes) in enumerate(video):
        tracker.next_frame(index / 25)
        if followed:
            follow(tracker, index / 25, 1, [sure or at % 2 == 0 for at in range(len(tracker.ids))])
        seen = faces(*[(x, y, x + w, y + h) for (x, y, w, h), _ in boxes])
        tracker.find(seen, pictures(*(kind for _, kind in boxes)), followed=followed)
        ids = tracker.ids.tolist()
        assert len(set(ids)) == len(ids) == len(tracker.faces) == len(tracker.pictures) == len(tracker.missed_s)
        assert len(ids) >= len(boxes)
        assert all(1 <= key <= tracker.count for key in ids)
        assert tracker.count >= before
        before = tracker.count
