"""When the detector looks, and that every frame has its faces in between."""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_live.realtime.datatypes import Faces, Frame
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import FakeDetector, grey_frame, shifted
from fer_live.realtime.tracking.finder import EMPTY_S, FULL_SIZE_EVERY, MOVING_S, STEADY_S, FaceFinder
from fer_live.realtime.tracking.tracker import iou

SAMPLES = Path(__file__).parents[3] / "samples"
BOX = np.array([[175.0, 70.0, 285.0, 190.0]], np.float32)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.imread(str(SAMPLES / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE)


def face_at(dx: float, dy: float) -> Faces:
    xyxy = BOX + np.array([dx, dy, dx, dy], np.float32)
    square = [[(xyxy[0, 0] + xyxy[0, 2]) / 2, (xyxy[0, 1] + xyxy[0, 3]) / 2, 120, 0]]
    return Faces(xyxy, np.ones(1, np.float32), np.array(square, np.float32))


class Told(FakeDetector):
    """Knows where the face is; notes at which frames it was asked, and for which size."""

    def __init__(self, where: dict[int, Faces] | Faces, coarse_is_blind: bool = False) -> None:
        super().__init__(lambda frame: where if isinstance(where, Faces) else where.get(frame.index, Faces.empty()))
        self.asked: list[tuple[int, int | None]] = []
        self._coarse_is_blind = coarse_is_blind

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        self.asked.append((frame.index, detect_size))
        if detect_size is not None and self._coarse_is_blind:
            return Faces.empty()
        return super().detect(frame, detect_size, known)


def run(finder: FaceFinder, frames: list[Frame]) -> tuple[list[list[int]], list[bool]]:
    found = [finder.update(frame) for frame in frames]
    return [entry.track_ids.tolist() for entry in found], [entry.looked for entry in found]


def walk(portrait: np.ndarray, n: int) -> tuple[list[Frame], dict[int, Faces]]:
    """The portrait moving by a pixel or two a frame, and where its face is."""
    shifts = [(1.5 * index, -0.5 * index) for index in range(n)]
    frames = [grey_frame(shifted(portrait, shift), index) for index, shift in enumerate(shifts)]
    return frames, {index: face_at(*shift) for index, shift in enumerate(shifts)}


def test_a_steady_face_is_followed_between_looks(portrait: np.ndarray) -> None:
    detector = Told(face_at(0, 0))
    ids, looked = run(FaceFinder(detector), [grey_frame(portrait, index) for index in range(53)])
    assert ids == [[1]] * 53
    every = math.ceil(STEADY_S * 25)
    assert [index for index, at in enumerate(looked) if at] == list(range(0, 53, every))
    # 640 px for the copy: a face of 120 px in a frame of 512 is large enough for half of that.
    assert [size for _, size in detector.asked] == [None if n % FULL_SIZE_EVERY == 0 else 320 for n in range(5)]


def test_a_coarse_look_that_misses_a_known_face_is_repeated_in_full(portrait: np.ndarray) -> None:
    detector = Told(face_at(0, 0), coarse_is_blind=True)
    ids, _ = run(FaceFinder(detector), [grey_frame(portrait, index) for index in range(21)])
    assert ids == [[1]] * 21
    assert detector.asked[:3] == [(0, None), (13, 320), (13, None)]


def test_a_coarse_look_moves_no_face(portrait: np.ndarray) -> None:
    class Off(Told):
        """On the coarse copy the face is 12 px to the side: near enough to be the same."""

        def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
            found = super().detect(frame, detect_size, known)
            return found if detect_size is None else face_at(12, 0)

    finder = FaceFinder(Off(face_at(0, 0)))
    for index in range(30):
        found = finder.update(grey_frame(portrait, index))
        assert np.abs(found.faces.xyxy - face_at(0, 0).xyxy).max() < 3


def test_a_coarse_look_that_sees_a_face_tilt_or_straighten_up_is_repeated_in_full(portrait: np.ndarray) -> None:
    def rolled(roll_deg: float) -> Faces:
        face = face_at(0, 0)
        face.squares[:, 3] = roll_deg
        return face

    tilted = range(15, 65)
    detector = Told({index: rolled(25 if index in tilted else 0) for index in range(120)})
    finder = FaceFinder(detector)
    told = [finder.update(grey_frame(portrait, index)).faces.squares[0, 3] for index in range(120)]
    late = math.ceil(STEADY_S * 25)
    assert told[: tilted.start] == [0] * tilted.start
    assert told[tilted.start + late : tilted.stop] == [25] * (len(tilted) - late)
    assert told[tilted.stop + late :] == [0] * (120 - tilted.stop - late)
    both = [index for index in range(120) if [at for at, _ in detector.asked].count(index) == 2]
    assert len(both) == 2  # and only where it changes


@pytest.mark.parametrize("every", [2, 5, 12])
def test_a_moving_face_is_where_it_should_be_on_every_frame(portrait: np.ndarray, every: int) -> None:
    frames, truth = walk(portrait, 25)
    finder = FaceFinder(Told(truth), detect_every=every)
    for frame in frames:
        found = finder.update(frame)
        assert found.track_ids.tolist() == [1]
        assert found.looked == (frame.index % every == 0)
        assert iou(found.faces.xyxy, truth[frame.index].xyxy)[0, 0] > 0.85


def test_a_picture_that_moves_is_looked_at_more_often(portrait: np.ndarray) -> None:
    frames, truth = walk(portrait, 30)
    moving, steady = Told(truth), Told(face_at(0, 0))
    run(FaceFinder(moving), frames)
    run(FaceFinder(steady), [grey_frame(portrait, index) for index in range(30)])
    assert len({at for at, _ in moving.asked}) > len({at for at, _ in steady.asked})


def test_looking_at_every_frame_takes_the_detectors_word(portrait: np.ndarray) -> None:
    frames, truth = walk(portrait, 6)
    truth[3] = Faces.empty()
    finder = FaceFinder(Told(truth), detect_every=1)
    for frame in frames:
        found = finder.update(frame)
        assert found.looked
        np.testing.assert_array_equal(found.faces.xyxy, truth[frame.index].xyxy)
    assert finder.track_count == 1


def test_a_cut_is_looked_at_at_once_and_ends_the_track(portrait: np.ndarray) -> None:
    other = shifted(cv2.flip(portrait, 0).astype(np.uint8), (150, 0))
    frames = [grey_frame(portrait if index < 4 else other, index) for index in range(8)]
    detector = Told({index: face_at(0, 0) if index < 4 else face_at(60, 10) for index in range(8)})
    ids, looked = run(FaceFinder(detector), frames)
    assert looked == [index in (0, 4) for index in range(8)]
    assert ids == [[1]] * 4 + [[2]] * 4


def test_a_face_that_is_covered_for_a_moment_keeps_its_id(portrait: np.ndarray) -> None:
    covered = portrait.copy()
    covered[50:210, 160:300] = np.random.default_rng(0).integers(0, 255, (160, 140), np.uint8)
    shown = [portrait] * 5 + [covered] * 6 + [portrait] * 10
    truth = {index: face_at(0, 0) for index, grey in enumerate(shown) if grey is portrait}
    ids, _ = run(FaceFinder(Told(truth)), [grey_frame(grey, index) for index, grey in enumerate(shown)])
    assert ids[:5] == [[1]] * 5
    assert ids[5:11] == [[]] * 6
    assert ids[-5:] == [[1]] * 5


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([10, 15, 24, 25, 30, 50]), st.data())
def test_a_face_that_is_missed_for_up_to_half_a_second_keeps_its_id_whenever_it_goes(
    portrait: np.ndarray, fps: int, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(1, fps // 2), "frames gone")
    first = data.draw(st.integers(1, fps), "first of them")
    covered = portrait.copy()
    covered[50:210, 160:300] = np.random.default_rng(0).integers(0, 255, (160, 140), np.uint8)
    shown = [portrait] * first + [covered] * gone + [portrait] * fps
    truth = {index: face_at(0, 0) for index, grey in enumerate(shown) if grey is portrait}
    frames = [grey_frame(grey, index, index / fps) for index, grey in enumerate(shown)]
    ids, _ = run(FaceFinder(Told(truth)), frames)
    assert ids[-1] == [1]
    unseen = ids[first + gone :].count([])
    assert unseen <= math.ceil(MOVING_S * fps), "it is found soon"
    assert all(entry in ([], [1]) for entry in ids)


def test_a_face_that_returns_a_little_later_is_found_soon(portrait: np.ndarray) -> None:
    """Among others, who alone would be looked at every half second."""
    wall = np.full((400, 1024), 90, np.uint8)
    wall[:, :512] = portrait[:400]
    both = wall.copy()
    both[:, 512:] = portrait[:400]
    here, there = face_at(0, 0), face_at(512, 0)
    seen = Faces.joined([here, there])
    shown = [both] * 5 + [wall] * 18 + [both] * 13
    truth = {index: here if grey is wall else seen for index, grey in enumerate(shown)}
    ids, _ = run(FaceFinder(Told(truth)), [grey_frame(grey, index) for index, grey in enumerate(shown)])
    assert [len(entry) for entry in ids[23:]].count(1) <= math.ceil(MOVING_S * 25)
    assert ids[-1] == [1, 3]


def test_who_takes_anothers_place_where_nobody_moves_is_seen_at_once(portrait: np.ndarray) -> None:
    """On every other frame nobody is followed then; whichever that is."""
    other = portrait.copy()
    other[40:240, 130:330] = cv2.flip(portrait, 0)[260:460, 130:330]
    for first in (5, 6):
        frames = [grey_frame(portrait if index < first else other, index) for index in range(10)]
        ids, _ = run(FaceFinder(Told(face_at(0, 0))), frames)
        assert ids == [[1]] * first + [[2]] * (10 - first)


def test_who_took_anothers_place_is_looked_at_once_more_soon_and_then_as_everybody(portrait: np.ndarray) -> None:
    """The one before would only come back by another cut: nobody waits for that."""
    other = portrait.copy()
    other[40:240, 130:330] = cv2.flip(portrait, 0)[260:460, 130:330]
    frames = [grey_frame(portrait if index < 5 else other, index) for index in range(40)]
    _, looked = run(FaceFinder(Told(face_at(0, 0))), frames)
    soon, later = math.ceil(MOVING_S * 25), math.ceil(STEADY_S * 25)
    assert [index for index, at in enumerate(looked) if at] == [0, 5, 5 + soon, 5 + soon + later, 5 + soon + 2 * later]


def test_an_empty_picture_is_looked_at_now_and_then() -> None:
    wall = np.full((120, 160), 90, np.uint8)
    detector = Told({})
    _, looked = run(FaceFinder(detector), [grey_frame(wall, index) for index in range(21)])
    assert [index for index, at in enumerate(looked) if at] == list(range(0, 21, round(EMPTY_S * 25)))


def test_frames_far_apart_in_time_are_all_looked_at(portrait: np.ndarray) -> None:
    detector = Told(face_at(0, 0))
    _, looked = run(FaceFinder(detector), [grey_frame(portrait, index, index * 1.0) for index in range(4)])
    assert all(looked)


def test_the_same_frames_give_the_same_faces_again(portrait: np.ndarray) -> None:
    def boxes() -> list[np.ndarray]:
        with create_detector("yunet") as detector:
            finder = FaceFinder(detector)
            return [finder.update(frame).faces.squares for frame in walk(portrait, 14)[0]]

    for one, other in zip(boxes(), boxes(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(one) == 1


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FaceFinder(FakeDetector(), detect_every=0)


@pytest.mark.data
def test_each_of_four_speakers_keeps_an_id_until_the_next_takes_the_place(
    shared_media: Callable[[str], Path],
) -> None:
    ids: dict[tuple[int, bool, bool], set[int]] = {}
    with create_detector("yunet") as detector, FileSource(shared_media("grid_four_720p.mp4")) as source:
        finder = FaceFinder(detector)
        for frame in source:
            found = finder.update(frame)
            assert len(found.faces) == 4
            for (x, y, _, _), track in zip(found.faces.squares.tolist(), found.track_ids.tolist(), strict=True):
                ids.setdefault((frame.index // 75, x > 640, y > 360), set()).add(track)
    assert len(ids) == 16
    assert all(len(tracks) == 1 for tracks in ids.values())
    assert finder.track_count >= 12


@pytest.mark.data
@pytest.mark.parametrize("name", ["tears_of_steel_360p.mp4", "two_people_turning.gif", "classroom.gif"])
def test_nearly_all_faces_are_found_that_looking_at_every_frame_finds(
    shared_media: Callable[[str], Path], name: str
) -> None:
    faces = hits = extra = 0
    with create_detector("yunet") as detector, FileSource(shared_media(name)) as source:
        finder = FaceFinder(detector)
        for frame in source:
            truth, ours = detector.detect(frame).xyxy, finder.update(frame).faces.xyxy
            overlap = iou(truth, ours)
            faces += len(truth)
            hits += int((overlap.max(1, initial=0) >= 0.5).sum())
            extra += int((overlap.max(0, initial=0) < 0.5).sum())
    assert hits >= 0.98 * faces > 0
    assert extra <= 0.02 * faces
