"""Which face is selected, and its mark."""

import numpy as np
import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Expressions, Faces, Predictions, Result
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.view.selection import Selection


def result_of(boxes: list[list[float]], tracks: list[int]) -> Result:
    n = len(boxes)
    said = Expressions.of(Predictions(np.full((n, 7), 1 / 7, np.float32), FER2013_LABELS))
    faces = Faces(np.array(boxes, np.float32).reshape(n, 4), np.ones(n, np.float32), np.zeros((n, 4), np.float32))
    frame = grey_frame(np.full((120, 160), 100, np.uint8))
    return Result(frame, faces, np.array(tracks, np.int64), said, {})


TWO = [[90, 20, 130, 60], [10, 20, 50, 60]]


def test_faces_are_selected_from_left_to_right_then_none() -> None:
    selection, result = Selection(), result_of(TWO, [1, 2])
    selection.next()
    assert selection.track is None  # nothing was shown yet
    selection.draw(result.frame, result)
    seen = []
    for _ in range(4):
        selection.next()
        seen.append(selection.track)
    assert seen == [2, 1, None, 2]


@pytest.mark.parametrize(("place", "track"), [((91, 21), 1), ((30, 40), 2), ((70, 40), None), ((29, 41), 2)])
def test_a_click_selects_the_face_that_is_there(place: tuple[int, int], track: int | None) -> None:
    selection, result = Selection(), result_of(TWO, [1, 2])
    selection.draw(result.frame, result)
    selection.at(*place)
    assert selection.track == track


def test_of_faces_over_each_other_the_smaller_is_meant() -> None:
    selection, result = Selection(), result_of([[0, 0, 100, 100], [40, 40, 60, 60]], [1, 2])
    selection.draw(result.frame, result)
    selection.at(50, 50)
    assert selection.track == 2


def test_the_mark_is_about_the_selected_face_only_and_stays_outside_its_box() -> None:
    selection, result = Selection(), result_of(TWO, [1, 2])
    selection.draw(result.frame, result)
    assert (result.frame.y == 100).all()
    selection.at(30, 40)
    selection.draw(result.frame, result)
    changed = np.argwhere(result.frame.y != 100)
    assert len(changed) and changed[:, 1].max() < 70 and (result.frame.y[20:60, 10:50] == 100).all()


def test_a_face_stays_selected_while_it_is_out_of_sight() -> None:
    selection, first = Selection(), result_of(TWO, [5, 7])
    selection.draw(first.frame, first)
    selection.at(30, 40)
    gone = result_of(TWO[:1], [5])
    selection.draw(gone.frame, gone)
    assert selection.track == 7 and selection.row(gone) is None
    selection.next()
    assert selection.track == 5
