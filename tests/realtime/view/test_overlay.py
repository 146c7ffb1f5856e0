"""Where the window's figures stand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Expressions, Faces, Frame, Predictions, Result
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.stats import RecentStats
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.view.hud import hud_box
from fer_live.realtime.view.overlay import Overlay

FIGURES = RecentStats("yunet", "CPUExecutionProvider", is_live=True).figures()
WALL = np.full((360, 640), 90, np.uint8)
BOXES = {left: hud_box(grey_frame(WALL), FIGURES, left=left) for left in (True, False)}


def with_faces(xyxy: list[tuple[int, int, int, int]]) -> Result:
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 3:] - boxes[:, 1:2]
    squares = np.hstack([middle, side, np.zeros_like(side)]).astype(np.float32)
    n = len(boxes)
    said = Expressions.of(Predictions(np.tile(np.eye(7, dtype=np.float32)[3], (n, 1)), FER2013_LABELS))
    faces = Faces(boxes, np.ones(n, np.float32), squares)
    return Result(grey_frame(WALL), faces, np.arange(1, n + 1), said, {})


def covers(xyxy: tuple[int, int, int, int], *, left: bool) -> bool:
    a, b, c, d = BOXES[left]
    return xyxy[0] < c and a < xyxy[2] and xyxy[1] < d and b < xyxy[3]


def stands_left(shown: Frame) -> bool:
    there = [bool((shown.y[top:bottom, left:right] != 90).any()) for left, top, right, bottom in BOXES.values()]
    assert there.count(True) == 1
    return there[0]


face = st.builds(
    lambda left, top, side: (left, top, left + side, top + side),
    *(st.integers(0, 560), st.integers(0, 300), st.integers(20, 80)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(face, max_size=3), min_size=1, max_size=6))
def test_the_figures_cover_no_face_where_the_other_side_is_free_and_stay_where_it_is_not(
    video: list[list[tuple[int, int, int, int]]],
) -> None:
    overlay = Overlay(lambda: FIGURES, SourceState)
    overlay.hud = True
    before = True
    for boxes in video:
        tall = [(left, top - 14, right, bottom) for left, top, right, bottom in boxes]  # with its tag, a line high
        hides = {left: any(covers(box, left=left) for box in tall) for left in (True, False)}
        now = stands_left(overlay.over(grey_frame(WALL), with_faces(boxes)))
        assert now == (not before if hides[before] and not hides[not before] else before)
        before = now
