"""Following faces by flow: known movements of a real portrait."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_live.realtime.datatypes import Faces
from fer_live.realtime.testing.fakes import grey_frame, shifted
from fer_live.realtime.tracking.motion import FaceFlow, likeness, patches

SAMPLES = Path(__file__).parents[3] / "samples"
SQUARE = np.array([[226, 130, 110, 0]], np.float32)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.imread(str(SAMPLES / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)


def moved(grey: np.ndarray, dx: float, dy: float, scale: float = 1.0) -> np.ndarray:
    """The picture shifted, and scaled about the middle of the face."""
    return shifted(grey, (dx, dy), scale, (SQUARE[0, 0], SQUARE[0, 1]))


@pytest.mark.parametrize("enlarged", [1, 3])
@pytest.mark.parametrize(("dx", "dy", "scale"), [(0, 0, 1), (3, -2, 1), (0, 0, 1.04), (-6, 5, 0.97)])
def test_a_known_movement_is_measured(portrait: np.ndarray, enlarged: int, dx: float, dy: float, scale: float) -> None:
    def large(grey: np.ndarray) -> np.ndarray:
        return cv2.resize(grey, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC).astype(np.uint8)

    flow, square = FaceFlow(), SQUARE * np.array([enlarged, enlarged, enlarged, 1], np.float32)
    first = grey_frame(large(portrait))
    flow.look(first)
    flow.look(grey_frame(large(moved(portrait, dx, dy, scale)), 1))
    steps = flow.step(square, first.size_wh[0])
    assert steps.sure.all() and not steps.suddenly.any()
    np.testing.assert_allclose(steps.shift, [[dx * enlarged, dy * enlarged]], atol=0.8 * enlarged)
    np.testing.assert_allclose(steps.scale, [scale], atol=0.012)


def test_steps_move_boxes_squares_and_keypoints_alike(portrait: np.ndarray) -> None:
    xyxy = np.array([[170, 80, 280, 190]], np.float32)
    keypoints = np.array([[[200, 110], [250, 110], [226, 135], [205, 160], [245, 160]]], np.float32)
    faces = Faces(xyxy, np.ones(1, np.float32), SQUARE, keypoints)
    flow = FaceFlow()
    flow.look(grey_frame(portrait))
    flow.look(grey_frame(moved(portrait, 4, 2, 1.05), 1))
    after = flow.step(faces.squares, portrait.shape[1]).applied_to(faces)
    middle = SQUARE[0, :2]
    expected = middle + [4, 2] + 1.05 * (keypoints - middle)
    assert after.keypoints is not None
    np.testing.assert_allclose(after.keypoints, expected, atol=2)
    np.testing.assert_allclose(after.xyxy.reshape(2, 2), middle + [4, 2] + 1.05 * (xyxy.reshape(2, 2) - middle), atol=2)
    np.testing.assert_allclose(after.squares[0, 2], 1.05 * SQUARE[0, 2], atol=2)


def test_another_picture_is_a_cut_and_loses_the_face(portrait: np.ndarray) -> None:
    flow = FaceFlow()
    flow.look(grey_frame(portrait))
    assert not flow.is_cut(grey_frame(portrait))
    assert not flow.is_cut(grey_frame(moved(portrait, 3, 2), 1))
    flow.look(grey_frame(255 - portrait, 2))
    steps = flow.step(SQUARE, portrait.shape[1])
    assert flow.is_cut(grey_frame(255 - portrait, 2))
    assert not steps.sure.any() and steps.suddenly.all()


def test_no_faces_and_no_frame_before(portrait: np.ndarray) -> None:
    flow = FaceFlow()
    flow.look(grey_frame(portrait))
    assert len(flow.step(SQUARE[:0], portrait.shape[1]).sure) == 0
    assert not flow.step(SQUARE, portrait.shape[1]).sure.any()


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (17, 33), (44, 44), (90, 641)])
def test_any_size_of_frame(size_hw: tuple[int, int]) -> None:
    flow = FaceFlow()
    grey = np.arange(size_hw[0] * size_hw[1], dtype=np.uint32).reshape(size_hw).astype(np.uint8)
    square = np.array([[size_hw[1] / 2, size_hw[0] / 2, min(size_hw), 0]], np.float32)
    for index in range(3):
        flow.look(grey_frame(grey, index))
        assert flow.step(square, size_hw[1]).shift.shape == (1, 2)
    assert np.isfinite(patches(grey, square)).all()


@pytest.mark.parametrize(
    "squares",
    [
        SQUARE,
        np.array([[-500, -500, 40, 0]], np.float32),
        np.array([[0, 0, 40, 0], [511, 511, 3, 0]], np.float32),
        np.zeros((0, 4), np.float32),
    ],
)
def test_pictures_are_of_unit_length_wherever_the_square_is(portrait: np.ndarray, squares: np.ndarray) -> None:
    pictures = patches(portrait, squares)
    assert pictures.shape == (len(squares), 256)
    lengths = np.linalg.norm(pictures, axis=1)
    assert ((np.abs(lengths - 1) < 1e-4) | (lengths < 1e-4)).all()


def test_a_face_is_like_itself_when_it_moves_and_unlike_the_wall(portrait: np.ndarray) -> None:
    here = patches(portrait, SQUARE)
    there = patches(moved(portrait, 9, 4), SQUARE + np.array([[9, 4, 0, 0]], np.float32))
    wall = patches(portrait, np.array([[400, 420, 110, 0]], np.float32))
    assert likeness(here, there)[0, 0] > 0.95
    assert likeness(here, wall)[0, 0] < 0.5


@pytest.mark.parametrize("width", [320, 640, 1280])
def test_keeps_nothing_of_a_frame_that_will_be_drawn_on(width: int) -> None:
    """Drawing comes later, in another thread; faces of small frames, too, must be followed as if it did not."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (width // 2, width), np.uint8), (0, 0), 3)
    squares = np.array([[width / 2, width / 4, width / 8, 0]], np.float32)
    steps = []
    for drawn in (False, True):
        flow = FaceFlow()
        for index in range(2):
            frame = grey_frame(shifted(picture, (3.0 * index, 0.0)), index)
            flow.look(frame)
            if drawn:
                frame.y[:] = 0
        steps.append(flow.step(squares, width))
    np.testing.assert_array_equal(steps[0].shift, steps[1].shift)
    assert steps[1].sure.all()


def test_lost_points_say_the_same_whatever_the_memory_held() -> None:
    flat = np.full((96, 128), 90, np.uint8)
    square = np.array([[64, 48, 60, 0]], np.float32)
    said = []
    for value in (0, 3, 10, 200):
        rubbish = [np.full((9, 1), value, np.float32) for _ in range(50)]
        flow = FaceFlow()
        flow.look(grey_frame(flat))
        flow.look(grey_frame(flat, 1))
        del rubbish
        steps = flow.step(square, 128)
        said.append((steps.sure.tolist(), steps.suddenly.tolist()))
    assert all(one == said[0] for one in said)


def test_drawing_on_a_small_frame_later_is_no_cut() -> None:
    flow, frame = FaceFlow(), grey_frame(np.full((64, 96), 90, np.uint8))
    assert not flow.is_cut(frame)
    frame.y[...] = 250
    assert not flow.is_cut(grey_frame(np.full((64, 96), 90, np.uint8), 1))
