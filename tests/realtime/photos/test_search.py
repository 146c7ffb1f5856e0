"""Every face is found once, however large it is and wherever it lies; also where the picture is searched in tiles."""

from itertools import pairwise
from typing import Self

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.downscale import downscaled_grey
from fer_live.realtime.photos import search
from fer_live.realtime.photos.search import find_faces, search_sizes

LEAST, MOST = 10, 120
TILE, OVERLAP = 256, 128


class SpotDetector:
    """Finds bright rectangles that are 10 to 120 pixels high on the copy that it is shown; also parts of some."""

    name = "spots"
    detect_size = 640

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        small = downscaled_grey(frame, detect_size or self.detect_size)
        self.shown.append(small.image.shape[::-1])
        _, _, stats, _ = cv2.connectedComponentsWithStats((small.image > 128).astype(np.uint8))
        boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist() if LEAST <= h <= MOST]
        xyxy = np.array(boxes, np.float32).reshape(-1, 4) * np.tile(small.factors_xy, 2)
        height = xyxy[:, 3] - xyxy[:, 1]
        squares = np.stack(
            [(xyxy[:, 0] + xyxy[:, 2]) / 2, (xyxy[:, 1] + xyxy[:, 3]) / 2, height, np.zeros_like(height)], axis=1
        )
        keypoints = np.repeat(squares[:, None, :2], 5, axis=1)
        return Faces(xyxy, np.full(len(xyxy), 0.9, np.float32), squares.astype(np.float32), keypoints)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def picture_of(size_wh: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> Frame:
    y = np.full(size_wh[::-1], 40, np.uint8)
    for left, top, right, bottom in boxes:
        y[top:bottom, left:right] = 220
    half = ((size_wh[1] + 1) // 2, (size_wh[0] + 1) // 2)
    return Frame(y, np.full(half, 128, np.uint8), np.full(half, 128, np.uint8), 0, 0.0)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[tuple[int, int], list[tuple[int, int, int, int]]]:
    """A picture with faces of any size in cells of a grid, so that they are apart."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    cell = draw(st.integers(60, 420))
    boxes = []
    for column in range(columns):
        for row in range(rows):
            if not draw(st.booleans()):
                continue
            side = draw(st.integers(14, cell - 30))
            left = column * cell + draw(st.integers(8, cell - side - 8))
            top = row * cell + draw(st.integers(8, cell - side - 8))
            boxes.append((left, top, left + side, top + side))
    return (columns * cell, rows * cell), boxes


@settings(max_examples=60)
@given(pictures())
def test_finds_each_once(drawn: tuple[tuple[int, int], list[tuple[int, int, int, int]]]) -> None:
    size_wh, boxes = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "WHOLE_PX", TILE)
        patch.setattr(search, "OVERLAP_PX", OVERLAP)
        patch.setattr(search, "COARSEST_PX", 100)
        detector = SpotDetector()
        faces = find_faces(detector, picture_of(size_wh, boxes))
    assert max(max(shown) for shown in detector.shown) <= TILE + 2
    boxes.sort(key=lambda box: box[0] + box[2])
    assert len(faces) == len(boxes)
    middles = faces.xyxy[:, 0] + faces.xyxy[:, 2]
    assert (np.diff(middles) >= 0).all()
    for box in boxes:
        side = box[2] - box[0]
        apart = np.abs(faces.xyxy - np.array(box)).max(axis=1)
        assert (apart <= max(6, 0.12 * side)).sum() == 1
        best = int(apart.argmin())
        assert np.abs(faces.squares[best, :2] - [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]).max() <= 8 + 0.1 * side
        assert faces.keypoints is not None
        assert np.abs(faces.keypoints[best, 0] - faces.squares[best, :2]).max() < 0.01


def test_no_faces() -> None:
    assert len(find_faces(SpotDetector(), picture_of((700, 500), []))) == 0


def test_one_size_is_the_finest() -> None:
    detector = SpotDetector()
    find_faces(detector, picture_of((1200, 800), [(100, 100, 160, 160)]), finest_px=600)
    assert detector.shown == [(600, 400), (300, 200)]


class ListedDetector(SpotDetector):
    """Finds what is listed for a size of the copy: score, and left, top and side in pixels of the frame."""

    def __init__(self, listed: dict[int, list[tuple[float, int, int, int]]]) -> None:
        super().__init__()
        self._listed = listed

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        rows = self._listed.get(detect_size or 0, [])
        score = np.array([row[0] for row in rows], np.float32)
        xyxy = np.array([(x, y, x + side, y + side) for _, x, y, side in rows], np.float32).reshape(-1, 4)
        return Faces(xyxy, score, np.zeros((len(rows), 4), np.float32))


@pytest.mark.parametrize(
    ("score", "side", "confirmed", "kept"),
    [
        (0.75, 100, False, False),  # at half the size it has 50 pixels, and is not seen
        (0.75, 100, True, True),
        (0.9, 100, False, True),
        (0.75, 60, False, True),  # at half the size it is too small to be missed
    ],
)
def test_what_one_scale_alone_shows_must_be_sure(score: float, side: int, confirmed: bool, kept: bool) -> None:
    listed = {1000: [(score, 300, 300, side)], 500: [(0.72, 303, 297, side)] if confirmed else []}
    assert len(find_faces(ListedDetector(listed), picture_of((1000, 700), []))) == kept
    assert len(find_faces(ListedDetector(listed), picture_of((1000, 700), []), doubtful=True)) == 1 + confirmed


def test_the_smallest_faces_are_those_of_the_finest_copy() -> None:
    listed = {1000: [(0.8, 100, 100, 15)], 500: [(0.99, 400, 400, 30), (0.8, 600, 100, 60)]}
    assert find_faces(ListedDetector(listed), picture_of((1000, 700), [])).xyxy[:, 0].tolist() == [100, 600]


def test_a_face_within_a_face_is_a_part_of_it() -> None:
    xyxy = np.array([[0, 0, 100, 100], [30, 30, 60, 60], [80, 80, 180, 180], [5, 5, 105, 105]], np.float32)
    score = np.array([0.9, 0.8, 0.85, 0.7], np.float32)
    assert search._surest(xyxy, score).tolist() == [0, 2]


def test_where_doubtful_faces_count_a_surer_one_inside_hides_none() -> None:
    listed = {1000: [(0.5, 100, 100, 200), (0.6, 150, 150, 60)]}
    assert len(find_faces(ListedDetector(listed), picture_of((1000, 700), []))) < 2
    assert len(find_faces(ListedDetector(listed), picture_of((1000, 700), []), doubtful=True)) == 2


@given(st.integers(1, 20_000))
def test_copies_halve_down_to_the_coarsest(finest: int) -> None:
    sizes = search_sizes(finest)
    assert sizes[0] == finest and sizes[-1] <= search.COARSEST_PX
    assert all(0 <= 2 * after - before <= 1 for before, after in pairwise(sizes))
