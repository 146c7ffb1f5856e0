"""Size, sharpness and pose of faces."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.labels.quality import Qualities, measure


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Crops (n, 1, 48, 48) uint8 with edges of every direction and size, as photographs have them."""
    rng = np.random.default_rng(seed)
    crops = np.zeros((n, 1, 48, 48), np.uint8)
    for crop in crops:
        crop[0] = 128
        for _ in range(40):
            x, y = rng.integers(0, 48, 2)
            half = int(rng.integers(1, 12))
            cv2.circle(crop[0], (int(x), int(y)), half, int(rng.integers(0, 256)), -1)
    return crops


def squares(n: int, side: float = 100.0) -> np.ndarray:
    return np.tile(np.array([[60.0, 60.0, side, 0.0]], np.float32), (n, 1))


def head(yaw_deg: float, roll_deg: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Keypoints (1, 5, 2) of a head far from the camera, eyes 60 wide, with the nose 0.41 of that before them."""
    points = np.array([[-30, 0, 0], [30, 0, 0], [0, 30, 24.6], [-22, 60, 0], [22, 60, 0]], np.float64) * scale
    yaw, roll = np.radians([yaw_deg, roll_deg])
    x = points[:, 0] * np.cos(yaw) + points[:, 2] * np.sin(yaw)
    y = points[:, 1]
    turned = np.stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)], axis=1)
    return turned[None].astype(np.float32) + 200


def motion_blurred(crops: np.ndarray, length: int, upright: bool) -> np.ndarray:
    kernel = np.full((length, 1) if upright else (1, length), 1 / length, np.float32)
    return np.stack([cv2.filter2D(crop[0], -1, kernel, borderType=cv2.BORDER_REPLICATE)[None] for crop in crops])


def sharpness(crops: np.ndarray) -> np.ndarray:
    return measure(crops, squares(len(crops)), None).sharpness


@pytest.mark.parametrize("upright", [False, True])
def test_motion_in_either_direction_blurs(upright: bool) -> None:
    crops = pictures(20)
    assert (sharpness(motion_blurred(crops, 9, upright)) < 0.6 * sharpness(crops)).all()


def test_more_blur_is_less_sharp() -> None:
    crops = pictures(20)
    values = [sharpness(crops)]
    for sigma in (0.7, 1.4, 2.8):
        values.append(sharpness(np.stack([cv2.GaussianBlur(crop[0], (0, 0), sigma)[None] for crop in crops])))
    assert all((after < before).all() for before, after in pairwise(values))


def test_light_and_mirror_make_no_difference() -> None:
    crops = pictures(20)
    dark = (crops.astype(np.float32) * 0.5 + 20).astype(np.uint8)
    np.testing.assert_allclose(sharpness(dark), sharpness(crops), rtol=0.05)
    np.testing.assert_allclose(sharpness(np.ascontiguousarray(crops[..., ::-1])), sharpness(crops), rtol=1e-5)


def test_an_empty_crop_is_not_sharp() -> None:
    assert sharpness(np.full((1, 1, 48, 48), 77, np.uint8)).tolist() == [0.0]


@given(st.integers(0, 20))
def test_faces_are_measured_each_for_itself(n: int) -> None:
    crops = pictures(n)
    together = measure(crops, squares(n), np.repeat(head(20), n, axis=0))
    assert len(together) == n
    for index in range(n):
        alone = measure(crops[index : index + 1], squares(1), head(20))
        np.testing.assert_allclose(alone.sharpness[0], together.sharpness[index], rtol=1e-5)
        np.testing.assert_allclose(alone.turned_deg[0], together.turned_deg[index], rtol=1e-5)


@given(st.floats(-80, 80), st.floats(-60, 60), st.floats(0.2, 5))
def test_yaw_is_found_at_any_roll_and_size(yaw: float, roll: float, scale: float) -> None:
    found = measure(pictures(1), squares(1), head(yaw, roll, scale)).turned_deg[0]
    assert found == pytest.approx(abs(yaw), abs=0.1)


def test_points_that_coincide_are_no_error() -> None:
    assert np.isfinite(measure(pictures(1), squares(1), np.zeros((1, 5, 2), np.float32)).turned_deg).all()


def test_without_keypoints_the_pose_is_unknown() -> None:
    quality = measure(pictures(2), squares(2, 33.0), None)
    assert np.isnan(quality.turned_deg).all()
    assert quality.side_px.tolist() == [33.0, 33.0]
    assert quality.only(np.array([True, False])).side_px.tolist() == [33.0]


def test_counts_must_match() -> None:
    with pytest.raises(ValueError, match="same faces, found 2, 3"):
        measure(pictures(2), squares(3), None)
    with pytest.raises(ValueError, match="turned_deg"):
        Qualities(np.zeros(2, np.float32), np.zeros(2, np.float32), np.zeros(3, np.float32))
