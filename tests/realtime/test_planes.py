"""Memory of planes that is used again, and seen as a whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.planes import Orientation, PlanePool, as_i420


@given(st.integers(1, 9), st.integers(1, 9))
def test_planes_have_the_sizes_of_i420_and_are_apart(width: int, height: int) -> None:
    y, u, v = PlanePool((width, height)).take()
    for value, plane in enumerate((y, u, v)):
        plane[...] = value
    assert y.shape == (height, width)
    assert u.shape == v.shape == ((height + 1) // 2, (width + 1) // 2)
    assert all((plane == value).all() and plane.flags.c_contiguous for value, plane in enumerate((y, u, v)))
    whole = as_i420(y, u, v)
    assert (whole is None) == bool(width % 2 or height % 2)
    if whole is not None:
        np.testing.assert_array_equal(whole.ravel(), np.concatenate([y.ravel(), u.ravel(), v.ravel()]))
        assert np.shares_memory(whole, y)


def test_memory_is_used_again_only_when_no_view_is_left() -> None:
    pool = PlanePool((8, 6))
    first = pool.take()
    address = first[0].ctypes.data
    part = first[2][1:, 1:]
    del first
    second = pool.take()
    assert second[0].ctypes.data != address
    del part
    third = pool.take()
    assert third[0].ctypes.data == address
    assert not any(np.shares_memory(a, b) for a, b in zip(second, third, strict=True))


def test_planes_of_other_origin_are_no_whole() -> None:
    y, u, v = PlanePool((8, 6)).take()
    assert as_i420(y.copy(), u, v) is None
    assert as_i420(y, v, u) is None
    assert as_i420(y[:4], u[:2], v[:2]) is None


@pytest.mark.parametrize("turns", range(4))
def test_upright_turns_counter_clockwise(turns: int) -> None:
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(Orientation(turns).upright(plane), np.rot90(plane, turns))
