"""The panel of feature maps: the strongest first, on one scale, at the right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.explain.layers import Layer
from fer_live.realtime.explain.live import MapsShown
from fer_live.realtime.testing.fakes import grey_frame
from fer_live.realtime.view.feature_maps import draw_maps, stands_left, strongest_first


def shown(maps: np.ndarray, name: str = "stages.1", precision: str = "int8") -> MapsShown:
    return MapsShown(Layer(name, "t", maps.shape, precision), 2, 7, maps.astype(np.float32))  # type: ignore[arg-type]


def test_the_strongest_come_first_from_left_to_right() -> None:
    """Flat maps of rising strength give tiles of falling lightness."""
    maps = np.ones((64, 6, 6)) * np.arange(64)[:, None, None]
    assert strongest_first(maps.astype(np.float32)).tolist() == list(range(63, -1, -1))
    frame = grey_frame(np.full((360, 640), 100, np.uint8))
    draw_maps(frame, shown(maps))
    panel = frame.y[:, 640 - 166 :]
    top = 5 * 14 + 10
    steps = [int(panel[top, x]) for x in (16, 56, 96, 136)]
    assert steps == sorted(steps, reverse=True) and len(set(steps)) > 1
    lower = [int(panel[top + 40 * row, 16]) for row in range(5)]
    assert lower == sorted(lower, reverse=True) and len(set(lower)) == 5
    assert (frame.y[:, : 640 - 168] == 100).all()


@given(
    st.integers(64, 700),
    st.integers(64, 500),
    st.integers(1, 70),
    st.sampled_from(["stem", "backbone.features.8.0.block.0.convolution", ""]),
    st.sampled_from(["float32", "float16", "int8"]),
    st.floats(0, 1e4),
)
def test_any_layer_on_any_frame(
    width: int, height: int, count: int, name: str, precision: str, strength: float
) -> None:
    frame = grey_frame(np.full((height, width), 100, np.uint8))
    maps = strength * np.random.default_rng(0).normal(size=(count, 3, 5))
    draw_maps(frame, shown(maps, name, precision), above=40)
    assert (frame.y != 100).any()


@pytest.mark.parametrize(
    ("face", "left"),
    [
        ((20, 150), False),  # far from the right
        ((470, 600), True),
        ((226, 406), True),  # at the right it would hide the bars
        ((60, 500), False),  # it hides some of the face on either side, less here
    ],
)
def test_the_panel_stands_where_it_hides_less(face: tuple[int, int], left: bool) -> None:
    box = np.array([face[0], 60, face[1], 300], np.float32)
    assert [stands_left((640, 360), box, before) for before in (False, True)] == [left, left]


def test_the_panel_stays_where_it_is_while_it_hardly_matters() -> None:
    box = np.array([168, 60, 332, 300], np.float32)  # room on both sides
    assert [stands_left((640, 360), box, before) for before in (False, True)] == [False, True]


@pytest.mark.parametrize("maps", [np.zeros((3, 2, 2)), np.full((3, 2, 2), 7.0)])
def test_maps_that_say_nothing(maps: np.ndarray) -> None:
    draw_maps(grey_frame(np.full((360, 640), 100, np.uint8)), shown(maps))
