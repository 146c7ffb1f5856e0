import numpy as np
import pytest

from fer_live.preprocess import crop_faces, whole_image_squares
from fer_live.training.evaluation.corruptions import CORRUPTIONS, Corruption, corrupt
from fer_live.training.recipes.registry import fer2013_contract
from fer_live.training.report.drawn_face import drawn_face

BY_KEY = {corruption.key: corruption for corruption in CORRUPTIONS}
every = pytest.mark.parametrize("corruption", CORRUPTIONS, ids=list(BY_KEY))


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Drawn faces, (12, 48, 48), each a little lighter than the one before and with grain of its own."""
    grain = np.random.default_rng(0).normal(0, 3, (12, 48, 48))
    levels = np.linspace(-10, 10, 12)[:, None, None]
    return np.clip(drawn_face() + levels + grain, 0, 255).astype(np.uint8)


def damage(corruption: Corruption, faces: np.ndarray, strength: float) -> float:
    """Mean absolute change in grey levels."""
    return float(np.abs(corrupt(corruption, faces, strength).astype(int) - faces).mean())


@every
def test_no_strength_is_no_change(corruption: Corruption, faces: np.ndarray) -> None:
    assert np.array_equal(corrupt(corruption, faces, corruption.clean), faces)
    if corruption.key not in {
        "jpeg",
        "low_light",
        "blur",
        "colour",
        "glasses",
        "hand",
    }:  # drawn or coded at any strength
        assert np.array_equal(corruption.apply(faces, corruption.clean, np.random.default_rng(0)), faces)


@every
def test_the_same_seed_gives_the_same_images_and_leaves_the_originals(
    corruption: Corruption, faces: np.ndarray
) -> None:
    before = faces.copy()
    for strength in corruption.strengths:
        found = corrupt(corruption, faces, strength, seed=3)
        assert (found.shape, found.dtype) == (faces.shape, np.uint8)
        assert np.array_equal(found, corrupt(corruption, faces, strength, seed=3))
    assert np.array_equal(faces, before)
    assert corrupt(corruption, faces[:0], corruption.strengths[0]).shape == (0, 48, 48)


@every
def test_damage_grows_with_strength(corruption: Corruption, faces: np.ndarray) -> None:
    found = [damage(corruption, faces, strength) for strength in (corruption.clean, *corruption.strengths)]
    assert found[0] == 0
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert corruption.target is None or corruption.target in corruption.strengths


def test_an_enlarged_face_is_the_live_engines_crop(faces: np.ndarray) -> None:
    small = faces[0, ::2, ::2]  # 24 pixels wide
    live = crop_faces(small, whole_image_squares(small[None]), fer2013_contract())[0, 0]
    # Each 2 x 2 block one value: shrinking gives back the small face exactly, whatever the filter.
    blocks = small.repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(corrupt(BY_KEY["size"], blocks[None], 24)[0].astype(int) - live).max() <= 1


def test_the_luma_of_a_grey_video_is_the_grey_and_colours_move_it_by_what_bt709_says(faces: np.ndarray) -> None:
    apply = BY_KEY["colour"].apply
    assert np.abs(apply(faces, 0, np.random.default_rng(0)).astype(int) - faces).max() <= 1
    middle = np.full((200, 48, 48), 128, np.uint8)
    off = apply(middle, 40, np.random.default_rng(0)).astype(int) - 128
    # Y709 - Y601 = -0.118 Cb - 0.213 Cr, each within +-40.
    assert np.abs(off).max() <= 0.331 * 40 + 2
    assert off.min() < -8 and off.max() > 8
    assert abs(off.mean()) < 0.5


def test_rolls_go_both_ways_and_back(faces: np.ndarray) -> None:
    turned = corrupt(BY_KEY["rotation"], faces, 15)
    contract = fer2013_contract()
    inner = slice(12, 36)
    back = 0
    for face, tilted in zip(faces, turned, strict=True):
        errors = []
        for angle in (-15, 15):
            square = whole_image_squares(tilted[None])
            square[:, 3] = angle
            undone = crop_faces(tilted, square, contract)[0, 0]
            errors.append(np.abs(undone[inner, inner].astype(int) - face[inner, inner]).mean())
        assert min(errors) < 12 < max(errors)
        back += errors[0] < errors[1]
    assert back == len(faces) // 2


def test_noise_blur_and_contrast_have_their_units() -> None:
    grey = np.full((40, 48, 48), 128, np.uint8)
    assert corrupt(BY_KEY["noise"], grey, 10).std() == pytest.approx(10, rel=0.02)
    edge = np.zeros((1, 48, 48), np.uint8)
    edge[:, :, 24:] = 255
    slope = np.diff(corrupt(BY_KEY["blur"], edge, 2)[0, 24].astype(float)) / 255
    assert np.sqrt((slope * (np.arange(47) - 23) ** 2).sum()) == pytest.approx(2, rel=0.1)
    point = np.zeros((1, 48, 48), np.uint8)
    point[0, 24, 24] = 255
    smeared = corrupt(BY_KEY["motion"], np.tile(point, (20, 1, 1)), 9).astype(float)
    for image in smeared:
        assert image.sum() == pytest.approx(255, rel=0.12)
        rows, columns = np.nonzero(image > 5)
        assert np.hypot(np.ptp(rows), np.ptp(columns)) == pytest.approx(8, abs=1.5)
    halves = np.full((1, 48, 48), 100, np.uint8)
    halves[:, :, 24:] = 200
    assert np.unique(corrupt(BY_KEY["contrast"], halves, 50)).tolist() == [125, 175]
    assert np.median(corrupt(BY_KEY["low_light"], np.full((40, 48, 48), 255, np.uint8), 2)) == pytest.approx(
        255 * 0.25 ** (1 / 2.2), abs=1
    )


def test_occlusions_cover_the_eyes_and_the_mouth_only() -> None:
    white = np.full((30, 48, 48), 255, np.uint8)
    eyes = np.nonzero((corrupt(BY_KEY["glasses"], white, 15) != 255).any(axis=(0, 2)))[0]
    assert 12 <= eyes.min() < 0.40 * 48 < eyes.max() <= 28
    mouth = np.nonzero((corrupt(BY_KEY["hand"], white, 25) != 255).any(axis=(0, 2)))[0]
    assert 26 <= mouth.min() < 0.75 * 48 < mouth.max() <= 46
