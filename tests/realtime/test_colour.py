import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.colour import frame_to_bgr, planes_from_bgr, true_bgr
from fer_live.realtime.datatypes import ColourTags, Frame


@given(st.integers(1, 33), st.integers(1, 33), st.tuples(*[st.integers(0, 255)] * 3))
def test_a_plain_colour_survives_the_round_trip_at_any_size(height: int, width: int, colour: tuple[int, ...]) -> None:
    image = np.full((height, width, 3), colour, np.uint8)
    frame = Frame(*planes_from_bgr(image), index=0, time_s=0.0)
    back = frame_to_bgr(frame)
    assert back.shape == image.shape and back.dtype == np.uint8
    assert np.abs(back.astype(int) - image).max() <= 5


def test_black_and_white_are_limited_range() -> None:
    assert planes_from_bgr(np.zeros((4, 4, 3), np.uint8))[0].max() == 16
    assert planes_from_bgr(np.full((4, 4, 3), 255, np.uint8))[0].min() == 235


def test_primary_colours_go_where_bt601_says() -> None:
    # ITU-R BT.601, 8 bit: (Y, Cb, Cr) of pure blue, green and red.
    for bgr, expected in (((255, 0, 0), (41, 240, 110)), ((0, 255, 0), (145, 54, 34)), ((0, 0, 255), (81, 90, 240))):
        planes = planes_from_bgr(np.full((2, 2, 3), bgr, np.uint8))
        assert [int(plane[0, 0]) for plane in planes] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_full_range_grey_is_taken_as_it_is(size: tuple[int, int]) -> None:
    y = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size) * 12
    grey = np.full(((size[0] + 1) // 2, (size[1] + 1) // 2), 128, np.uint8)
    back = frame_to_bgr(Frame(y, grey, grey, 0, 0.0, limited_range=False))
    assert np.array_equal(back, np.repeat(y[:, :, None], 3, axis=2))


def test_full_range_colours() -> None:
    # JFIF: pure red is (76, 85, 255).
    planes = [np.full((2, 2), 76, np.uint8), np.full((1, 1), 85, np.uint8), np.full((1, 1), 255, np.uint8)]
    back = frame_to_bgr(Frame(*planes, index=0, time_s=0.0, limited_range=False))
    assert back[0, 0].tolist() == pytest.approx([0, 0, 254], abs=2)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must be"):
        planes_from_bgr(image)


# 8 bit, limited range: (Y, Cb, Cr) of pure red by ITU-R BT.601, BT.709 and BT.2020.
RED = {6: (81, 90, 240), 1: (63, 102, 240), 9: (74, 97, 240)}


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (33, 130)])
@pytest.mark.parametrize("matrix", RED)
def test_colours_go_by_the_matrix_that_the_video_names(matrix: int, size: tuple[int, int]) -> None:
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    y, u, v = (np.full(shape, value, np.uint8) for shape, value in zip((size, half, half), RED[matrix], strict=True))
    bgr = true_bgr(Frame(y, u, v, 0, 0.0), ColourTags(matrix=matrix))
    assert bgr.shape == (*size, 3) and np.abs(bgr.astype(int) - (0, 0, 255)).max() <= 3


@pytest.mark.parametrize(("rows", "matrix"), [(718, 6), (720, 1)])
def test_where_none_is_named_players_go_by_the_size(rows: int, matrix: int) -> None:
    shapes = ((rows, 8), (rows // 2, 4), (rows // 2, 4))
    y, u, v = (np.full(shape, value, np.uint8) for shape, value in zip(shapes, RED[matrix], strict=True))
    bgr = true_bgr(Frame(y, u, v, 0, 0.0), ColourTags())
    assert np.abs(bgr.astype(int) - (0, 0, 255)).max() <= 3
