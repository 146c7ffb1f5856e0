"""Track ids."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Faces
from fer_live.realtime.tracker import IouTracker, iou


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(xyxy)
    return Faces(xyxy, np.ones(n, np.float32), np.zeros((n, 4), np.float32))


def test_iou_of_known_boxes() -> None:
    a = faces((0, 0, 10, 10), (5, 5, 5, 5)).xyxy
    b = faces((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)).xyxy
    np.testing.assert_allclose(iou(a, b), [[1, 1 / 3, 0], [0, 0, 0]], atol=1e-6)


def test_ids_follow_moving_faces_in_any_order() -> None:
    tracker = IouTracker()
    first = tracker.update(faces((0, 0, 20, 20), (100, 0, 120, 20)), 0.0)
    assert first.tolist() == [1, 2]
    assert tracker.update(faces((103, 1, 123, 21), (3, 0, 23, 20)), 0.04).tolist() == [2, 1]


def test_a_track_survives_half_a_second_and_no_longer() -> None:
    tracker = IouTracker()
    tracker.update(faces((0, 0, 20, 20)), 0.0)
    assert tracker.update(Faces.empty(), 0.2).tolist() == []
    assert tracker.update(faces((0, 0, 20, 20)), 0.5).tolist() == [1]
    assert tracker.update(faces((0, 0, 20, 20)), 1.1).tolist() == [2]
    assert tracker.count == 2


box = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(1, 40), st.integers(1, 40))


@given(st.lists(st.lists(box, max_size=6), max_size=10))
def test_no_two_faces_of_a_frame_share_an_id(video: list[list[tuple[int, int, int, int]]]) -> None:
    tracker = IouTracker()
    for index, boxes in enumerate(video):
        ids = tracker.update(faces(*[(x, y, x + w, y + h) for x, y, w, h in boxes]), index / 25)
        assert len(set(ids.tolist())) == len(boxes)
        assert all(1 <= key <= tracker.count for key in ids.tolist())
