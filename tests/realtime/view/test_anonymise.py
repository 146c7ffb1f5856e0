"""Nothing of a covered head comes through but the means of a few cells, and nothing else is touched."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.detectors.squares import BoxFraming, face_squares
from fer_live.realtime.sources.open_source import open_source
from fer_live.realtime.sources.options import SourceOptions
from fer_live.realtime.testing.fakes import FakeDetector
from fer_live.realtime.tracking.heads import LEAST_SCORE, HeadFinder
from fer_live.realtime.view.anonymise import CELLS, LEAST_CELL_PX, Style, anonymise_frame, anonymise_picture
from fer_live.realtime.view.options import STYLES

SAMPLES = Path(__file__).parents[3] / "samples"


def noise_frame(width: int, height: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, size, np.uint8) for size in ((height, width), chroma, chroma))
    return Frame(y, u, v, 0, 0.0)


def covered(frame: Frame, squares: np.ndarray, style: Style) -> Frame:
    result = frame.copy()
    anonymise_frame(result, np.asarray(squares, np.float32).reshape(-1, 4), style)
    return result


def test_the_options_know_every_style() -> None:
    assert tuple(Style) == STYLES


squares = st.lists(
    st.tuples(st.floats(-400, 400), st.floats(-400, 400), st.floats(0.5, 400), st.floats(-180, 180)), max_size=4
)


@settings(max_examples=80, deadline=None)
@example(Style.BOX, 28, 21, [(0.0, 0.0, 26.0, 85.0)])
@given(st.sampled_from(Style), st.integers(1, 150), st.integers(1, 150), squares)
def test_only_heads_are_touched(style: Style, width: int, height: int, at: list[tuple[float, ...]]) -> None:
    """Frames of any size, heads of any size anywhere, turned by any angle."""
    frame = noise_frame(width, height)
    result = covered(frame, np.array(at), style)
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    far = np.ones((height, width), np.bool_)
    for x, y, side, _ in at:
        far &= np.hypot(columns - x, rows - y) > 1.5 * side + 3  # the corners of a box
    np.testing.assert_array_equal(result.y[far], frame.y[far])
    still = far[::2, ::2] & far[-1 - (height - 1) % 2 :: -2, ::2][::-1] if height > 1 else far[::2, ::2]
    np.testing.assert_array_equal(result.u[still], frame.u[still])


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("side", [10, 24, 60, 150])
def test_every_plane_of_a_face_keeps_its_means_alone(style: Style, side: int) -> None:
    """Two pictures of noise look quite unlike; with the heads covered, all but alike in every plane."""
    at = np.array([[160.0, 160.0, side, 0.0]])
    frames = [covered(noise_frame(320, 320, seed), at, style) for seed in (1, 2)]
    half = side // 2
    for name, scale in (("y", 1), ("u", 2), ("v", 2)):
        part = slice((160 - half) // scale, (160 + half) // scale)
        one, other = (getattr(frame, name)[part, part].astype(int) for frame in frames)
        cell = max(LEAST_CELL_PX / scale, side / scale / CELLS.get(style, 1))
        # Noise of 256 levels has a standard deviation of 74, its means over cells a cell's side less.
        assert np.abs(one - other).mean() <= (0 if style is Style.BOX else 2 * 74 / (cell - 1))
    if style is not Style.BLUR:
        whole = frames[0].y[160 - half : 160 + half, 160 - half : 160 + half]
        assert len(np.unique(whole)) <= (1 if style is Style.BOX else (CELLS["mosaic"] + 1) ** 2)


def test_a_blur_is_smooth() -> None:
    blurred = covered(noise_frame(320, 320), np.array([[160.0, 160.0, 100, 0.0]]), Style.BLUR).y[110:210, 110:210]
    assert np.abs(np.diff(blurred.astype(int), axis=1)).max() <= 3


@pytest.mark.parametrize("roll", [0, 30, 90, -135, 180])
@pytest.mark.parametrize("style", Style)
def test_a_turned_head_is_covered_from_hair_to_chin(style: Style, roll: int) -> None:
    side, x, y = 80.0, 200.0, 200.0
    frame = noise_frame(400, 400)
    result = covered(frame, np.array([[x, y, side, roll]]), style)
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    # In the square, from its middle: crown and hair, chin, ears, the middle of the jaw's sides.
    for across, down in ((0, -0.95), (0, 0.72), (-0.68, -0.12), (0.68, -0.12), (-0.4, 0.4), (0.4, 0.4), (0.45, -0.6)):
        column = round(x + side * (across * cos - down * sin))
        row = round(y + side * (across * sin + down * cos))
        part = slice(row - 2, row + 3), slice(column - 2, column + 3)
        assert (result.y[part] != frame.y[part]).mean() > 0.9, (across, down)


def test_a_picture_is_covered_as_a_frame_is() -> None:
    image = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    before = image.copy()
    anonymise_picture(image, np.array([[220, 115, 100, 0]], np.float32), Style.MOSAIC)
    assert (image[80:150, 180:260] != before[80:150, 180:260]).mean() > 0.9
    np.testing.assert_array_equal(image[300:], before[300:])
    assert len(np.unique(image[65:165, 170:270].reshape(-1, 3), axis=0)) <= (CELLS["mosaic"] + 1) ** 2


def heads_of(path: Path, every: int) -> Iterator[tuple[Frame, np.ndarray, Faces]]:
    """Some frames of a clip, what is to be covered on them, and the faces that are found."""
    with open_source(SourceOptions(video=str(path))) as source:
        finder = HeadFinder(create_detector("yunet", min_score=LEAST_SCORE))
        labelled = create_detector("yunet")
        for frame in source:
            if frame.index % every == 0:
                faces = labelled.detect(frame)
                yield frame, finder.update(frame, faces), faces


def fine(image: np.ndarray) -> np.ndarray:
    """What distinguishes faces: a grey picture without what is coarser than a sixth of it; mean 0, length 1."""
    grey = cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float64)
    grey -= cv2.GaussianBlur(grey, (0, 0), 4)
    grey -= grey.mean()
    return (grey / max(np.linalg.norm(grey), 1e-9)).ravel()


def face_of(frame: Frame, square: np.ndarray) -> np.ndarray:
    x, y, half = square[0], square[1], square[2] / 2
    return frame.y[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]


def test_the_sample_clip_shows_no_face() -> None:
    haar, yunet = create_detector("haar", verify_eyes=False), create_detector("yunet")
    frames = list(heads_of(SAMPLES / "astronaut.mp4", 50))
    assert [len(faces) for _, _, faces in frames] == [1] * 4
    assert sum(len(haar.detect(before)) for before, _, _ in frames) == 3  # the head is tilted on the last
    for before, heads, faces in frames:
        for style in Style:
            after = covered(before, heads, style)
            assert len(haar.detect(after)) == len(yunet.detect(after)) == 0, style
            square = faces.squares[0]
            assert fine(face_of(before, square)) @ fine(face_of(after, square)) < 0.5, style


@pytest.mark.data
@pytest.mark.parametrize("name", ["grid_four_720p.mp4", "tears_of_steel_360p.mp4", "two_people_turning.gif"])
def test_real_clips_keep_no_detail_of_a_face(name: str, shared_media: Callable[[str], Path]) -> None:
    likeness: dict[Style, list[float]] = {style: [] for style in Style}
    for before, heads, faces in heads_of(shared_media(name), 25):
        for style in Style:
            after = covered(before, heads, style)
            for square in faces.squares[faces.squares[:, 2] > 24]:
                likeness[style].append(float(fine(face_of(before, square)) @ fine(face_of(after, square))))
    for style, alike in likeness.items():
        assert len(alike) >= 5 and np.median(alike) < 0.4 and max(alike) < 0.6, style


def test_a_colour_is_covered_too() -> None:
    """A red face on a blue ground: what is left in the chroma is as coarse as in the luma."""
    frame = noise_frame(200, 200)
    checks = np.kron(np.indices((50, 50)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8)
    frame = replace(frame, u=checks * 200, v=checks * 200)
    after = frame_to_bgr(covered(frame, np.array([[100.0, 100.0, 80.0, 0.0]]), Style.BLUR))[60:140, 60:140]
    assert after.reshape(-1, 3).astype(int).std(0).max() < 40


def test_a_box_of_another_framing_is_no_smaller() -> None:
    """Squares of a contract that frames faces closer are widened to the head."""
    closer = replace(FER2013_FRAMING, side_eye_distances=FER2013_FRAMING.side_eye_distances / 1.5)
    box = BoxFraming(side=1.0, down=0.0, aspect=0.765)
    xyxy = np.array([[50, 40, 90, 90]], np.float32)
    labelled = Faces(xyxy, np.ones(1, np.float32), face_squares(xyxy, None, box, closer))
    heads = HeadFinder(FakeDetector(), closer).update(noise_frame(200, 200), labelled)
    assert heads[0, 2] == pytest.approx(50, rel=1e-3)
