"""Where a hidden face is expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.tracking.trail import FADES_S, MOST_HEIGHTS, TRAIL_S, Course, Trail

BOX = np.array([0, 0, 20, 30], np.float32)


def walked(steps: list[float], pace_px_s: float, *, fps: float = 25.0) -> Trail:
    """A face that walks to the right; ``steps`` are added to where it is seen at each frame."""
    trail = Trail()
    for index, off in enumerate(steps):
        x = pace_px_s * index / fps + off
        xyxy = BOX[None] + np.array([x, 0, x, 0], np.float32)
        trail.add(index / fps, np.array([7]), xyxy, np.full((1, 4), index, np.float32))
    return trail


@given(st.floats(-500, 500), st.sampled_from([15.0, 25.0, 30.0, 60.0]))
def test_the_pace_is_that_of_the_last_moment_and_the_way_is_bounded(pace: float, fps: float) -> None:
    count = round(fps)
    course = walked([0.0] * count, pace, fps=fps).course(7, np.inf)
    assert course is not None
    assert course.velocity[0] == pytest.approx(pace, abs=0.5)
    assert course.velocity[1] == 0
    assert course.time_s == pytest.approx((count - 1) / fps)
    np.testing.assert_allclose(course.at(course.time_s), course.xyxy)
    for later_s in (0.1, 0.5, 10.0):
        way = float(course.at(course.time_s + later_s)[0] - course.xyxy[0])
        assert abs(way) <= min(abs(pace) * min(later_s, FADES_S), MOST_HEIGHTS * 30) + 1
        assert way * pace >= 0


def test_boxes_that_were_drawn_along_at_the_end_count_little() -> None:
    course = walked([0.0] * 10 + [-15.0, -30.0], 250.0).course(7, np.inf)
    assert course is not None
    assert course.velocity[0] == pytest.approx(250, rel=0.1)
    assert course.xyxy[0] == pytest.approx(250 * 11 / 25, abs=12)


def test_what_came_after_the_face_was_missed_does_not_count() -> None:
    course = walked([0.0] * 8 + [40.0, 80.0, 120.0], 100.0).course(7, until_s=8 / 25)
    assert course is not None
    assert course.time_s == 7 / 25
    assert course.velocity[0] == pytest.approx(100, abs=0.5)


def test_a_face_seen_too_briefly_or_not_at_all_has_no_course() -> None:
    trail = walked([0.0, 0.0], 50.0)
    assert trail.course(7, np.inf) is None
    assert trail.course(8, np.inf) is None
    assert trail.picture(8) is None


def test_the_oldest_picture_is_that_of_the_window() -> None:
    picture = walked([0.0] * 30, 0.0).picture(7)
    assert picture is not None
    assert picture[0] == 29 - round(TRAIL_S * 25)


def test_faces_pass_each_other_by_how_fast_they_move_apart() -> None:
    still, walks = Course(BOX, np.zeros(2, np.float32), 0.0), Course(BOX, np.array([60, 0], np.float32), 0.0)
    assert walks.passes(still)
    assert still.passes(walks)
    assert not walks.passes(walks)
