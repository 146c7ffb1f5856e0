"""The heat map lies on the face as its crop was cut, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, Contract, Head
from fer_live.preprocess import crop_faces
from fer_live.realtime.datatypes import Frame
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.view.colour_scales import HEAT, MAPS, scale_planes
from fer_live.realtime.view.heat_map import draw_heat, draw_legend, legend_height

CONTRACT = Contract(heads=(Head("fer2013", FER2013_LABELS, 1.0),), framing=FER2013_FRAMING, size=48, mean=0.5, std=0.25)


def frame(size_wh: tuple[int, int] = (320, 240)) -> Frame:
    return grey_frame(np.full(size_wh[::-1], 100, np.uint8))


def spot(row: int, column: int) -> np.ndarray:
    heat = np.zeros((48, 48), np.float32)
    heat[row - 4 : row + 5, column - 4 : column + 5] = 1
    return heat


@pytest.mark.parametrize("roll_deg", [0.0, 25.0, -40.0])
@pytest.mark.parametrize("place", [(12, 12), (12, 36), (36, 24)])
def test_heat_is_where_the_crop_was_hot(place: tuple[int, int], roll_deg: float) -> None:
    """Cut out of the picture that was drawn on, the face is changed at the same place of the crop."""
    before, drawn = frame(), frame()
    square = np.array([150, 120, 130, roll_deg], np.float32)
    draw_heat(drawn, square, spot(*place))
    changed = np.abs(drawn.y.astype(int) - before.y).astype(np.uint8)
    seen = crop_faces(changed, square[None], CONTRACT)[0, 0].astype(float)
    rows, columns = np.mgrid[:48, :48]
    middle = (seen * rows).sum() / seen.sum(), (seen * columns).sum() / seen.sum()
    assert middle == pytest.approx(place, abs=1.0)


def test_cold_places_keep_their_colour_and_warm_ones_get_one() -> None:
    drawn = frame()
    draw_heat(drawn, np.array([160, 120, 96, 0], np.float32), spot(24, 24))
    assert (drawn.y[:60] == 100).all() and (drawn.u[:30] == 128).all() and (drawn.v[:, :50] == 128).all()
    assert drawn.y[120, 160] > 150 and drawn.u[60, 80] < 120


def test_no_heat_draws_nothing() -> None:
    drawn = frame()
    draw_heat(drawn, np.array([160, 120, 96, 0], np.float32), np.zeros((48, 48), np.float32))
    assert (drawn.y == 100).all() and (drawn.u == 128).all()


@given(
    st.integers(20, 131),
    st.integers(20, 131),
    st.tuples(*[st.floats(-300, 400, width=32)] * 2, st.floats(0.5, 900, width=32), st.floats(-180, 180, width=32)),
    st.booleans(),
)
def test_any_square_on_any_frame(width: int, height: int, square: tuple[float, ...], limited_range: bool) -> None:
    y, half = np.full((height, width), 90, np.uint8), ((height + 1) // 2, (width + 1) // 2)
    drawn = Frame(y, np.full(half, 128, np.uint8), np.full(half, 128, np.uint8), 0, 0.0, limited_range=limited_range)
    draw_heat(drawn, np.array(square, np.float32), np.ones((48, 48), np.float32))
    draw_legend(drawn, "what speaks for happy", "CAM, stages.5, 6x6")


@pytest.mark.parametrize("scale", [HEAT, MAPS])
@pytest.mark.parametrize("limited_range", [True, False])
def test_more_is_lighter(scale: int, limited_range: bool) -> None:
    luma = scale_planes(scale, limited_range)[0].astype(int)
    assert (np.diff(luma) >= -1).all() and luma[-1] - luma[0] > 120
    assert np.abs(np.diff(luma[::32])).max() < 45


def test_the_legend_is_in_the_corner() -> None:
    drawn = frame((640, 360))
    draw_legend(drawn, "what speaks for happy", "CAM")
    rows, columns = np.nonzero(drawn.y != 100)
    assert rows.min() == 360 - legend_height((640, 360)) and columns.max() == 639 and columns.min() > 320
