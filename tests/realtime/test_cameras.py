from fractions import Fraction

import numpy as np
import pytest

from fer_live.errors import SourceError
from fer_live.realtime.cameras import CameraSource
from fer_live.realtime.testing import FakeCapture


def images(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.full((height, width, 3), 10 * index, np.uint8) for index in range(count)]


def test_a_camera_gives_live_frames_until_it_is_unplugged() -> None:
    capture = FakeCapture(images(4), fps=29.97)
    clock = iter([9.0, 10.0, 10.5, 11.5])
    with CameraSource(1, open_capture=lambda index: capture, clock=lambda: next(clock)) as camera:
        assert camera.info.is_live and camera.info.size_wh == (64, 48) and camera.info.frame_count is None
        assert camera.info.name == "camera 1" and camera.info.fps == Fraction(2997, 100)
        frames = []
        with pytest.raises(SourceError, match="camera 1 gives no frames"):
            clock = iter([10.0, 10.5, 11.5, 12.0])
            for frame in camera:
                frames.append(frame)
    assert capture.released
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [0.0, 0.5, 1.5]
    assert [int(frame.y[0, 0]) for frame in frames] == [25, 33, 42]  # the stale first image is not among them


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
    capture = FakeCapture([*images(2), *images(1, 96, 128)])
    with CameraSource(open_capture=lambda index: capture) as camera:
        frames = iter(camera)
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
