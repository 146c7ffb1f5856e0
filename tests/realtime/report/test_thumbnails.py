import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.colour import planes_from_bgr
from fer_live.realtime.datatypes import Doubt, Expressions, Faces, Frame, Predictions, Result
from fer_live.realtime.report.thumbnails import SIDE_PX, Thumbnails


def looked_at(image: np.ndarray, square: tuple[float, float, float, float], doubt: Doubt | None = None) -> Result:
    """One face in a BGR picture."""
    y, u, v = planes_from_bgr(image)
    said = Predictions(np.full((1, 7), 1 / 7, np.float32), FER2013_LABELS)
    expressions = Expressions(said, said, np.zeros(1, np.int64), (doubt,), np.ones(1, np.bool_))
    squares = np.array([square], np.float32)
    faces = Faces(np.zeros((1, 4), np.float32), np.ones(1, np.float32), squares)
    return Result(Frame(y, u, v, 0, 0.0), faces, np.array([1]), expressions, {})


def picture(thumbnails: Thumbnails) -> np.ndarray:
    jpeg = thumbnails.jpeg(1)
    assert jpeg is not None
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def noise(seed: int, size: int = 200) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (size // 8, size // 8, 3), np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


coordinate = st.floats(-500, 700, width=32)


@given(
    coordinate, coordinate, st.floats(2, 900, width=32), st.floats(-180, 180, width=32), st.sampled_from([33, 64, 200])
)
def test_any_square_gives_a_picture_or_none(x: float, y: float, side: float, roll: float, size: int) -> None:
    thumbnails = Thumbnails()
    thumbnails.look(looked_at(noise(0)[:size, : size - 1], (x, y, side, roll)))
    if thumbnails.jpeg(1) is not None:
        assert picture(thumbnails).shape == (SIDE_PX, SIDE_PX, 3)


def test_it_shows_the_face_upright_in_its_colours() -> None:
    image = np.full((200, 200, 3), 60, np.uint8)
    image[80:120, 60:100], image[80:120, 100:140] = (200, 60, 40), (40, 60, 200)  # blue on the left, red on the right
    image += noise(1) // 16
    thumbnails = Thumbnails()
    thumbnails.look(looked_at(np.ascontiguousarray(np.rot90(image)), (100, 100, 64, -90)))
    shown = picture(thumbnails).astype(int)
    middle = SIDE_PX // 2
    left, right = (
        shown[middle - 10 : middle + 10, 20:40].mean((0, 1)),
        shown[middle - 10 : middle + 10, 75:95].mean((0, 1)),
    )
    assert left[0] > left[2] + 80 and right[2] > right[0] + 80


def test_the_best_stays() -> None:
    good, bad = noise(2), cv2.GaussianBlur(noise(3), (0, 0), 15)
    square = (100.0, 100.0, 100.0, 0.0)
    for order in ((good, bad), (bad, good)):
        thumbnails = Thumbnails()
        for image in order:
            thumbnails.look(looked_at(image, square))
        only = Thumbnails()
        only.look(looked_at(good, square))
        assert thumbnails.jpeg(1) == only.jpeg(1)
    thumbnails = Thumbnails()
    thumbnails.look(looked_at(noise(4), square))
    kept = thumbnails.jpeg(1)
    thumbnails.look(looked_at(noise(5), square, Doubt.BLURRED))
    assert thumbnails.jpeg(1) == kept
    thumbnails.drop(1)
    assert thumbnails.jpeg(1) is None


@pytest.mark.parametrize("side", [float("nan"), 0.0, -3.0])
def test_no_square_no_picture(side: float) -> None:
    thumbnails = Thumbnails()
    thumbnails.look(looked_at(noise(6), (100, 100, side, 0)))
    assert thumbnails.jpeg(1) is None
