"""Tilted faces are looked at again: real faces turned by known angles, and those that must stay as they were."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.contract import FER2013_FRAMING
from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.detectors import second_look
from fer_live.realtime.detectors.second_look import LOOK_PX, first_roll, level_look, may_be_tilted
from fer_live.realtime.detectors.yunet import YUNET_BOX, YuNetDetector

SAMPLES = Path(__file__).parents[3] / "samples"
PORTRAIT_FACE = (223.0, 120.0, 113.0)
PORTRAIT_ROLL = 5
SIDE = 512

Media = Callable[[str], Path]


def frame_of(bgr: np.ndarray) -> Frame:
    """A frame of a picture whose sides are even, limited range."""
    rows = cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2YUV_I420)
    height, width = bgr.shape[:2]
    chroma = rows[height:].reshape(2, height // 2, width // 2)
    return Frame(rows[:height], chroma[0], chroma[1], 0, 0.0)


def clip(path: Path, every: int) -> list[Frame]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return [frame_of(bgr[: bgr.shape[0] & ~1, : bgr.shape[1] & ~1]) for bgr in frames[::every]]


def turned(bgr: np.ndarray, face: tuple[float, float, float], angle: float, height: float) -> Frame:
    """The face, so high and turned clockwise, in the middle of a frame; the picture's edge is repeated."""
    x, y, side = face
    matrix = cv2.getRotationMatrix2D((x, y), -angle, height / side)
    matrix[:, 2] += np.subtract((SIDE / 2, SIDE / 2), (x, y))
    smooth = cv2.GaussianBlur(bgr, (0, 0), 0.45 * side / height) if height < side else bgr
    return frame_of(
        cv2.warpAffine(smooth, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )


def same(a: Faces, b: Faces) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("xyxy", "score", "squares", "keypoints"))


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.imread(str(SAMPLES / "astronaut.jpg"))


@pytest.fixture(scope="module")
def yunet() -> Iterator[YuNetDetector]:
    with YuNetDetector() as detector:
        yield detector


@pytest.fixture
def once(yunet: YuNetDetector, monkeypatch: pytest.MonkeyPatch) -> Callable[[Frame], Faces]:
    """What one look tells, as before there were more."""

    def look(frame: Frame) -> Faces:
        with monkeypatch.context() as patch:
            patch.setattr(second_look, "MOST_LOOKS", 0)
            return yunet.detect(frame)

    return look


@pytest.mark.parametrize("height", [72, 100, 160, 230])
@pytest.mark.parametrize("angle", [-40, -25, 25, 40])
def test_the_roll_of_a_tilted_face_is_told(
    yunet: YuNetDetector, portrait: np.ndarray, angle: float, height: float
) -> None:
    faces = yunet.detect(turned(portrait, PORTRAIT_FACE, angle, height))
    if not len(faces):
        pytest.skip("YuNet finds no face that is turned so far and so small")
    x, y, side, roll = faces.squares[0]
    assert roll == pytest.approx(angle + PORTRAIT_ROLL, abs=8)
    assert np.hypot(x - SIDE / 2, y - SIDE / 2) < 0.1 * height
    assert side == pytest.approx(height, rel=0.12)


def test_keypoints_are_those_of_the_second_look_and_the_box_is_not(
    yunet: YuNetDetector, once: Callable[[Frame], Faces], portrait: np.ndarray
) -> None:
    frame = turned(portrait, PORTRAIT_FACE, 30, 100)
    one, two, upright = once(frame), yunet.detect(frame), yunet.detect(turned(portrait, PORTRAIT_FACE, 0, 100))
    assert np.array_equal(one.xyxy, two.xyxy) and np.array_equal(one.score, two.score)
    assert one.keypoints is not None and two.keypoints is not None and upright.keypoints is not None
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), -30, 1.0)
    wanted = upright.keypoints[0] @ turn[:, :2].T + turn[:, 2]
    assert np.abs(two.keypoints[0] - wanted).max() < 8 < np.abs(one.keypoints[0] - wanted).max()


@pytest.mark.parametrize("height", [40, 72, 100, 119, 121, 160, 230])
@pytest.mark.parametrize("angle", [-12, -6, 0, 5])
def test_a_nearly_upright_face_is_as_one_look_tells_it(
    yunet: YuNetDetector, once: Callable[[Frame], Faces], portrait: np.ndarray, angle: float, height: float
) -> None:
    frame = turned(portrait, PORTRAIT_FACE, angle, height)
    assert len(once(frame)) == 1
    assert same(yunet.detect(frame), once(frame))


def test_the_same_frame_is_told_the_same(yunet: YuNetDetector, portrait: np.ndarray) -> None:
    frame = turned(portrait, PORTRAIT_FACE, 33, 100)
    first = yunet.detect(frame)
    yunet.detect(turned(portrait, PORTRAIT_FACE, -20, 200))
    assert same(first, yunet.detect(frame))


def test_a_framing_that_levels_nothing_asks_for_no_second_look(portrait: np.ndarray) -> None:
    with YuNetDetector(framing=replace(FER2013_FRAMING, level_beyond_deg=180.0)) as detector:
        assert (detector.detect(turned(portrait, PORTRAIT_FACE, 35, 160)).squares[:, 3] == 0).all()


def test_a_tilted_face_at_the_frames_edge(yunet: YuNetDetector, portrait: np.ndarray) -> None:
    whole = turned(portrait, PORTRAIT_FACE, 30, 160)
    cut = Frame(
        np.ascontiguousarray(whole.y[:, 200:]),
        np.ascontiguousarray(whole.u[:, 100:]),
        np.ascontiguousarray(whole.v[:, 100:]),
        0,
        0.0,
    )
    squares = yunet.detect(cut).squares
    assert np.isfinite(squares).all()
    assert len(squares) == 1 and squares[0, 3] == pytest.approx(30 + PORTRAIT_ROLL, abs=10)


def keypoints(roll: float, across: float = 36.0) -> np.ndarray:
    """(5, 2) of a face of 100 pixels at (300, 200), turned."""
    half = across / 2
    upright = np.array([[-half, -10], [half, -10], [0, 10], [-half, 28], [half, 28]])
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return (upright @ np.array([[cos, sin], [-sin, cos]]) + (300, 200)).astype(np.float32)


class Looks:
    """Tells of a face what it is given: how much of the roll is left, the score, and how far apart the eyes are."""

    def __init__(self, *told: tuple[float, float, float]) -> None:
        self.told = list(told)

    def __call__(self, _: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        left, score, across = self.told.pop(0)
        points = (keypoints(left, across) - (300, 200)) * 2 + LOOK_PX / 2
        box = np.array([[-76, -100, 76, 100]]) + LOOK_PX / 2
        return box.astype(np.float32), np.array([score], np.float32), points[None].astype(np.float32)


@pytest.mark.parametrize(
    ("told", "roll"),
    [
        ([(20.0, 0.93, 36.0), (4.0, 0.93, 36.0)], 36.0),
        ([(20.0, 0.93, 36.0), (10.0, 0.93, 36.0), (8.0, 0.93, 36.0)], 50.0),  # no fourth look
        ([(2.0, 0.93, 36.0)], None),  # 14 degrees in all
        ([(20.0, 0.93, 36.0), (4.0, 0.8, 36.0)], None),  # half hidden
        ([(20.0, 0.93, 15.0)], None),  # in profile
    ],
)
def test_when_a_look_is_believed(told: list[tuple[float, float, float]], roll: float | None) -> None:
    looks = Looks(*told)
    frame = frame_of(np.full((400, 600, 3), 90, np.uint8))
    xyxy = np.array([262, 150, 338, 250], np.float32)
    found = level_look(looks, frame, xyxy, 12.0, YUNET_BOX, FER2013_FRAMING)
    assert not looks.told
    assert (None if found is None else float(found[0][3])) == (None if roll is None else pytest.approx(roll, abs=0.1))
    if found is not None:
        np.testing.assert_allclose(found[0][:3], [300, 200, 100], atol=1)
        np.testing.assert_allclose(found[1], keypoints(roll or 0.0), atol=1)


def test_a_face_that_is_not_seen_again_is_as_it_was_found() -> None:
    def nothing(_: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)

    frame = frame_of(np.full((400, 600, 3), 90, np.uint8))
    xyxy = np.array([262, 150, 338, 250], np.float32)
    assert level_look(nothing, frame, xyxy, 30.0, YUNET_BOX, FER2013_FRAMING) is None


@pytest.mark.parametrize("angle", [-45, -30, 30, 45])
def test_a_known_face_that_stays_tilted_is_told_by_one_look(
    portrait: np.ndarray, angle: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with YuNetDetector() as detector:
        searched, search = [], detector._search
        monkeypatch.setattr(detector, "_search", lambda image: searched.append(image.shape) or search(image))
        frame = turned(portrait, PORTRAIT_FACE, angle, 100)
        first = detector.detect(frame)
        assert len(first) == 1
        assert len(searched) > 2 or abs(angle) < 45  # the whole frame, and more than one look
        searched.clear()
        again = detector.detect(frame, known=first)
        assert len(searched) == 2
        assert again.squares[0, 3] == pytest.approx(first.squares[0, 3], abs=5)
        # One that now stands upright, or is tilted to the other side, is told as if nobody had been known.
        for other in (0, -angle):
            frame = turned(portrait, PORTRAIT_FACE, other, 100)
            assert same(detector.detect(frame, known=first), detector.detect(frame))


@given(roll=st.floats(-80, 80), before=st.floats(-80, 80), off=st.floats(0, 200))
def test_where_the_first_look_begins(roll: float, before: float, off: float) -> None:
    xyxy = np.array([262, 150, 338, 250], np.float32)
    square = np.array([[300, 200, 100, before]], np.float32)
    known = Faces(xyxy[None] + np.float32(off), np.ones(1, np.float32), square)
    told = first_roll(xyxy, keypoints(roll), known)
    assert first_roll(xyxy, keypoints(roll), None) == first_roll(xyxy, keypoints(roll), Faces.empty())
    if off < 20 and before * roll > 1 and abs(before) > abs(roll) + 0.1:
        assert told == pytest.approx(before, abs=1e-3)
    elif off > 22 or before * roll < -1 or abs(before) < abs(roll) - 0.1:
        assert told == pytest.approx(roll, abs=1e-2)


@given(roll=st.floats(-90, 90), height=st.floats(10, 600))
def test_who_is_looked_at_again(roll: float, height: float) -> None:
    asked = may_be_tilted(np.array([height], np.float32), keypoints(roll)[None], FER2013_FRAMING)
    if height < 39 or abs(roll) < 2.4:
        assert not asked
    elif height > 41 and abs(roll) > 10.1:
        assert asked
    assert len(may_be_tilted(np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32), FER2013_FRAMING)) == 0


@pytest.mark.data
def test_two_people_with_their_heads_askew_are_levelled(yunet: YuNetDetector, shared_media: Media) -> None:
    told = [yunet.detect(frame).squares for frame in clip(shared_media("two_people_turning.gif"), 8)]
    rolls = np.array([squares[np.argsort(squares[:, 0]), 3] for squares in told[2:]])  # the first ones turn yet
    assert rolls.shape == (5, 2)
    assert ((rolls > -56) & (rolls < -34)).all(), rolls


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("grid_four_720p.mp4", 30),
        ("neutral_to_smile_360p.mp4", 12),
        ("face_then_none.mov", 24),
        ("classroom.gif", 12),
        ("tears_of_steel_360p.mp4", 8),  # of whom some are seen in profile, and one half hidden
    ],
)
def test_upright_faces_of_clips_are_as_one_look_tells_them(
    yunet: YuNetDetector, once: Callable[[Frame], Faces], shared_media: Media, name: str, every: int
) -> None:
    frames = clip(shared_media(name), every)
    found = [once(frame) for frame in frames]
    assert sum(len(faces) for faces in found)
    assert all(same(faces, yunet.detect(frame)) for faces, frame in zip(found, frames, strict=True))
