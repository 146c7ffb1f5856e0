import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, Contract, Head
from fer_live.preprocess import crop_faces, whole_image_squares

CONTRACT = Contract((Head("fer2013", FER2013_LABELS),), FER2013_FRAMING, 0.5, 0.25)


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def smooth_image(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.clip(128 + 60 * np.sin(x / 23) + 50 * np.cos(y / 31), 0, 255).astype(np.uint8)


def crop(image: np.ndarray, *square: float, **options: bool) -> np.ndarray:
    return crop_faces(image, np.array([square], np.float32), CONTRACT, **options)[0, 0]


def test_the_whole_of_an_image_of_the_crops_size_is_unchanged() -> None:
    image = random_image(48, 48)
    assert np.array_equal(crop_faces(image, whole_image_squares(image[None]), CONTRACT)[0, 0], image)


def test_a_square_on_whole_pixels_is_a_slice() -> None:
    image = random_image(100, 120)
    assert np.array_equal(crop(image, 24 + 30, 24 + 7, 48, 0), image[7:55, 30:78])


def test_a_shift_of_half_a_pixel_is_the_mean_of_neighbours() -> None:
    image = random_image(60, 60)
    expected = (image[6:54, 6:54].astype(float) + image[6:54, 7:55]) / 2
    assert np.abs(crop(image, 30.5, 30, 48, 0) - expected).max() <= 1


def test_twice_the_size_is_the_mean_of_blocks() -> None:
    image = random_image(96, 96)
    expected = image.reshape(48, 2, 48, 2).mean((1, 3))
    assert np.abs(crop(image, 48, 48, 96, 0) - expected).max() <= 1


def test_a_large_square_does_not_alias() -> None:
    stripes = np.where(np.arange(960) % 2, 255, 0).astype(np.uint8)[None].repeat(960, 0)
    assert np.ptp(crop(stripes, 480, 480, 960, 0)) <= 2


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_rot90(quarters: int) -> None:
    image = random_image(48, 48, seed=quarters)
    # A face turned clockwise is turned back anticlockwise, which is what rot90 does.
    turned = crop(image, 24, 24, 48, 90 * quarters)
    assert np.abs(turned.astype(int) - np.rot90(image, quarters).astype(int)).max() <= 1


def test_a_rolled_face_comes_out_upright() -> None:
    image = np.full((200, 200), 20, np.uint8)
    roll = np.radians(30)
    # Eyes of a face turned clockwise: the one on the image's right is lower.
    for side in (-1, 1):
        x, y = 100 + side * 20 * np.cos(roll), 100 + side * 20 * np.sin(roll)
        image[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4] = 250
    upright = crop(image, 100, 100, 96, 30).astype(float)
    halves = (upright[:, :24].sum(1), upright[:, 24:].sum(1))
    rows = [np.average(np.arange(48), weights=half - half.min()) for half in halves]
    assert abs(rows[0] - rows[1]) < 0.6


@given(
    value=st.integers(0, 255),
    x=st.floats(-300, 300),
    y=st.floats(-300, 300),
    side=st.floats(1, 400),
    roll=st.floats(-180, 180),
)
@settings(max_examples=60, deadline=None)
def test_crops_of_a_flat_image_are_flat(value: int, x: float, y: float, side: float, roll: float) -> None:
    assert (crop(np.full((70, 90), value, np.uint8), x, y, side, roll) == value).all()


def test_beyond_the_edge_the_nearest_pixel_is_repeated() -> None:
    image = random_image(48, 48)
    shifted = crop(image, 24 - 10, 24, 48, 0)
    assert np.array_equal(shifted[:, 10:], image[:, :38])
    assert (shifted[:, :10] == image[:, :1]).all()
    outside = crop(image, -500, -500, 48, 0)
    assert (outside == image[0, 0]).all()


@pytest.mark.parametrize("side", [20.0, 47.0, 49.0, 131.7, 250.3, 287.9, 288.1, 401.0])
@pytest.mark.parametrize("centre", [301.0, 300.4])
def test_scale_keeps_what_is_seen(side: float, centre: float) -> None:
    image = smooth_image(600, 600)
    found = crop(image, centre, centre, side, 0).astype(float)
    at = centre - side / 2 + (np.arange(48) + 0.5) * side / 48 - 0.5
    expected = 128 + 60 * np.sin(at / 23)[None] + 50 * np.cos(at / 31)[:, None]
    error = found - np.clip(expected, 0, 255)
    assert np.abs(error).max() <= 2.5 and np.abs(error).mean() <= 0.6  # half a pixel beside it would be 1


@pytest.mark.parametrize("side", [250.0, 289.0, 450.0])
def test_a_large_square_is_the_mean_of_what_each_pixel_covers(side: float) -> None:
    """Of a picture with a grain, against 20 x 20 samples to a pixel of the crop."""
    image = smooth_image(500, 500) // 2 + random_image(500, 500) // 8
    fine = 20 * 48
    at = (250 - side / 2 + (np.arange(fine) + 0.5) * side / fine).astype(int)
    expected = image[np.ix_(at, at)].reshape(48, fine // 48, 48, fine // 48).mean((1, 3))
    found = crop(image, 250, 250, side, 0)
    assert np.abs(found - expected).mean() < 2  # the grain's own deviation is 9
    assert abs(float(found.mean()) - expected.mean()) < 0.5


def test_limited_range_is_expanded() -> None:
    for luma, grey in ((16, 0), (235, 255), (0, 0), (255, 255), (126, 128)):
        assert (crop(np.full((60, 60), luma, np.uint8), 30, 30, 48, 0, limited_range=True) == grey).all()


@pytest.mark.parametrize("limited", [False, True])
def test_no_squares_give_no_crops(limited: bool) -> None:
    crops = crop_faces(random_image(9, 9), np.empty((0, 4), np.float32), CONTRACT, limited_range=limited)
    assert crops.shape == (0, 1, 48, 48)
    assert crops.dtype == np.uint8


def test_each_square_has_its_own_crop_in_order() -> None:
    image = random_image(200, 200)
    squares = np.array([[60, 60, 48, 0], [100, 80, 75, 12], [10, 190, 30, -40]], np.float32)
    together = crop_faces(image, squares, CONTRACT)
    assert together.flags.c_contiguous
    for number, square in enumerate(squares):
        assert np.array_equal(together[number], crop_faces(image, square[None], CONTRACT)[0])


@pytest.mark.parametrize(
    ("grey", "squares"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4), np.float32)),
        (np.zeros((4, 4), np.float32), np.zeros((1, 4), np.float32)),
        (np.zeros((4, 4), np.uint8), np.zeros((1, 3), np.float32)),
        (np.zeros((4, 4), np.uint8), np.zeros(4, np.float32)),
    ],
)
def test_other_shapes_are_refused(grey: np.ndarray, squares: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        crop_faces(grey, squares, CONTRACT)
