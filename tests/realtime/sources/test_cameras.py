import itertools
import threading
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from fer_live.errors import SourceError
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.cameras import CameraSource
from fer_live.realtime.sources.live import Backoff
from fer_live.realtime.testing.fakes import FakeCapture


def images(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.full((height, width, 3), 10 * index, np.uint8) for index in range(count)]


AT_ONCE = Backoff(first_s=0.01, most_s=0.02, steady_s=0)
NEVER = Backoff(give_up_s=0)


def clock_of(*times_s: float) -> Callable[[], float]:
    times = iter(times_s)
    return lambda: next(times)


def test_a_camera_gives_live_frames_until_it_is_unplugged() -> None:
    gate = threading.Event()
    capture = FakeCapture(images(4), fps=29.97, gate=gate)
    clock = clock_of(9.0, 10.0, 10.5, 11.5, 12.0)
    with CameraSource(1, open_capture=lambda index: capture, clock=clock, backoff=NEVER) as camera:
        assert camera.info.is_live and camera.info.size_wh == (64, 48) and camera.info.frame_count is None
        assert camera.info.name == "camera 1" and camera.info.fps == Fraction(2997, 100)
        frames, given = [], iter(camera)
        gate.set()
        with pytest.raises(SourceError, match="camera 1 gives no frames"):
            frames.extend(given)
    assert capture.released
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.5]
    assert [int(frame.y[0, 0]) for frame in frames] == [25, 33, 42]  # the stale first image is not among them


def test_a_camera_that_is_plugged_in_again_goes_on() -> None:
    gate = threading.Event()
    captures = [
        FakeCapture(images(3), gate=gate),
        FakeCapture(opened=False),
        FakeCapture([]),
        FakeCapture(images(3, 96, 128), gate=gate),
    ]
    opened = iter(captures)
    clock = clock_of(0.0, 10.0, 10.5, 11.0, 12.0, 14.0, 14.5, 15.0, 16.0)
    told: list[SourceState] = []
    with CameraSource(
        0, open_capture=lambda index: next(opened), clock=clock, backoff=AT_ONCE, on_state=told.append
    ) as camera:
        given = iter(camera)
        gate.set()
        frames = [next(given) for _ in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 4.5, 5.0]
    assert {frame.size_wh for frame in frames} == {(64, 48)}
    assert all(capture.released for capture in captures)
    assert [state.is_lost for state in told[:2]] == [True, False]
    assert told[0].lost is not None and "camera 0 gives no frames" in told[0].lost
    assert camera.warnings[0].startswith("camera 0: was lost ")


def test_a_camera_that_does_not_come_back_in_time_is_an_error() -> None:
    captures = iter([FakeCapture(images(1))])
    backoff = Backoff(first_s=0.01, most_s=0.01, give_up_s=0.5)
    with CameraSource(open_capture=lambda index: next(captures, FakeCapture(opened=False)), backoff=backoff) as camera:
        with pytest.raises(SourceError, match=r"camera 0 could not be opened: .*; gave up after 0.5 s"):
            list(camera)
        assert camera.state.is_lost and camera.state.attempt > 1


def test_waiting_for_a_camera_ends_when_asked() -> None:
    captures = iter([FakeCapture(images(1))])
    lost = threading.Event()
    with CameraSource(
        open_capture=lambda index: next(captures), backoff=Backoff(first_s=60), on_state=lambda state: lost.set()
    ) as camera:
        threading.Thread(target=lambda: (lost.wait(), camera.stop())).start()
        assert list(camera) == []
        assert camera.state.line(camera.state.since_s + 3) == (
            "lost for 3 s, reconnecting: camera 0 gives no frames: check its cable and that no other program uses it"
        )


def test_a_driver_that_hangs_is_left_behind() -> None:
    gate = threading.Event()
    capture = FakeCapture(images(5), gate=gate)
    with CameraSource(open_capture=lambda index: capture) as camera:
        given = iter(camera)
        camera.stop()
        assert list(given) == []
    assert not capture.released  # nobody may close it under the thread that is in it
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "fer-live feed":
            thread.join()
    assert capture.released


@for_all(st.integers(0, 99), st.floats(0.1, 2), st.floats(2, 20), st.floats(0, 0.9))
def test_waits_double_up_to_the_most(seed: int, first_s: float, most_s: float, jitter: float) -> None:
    backoff = Backoff(first_s, most_s, jitter, seed=seed)
    delays = list(itertools.islice(backoff.delays_s(), 12))
    for n, delay in enumerate(delays):
        full = min(most_s, first_s * 2**n)
        assert full * (1 - jitter) <= delay <= full
    assert delays == list(itertools.islice(backoff.delays_s(), 12))


def test_a_camera_is_asked_for_motion_jpeg_hd_and_a_short_buffer() -> None:
    import cv2

    capture = FakeCapture(images(1))
    with CameraSource(open_capture=lambda index: capture):
        assert list(capture.settings.items()) == [
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, 1280),
            (cv2.CAP_PROP_FRAME_HEIGHT, 720),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ]


def test_a_camera_that_changes_its_size_is_scaled_back() -> None:
    gate = threading.Event()
    capture = FakeCapture([*images(2), *images(1, 96, 128)], gate=gate)
    with CameraSource(open_capture=lambda index: capture) as camera:
        frames = iter(camera)
        gate.set()
        assert [next(frames).size_wh for _ in range(2)] == [(64, 48)] * 2


@pytest.mark.parametrize("capture", [FakeCapture(opened=False), FakeCapture([])])
def test_a_camera_that_does_not_open_or_is_dark(capture: FakeCapture) -> None:
    with pytest.raises(SourceError, match=r"camera 0 (could not be opened|gives no frames): check"):
        CameraSource(0, open_capture=lambda index: capture)
    assert capture.released


def test_a_camera_that_is_not_there_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    import cv2

    level = cv2.utils.logging.getLogLevel()
    with pytest.raises(SourceError, match="camera 77 could not be opened"):
        CameraSource(77)
    assert capfd.readouterr() == ("", "")
    assert cv2.utils.logging.getLogLevel() == level


@pytest.mark.parametrize("index", [-1, 256, 99_999_999_999])
def test_a_camera_number_that_cannot_be_is_refused(index: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=rf"camera {index}: .* 0 to 255"):
        CameraSource(index)
    assert capfd.readouterr() == ("", "")
