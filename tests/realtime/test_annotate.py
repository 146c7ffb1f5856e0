"""The annotator draws inside the frame, near the face, on all planes alike, and what it says can be seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.annotate import Annotator
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Expressions, Faces, Frame, Predictions, Result


def grey_frame(width: int, height: int, luma: int = 90) -> Frame:
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return Frame(
        np.full((height, width), luma, np.uint8), np.full(chroma, 128, np.uint8), np.full(chroma, 128, np.uint8), 0, 0.0
    )


def result_of(frame: Frame, boxes: list[tuple[float, float, float, float]], best: int = 3) -> Result:
    n = len(boxes)
    xyxy = np.array(boxes, np.float32).reshape(n, 4)
    probabilities = np.full((n, 7), 0.02, np.float32)
    probabilities[:, best] = 0.88
    faces = Faces(xyxy, np.ones(n, np.float32), np.zeros((n, 4), np.float32))
    return Result(frame, faces, np.arange(1, n + 1), Expressions.of(Predictions(probabilities, FER2013_LABELS)), {})


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(
        st.tuples(
            *[st.floats(-300, 300, width=32) for _ in range(2)], *[st.floats(0, 300, width=32) for _ in range(2)]
        ),
        max_size=4,
    ),
)
def test_any_box_on_any_frame(width: int, height: int, boxes: list[tuple[float, float, float, float]]) -> None:
    frame = grey_frame(width, height)
    Annotator().draw(result_of(frame, [(x, y, x + w, y + h) for x, y, w, h in boxes]))
    assert frame.y.shape == (height, width)


def test_no_faces_leave_the_frame_as_it_is() -> None:
    frame = grey_frame(64, 48)
    Annotator().draw(result_of(frame, []))
    assert (frame.y == 90).all() and (frame.u == 128).all() and (frame.v == 128).all()


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080)])
def test_only_the_neighbourhood_of_the_face_changes(size: tuple[int, int]) -> None:
    width, height = size
    frame = grey_frame(width, height)
    box = (width * 0.4, height * 0.4, width * 0.4 + height * 0.25, height * 0.65)
    Annotator().draw(result_of(frame, [box]))
    changed = np.argwhere(frame.y != 90)
    assert len(changed) > 0
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert top >= box[1] - 0.05 * height and bottom <= box[3] + 0.1 * height
    assert left >= box[0] - 2 and right <= box[2] + 0.25 * width
    inside = frame.y[round(box[1]) + 10 : round(box[3]) - 10, round(box[0]) + 10 : round(box[2]) - 10]
    assert (inside == 90).all(), "the face itself stays free"


@pytest.mark.parametrize("limited_range", [True, False])
def test_the_box_has_the_colour_of_the_label(limited_range: bool) -> None:
    frame = grey_frame(640, 360)
    frame = Frame(frame.y, frame.u, frame.v, 0, 0.0, limited_range=limited_range)
    Annotator().draw(result_of(frame, [(200, 100, 300, 220)], best=4))
    blue, green, red = frame_to_bgr(frame)[218:220, 240:260].reshape(-1, 3).mean(0)
    assert abs(blue - 233) < 8 and abs(green - 180) < 8 and abs(red - 86) < 8


def test_panel_lists_the_bars_in_proportion() -> None:
    """In the panel to the right of a large face, the longest bar is the likeliest label's."""
    frame = grey_frame(640, 360)
    Annotator().draw(result_of(frame, [(100, 60, 260, 260)], best=5))
    colourful = (np.abs(frame.u.astype(int) - 128) + np.abs(frame.v.astype(int) - 128)) > 20
    panel = colourful[:, 262 // 2 :]
    rows = panel.sum(1)
    assert rows.max() > 3 * np.median(rows[rows > 0])


def test_panels_do_not_cover_other_faces() -> None:
    frame = grey_frame(640, 360)
    boxes = [(150.0, 100.0, 250.0, 230.0), (270.0, 100.0, 370.0, 230.0), (390.0, 100.0, 490.0, 230.0)]
    Annotator(show_ids=False).draw(result_of(frame, boxes))
    for left, top, right, bottom in boxes:
        inside = frame.y[round(top) + 6 : round(bottom) - 6, round(left) + 6 : round(right) - 6]
        assert (inside == 90).all()


def test_a_panel_keeps_its_side() -> None:
    """A face that moves back a little from where its panel had to change sides does not make it jump back."""
    annotator = Annotator()

    def side(left: float) -> str:
        frame = grey_frame(640, 360)
        annotator.draw(result_of(frame, [(left, 100, left + 120, 240)]))
        changed = np.argwhere((frame.y != 90).any(0))
        return "left" if changed.min() < left - 10 else "right"

    assert side(300) == "right"
    assert side(515) == "left"
    assert side(380) == "left"
