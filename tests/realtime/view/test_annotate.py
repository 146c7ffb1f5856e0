"""The annotator draws inside the frame, near the face, on all planes alike, and what it says can be seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Changes, Doubt, Expressions, Faces, Frame, Predictions, Result
from fer_live.realtime.view import annotate, canvas
from fer_live.realtime.view.annotate import Annotator

Box = tuple[float, float, float, float]


def grey_frame(width: int, height: int, luma: int = 90) -> Frame:
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return Frame(
        np.full((height, width), luma, np.uint8), np.full(chroma, 128, np.uint8), np.full(chroma, 128, np.uint8), 0, 0.0
    )


def noise_frame(width: int, height: int, *, limited_range: bool = True, shift: int = 0, time_s: float = 0.0) -> Frame:
    """Noise; with another ``shift`` every value of every plane is another."""
    rng = np.random.default_rng(width * 1000 + height)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, size, np.uint8) + np.uint8(shift) for size in ((height, width), chroma, chroma))
    return Frame(y, u, v, 0, time_s, limited_range=limited_range)


def result_of(
    frame: Frame,
    boxes: Sequence[Box],
    best: int = 3,
    doubts: Sequence[Doubt | None] | None = None,
    labels: tuple[str, ...] = FER2013_LABELS,
) -> Result:
    n = len(boxes)
    xyxy = np.array(boxes, np.float32).reshape(n, 4)
    probabilities = np.full((n, len(labels)), 0.12 / max(1, len(labels) - 1), np.float32)
    probabilities[:, best] = 0.88
    faces = Faces(xyxy, np.ones(n, np.float32), np.zeros((n, 4), np.float32))
    predictions = Predictions(probabilities, labels)
    shown = np.full(n, best, np.int64)
    said = Expressions(predictions, predictions, shown, tuple(doubts) if doubts else (None,) * n, np.ones(n, np.bool_))
    return Result(frame, faces, np.arange(1, n + 1), said, {})


def drawn(
    frame_wh: tuple[int, int], boxes: Sequence[Box], doubts: Sequence[Doubt | None] | None = None
) -> NDArray[np.bool_]:
    """(H, W) where something is drawn: what comes out the same from two frames that differ everywhere."""
    frames = [noise_frame(*frame_wh, shift=shift) for shift in (0, 128)]
    for frame in frames:
        Annotator().draw(result_of(frame, boxes, doubts=doubts))
    return np.asarray(frames[0].y == frames[1].y)


def clear_caches() -> None:
    for module in (annotate, canvas):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


anything = st.lists(
    st.tuples(
        *[st.floats(-300, 300, width=32) for _ in range(2)],
        *[st.floats(0, 300, width=32) for _ in range(2)],
        st.sampled_from([None, *Doubt]),
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.booleans(), anything, st.integers(0, 2), st.integers(1, 9))
def test_every_sample_is_drawn_over_or_untouched(
    width: int,
    height: int,
    limited_range: bool,
    faces: list[tuple[float, float, float, float, Doubt | None]],
    best: int,
    more_labels: int,
) -> None:
    """Any box on any frame: nothing is blended, the planes agree, and kept sprites make no difference."""
    labels = ("sad", "bewildered", "neutral", *(f"other {number}" for number in range(more_labels - 1)))
    boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in faces]
    doubts = [doubt for *_, doubt in faces]
    frames = [noise_frame(width, height, limited_range=limited_range, shift=shift) for shift in (0, 128, 0)]
    clear_caches()
    for frame in frames:
        Annotator().draw(result_of(frame, boxes, best, doubts, labels))
    masks = []
    for name in ("y", "u", "v"):
        one, other, again = (getattr(frame, name) for frame in frames)
        given = [getattr(noise_frame(width, height, shift=shift), name) for shift in (0, 128)]
        mask = one == other
        assert (one[~mask] == given[0][~mask]).all() and (other[~mask] == given[1][~mask]).all()
        assert (one == again).all()
        masks.append(mask)
    assert (masks[1] == masks[2]).all()
    assert (masks[1].repeat(2, 0).repeat(2, 1)[:height, :width] == masks[0]).all()
    inside = [x < width and y < height and x + w > 0 and y + h > 0 for x, y, w, h, _ in faces]
    if not any(inside):
        # Boxes are snapped to even pixels, outwards.
        near = [x < width + 2 and y < height + 2 and x + w > -2 and y + h > -2 for x, y, w, h, _ in faces]
        assert any(near) or not masks[0].any()


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


def test_a_panel_keeps_its_side_through_a_gap() -> None:
    """The side is known again after frames without the face."""
    annotator = Annotator()
    frames = [noise_frame(640, 360, time_s=0.1 * number, shift=0) for number in range(4)]
    before = [frame.y.copy() for frame in frames]
    for frame, boxes in zip(frames, ([(515, 100, 635, 240)], [], [], [(380, 100, 500, 240)]), strict=True):
        annotator.draw(result_of(frame, boxes))
    assert (frames[1].y == before[1]).all()
    changed = np.argwhere((frames[3].y != before[3]).any(0))
    assert changed.min() < 370


@pytest.mark.parametrize("size", [(640, 360), (1281, 721), (1920, 1080)])
@pytest.mark.parametrize("doubt", list(Doubt))
def test_a_doubt_is_shown(size: tuple[int, int], doubt: Doubt) -> None:
    """Grey and dashed instead of the label's colour, each reason with words of its own, the same bars."""
    left, top, side = 2 * (size[0] // 6), 2 * (size[1] // 6), 2 * (size[1] // 6)
    box = (left, top, left + side, top + side)
    meant, doubted, other = (grey_frame(*size) for _ in range(3))
    Annotator().draw(result_of(meant, [box], best=4))
    Annotator().draw(result_of(doubted, [box], best=4, doubts=[doubt]))
    Annotator().draw(result_of(other, [box], best=4, doubts=[next(d for d in Doubt if d is not doubt)]))
    edge = (slice(top + side - 2, top + side), slice(left, left + side))
    assert (meant.y[edge] != 90).all()
    assert 0.5 < (doubted.y[edge] != 90).mean() < 0.85
    chroma = (slice((top + side) // 2 - 1, (top + side) // 2), slice(left // 2, (left + side) // 2))
    assert (np.abs(doubted.u[chroma].astype(int) - 128) < 8).all()
    tag = (slice(0, top), slice(None))
    assert (doubted.y[tag] != other.y[tag]).any()
    panel = (slice(top + 2, None), slice(left + side + 2, None))
    assert (doubted.y[panel] != 90).any() and (doubted.y[panel] == meant.y[panel]).all()


def test_tags_in_a_crowd_stay_clear_of_the_faces() -> None:
    """Two staggered rows of faces of 44 pixels, 70 apart: no tag reaches into a face."""
    rows = [(30.0 + 70 * column + 35 * row, 60.0 + 90 * row) for row in (0, 1) for column in range(8)]
    boxes = [(x, y, x + 44, y + 54) for x, y in rows]
    mask = drawn((640, 360), boxes)
    for left, top, right, bottom in boxes:
        inside = mask[round(top) + 4 : round(bottom) - 4, round(left) + 4 : round(right) - 4]
        assert inside.mean() < 0.01  # noise and drawing are equal by chance nowhere


def test_a_tag_says_more_where_there_is_room() -> None:
    """The tag of a face alone is wider than that of the same face between two others."""
    face = (300.0, 150.0, 344.0, 204.0)
    neighbours = [(244.0, 150.0, 288.0, 204.0), face, (356.0, 150.0, 400.0, 204.0)]

    def width(boxes: list[Box]) -> int:
        row = drawn((640, 360), boxes)[144]
        middle = 322
        right = int(np.argmin(row[middle:]))
        left = int(np.argmin(row[middle::-1]))
        return left + right

    assert width([face]) > width(neighbours) >= 40


@pytest.mark.parametrize("widths", [(44, 46), (50, 52), (56, 58)])
def test_text_does_not_flicker(widths: tuple[int, int]) -> None:
    """A face whose size wavers by two pixels keeps the height of its tag."""
    annotator = Annotator()
    heights = []
    for number in range(8):
        frame = grey_frame(1280, 720)
        width = widths[number % 2]
        annotator.draw(result_of(frame, [(300, 200, 300 + width, 200 + width)]))
        heights.append(int((frame.y[:200] != 90).any(1).sum()))
    assert len(set(heights)) == 1 and heights[0] >= 14


def test_the_tag_of_a_face_that_fills_the_frame_is_seen() -> None:
    mask = drawn((640, 360), [(-20, -30, 660, 390)])
    assert mask[:14, :60].all()


def test_the_same_again_from_a_fresh_annotator() -> None:
    frames = [noise_frame(641, 361) for _ in range(2)]
    boxes = [(30.5, 40.2, 190.1, 230.9), (300.0, 300.0, 380.0, 400.0)]
    for frame in frames:
        Annotator().draw(result_of(frame, boxes, doubts=[None, Doubt.BLURRED]))
    for name in ("y", "u", "v"):
        assert (getattr(frames[0], name) == getattr(frames[1], name)).all()


def with_other(result: Result, best: int) -> Result:
    """The same faces, of which another model says something else, or the same."""
    return replace(result, other=result_of(result.frame, result.faces.xyxy.tolist(), best).expressions)


def pictures(make: Callable[[Frame], Result]) -> NDArray[np.uint8]:
    frame = grey_frame(320, 240)
    Annotator().draw(make(frame))
    return frame_to_bgr(frame)


@pytest.mark.parametrize("box", [(60, 60, 160, 180), (100, 100, 130, 136)])  # with a panel, and with bars under it
def test_another_models_answer_is_shown_below_and_in_colour_only_where_it_differs(box: Box) -> None:
    alone = pictures(lambda frame: result_of(frame, [box]))
    same = pictures(lambda frame: with_other(result_of(frame, [box]), 3))
    other = pictures(lambda frame: with_other(result_of(frame, [box]), 0))
    assert (alone != same).any() and (same != other).any()
    foot = (slice(int(box[3]) - 12, int(box[3]) - 4), slice(int(box[0]) + 2, int(box[0]) + 8))
    spread = [np.ptp(picture[foot].astype(int).reshape(-1, 3), axis=1).max() for picture in (same, other)]
    assert spread[0] < 30 < spread[1]  # grey, and the colour of another label
    head = slice(0, int(box[1]))
    np.testing.assert_array_equal(alone[head, : int(box[2])], other[head, : int(box[2])])


def changed(result: Result, nats: Sequence[float], shown: int, left_s: float) -> Result:
    changes = Changes(np.array([nats], np.float32), np.array([shown]), np.array([left_s], np.float32))
    return replace(result, changes=changes)


def test_bars_of_a_change_go_to_both_sides_of_the_middle() -> None:
    """Nothing changed, one label more, and the same less: the bar's row is coloured right or left of the middle."""
    box: Box = (60, 60, 160, 180)
    told = []
    for value in (0.0, 3.0, -3.0):
        nats = [value if label == 3 else 0.0 for label in range(7)]
        picture = pictures(lambda frame, nats=nats: changed(result_of(frame, [box]), nats, -1, 0.0))
        yellow = (picture[..., 2].astype(int) - picture[..., 0] > 100)[:, 165:]
        columns = np.flatnonzero(yellow.any(axis=0))
        told.append((columns.min(), columns.max()))
    none, more, less = told
    assert more[0] == none[0] and more[1] > none[1] + 10
    assert less[0] < none[0] - 10 and less[1] == none[1]


def test_what_a_face_shows_more_of_is_told_in_its_colour_and_learning_is_told() -> None:
    box: Box = (60, 60, 160, 180)
    learning = pictures(lambda frame: changed(result_of(frame, [box]), [np.nan] * 7, -1, 3.2))
    neutral = pictures(lambda frame: changed(result_of(frame, [box]), [0.0] * 7, -1, 0.0))
    happy = pictures(lambda frame: changed(result_of(frame, [box]), [0.0] * 7, 3, 0.0))
    tag = (slice(46, 60), slice(60, 160))
    assert (learning[tag] != neutral[tag]).any()
    spread = [np.ptp(p[tag].astype(int).reshape(-1, 3), axis=1).max() for p in (neutral, happy)]
    assert spread[0] < 30 < spread[1]
    doubted = pictures(lambda frame: changed(result_of(frame, [box], doubts=[Doubt.BLURRED]), [0.0] * 7, 3, 0.0))
    assert np.ptp(doubted[tag].astype(int).reshape(-1, 3), axis=1).max() < 30
