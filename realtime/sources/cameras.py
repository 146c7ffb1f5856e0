"""Live frames from a camera, through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.errors import SourceError
from fer_live.realtime.colour import planes_from_bgr
from fer_live.realtime.datatypes import ColourTags, SourceInfo

from .camera_names import find_camera
from .conversion import Planes
from .live import Backoff, Listener, LiveSource

__all__ = ["CameraSource", "Capture"]

_BT601 = 6
_SIZE_WH = (1280, 720)  # asked for; the camera may give another
_MOST = 255  # Linux numbers video devices up to here; a number beyond 32 bits makes OpenCV raise a dump


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that a camera source uses."""

    def isOpened(self) -> bool: ...  # noqa: D102
    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: D102
    def get(self, propId: int, /) -> float: ...  # noqa: D102
    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, Any]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def open_native(index: int) -> Capture:
    """Open camera ``index`` with the platform's own backend, the one that opens fastest there."""
    backends = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}
    return cv2.VideoCapture(index, backends.get(sys.platform, cv2.CAP_ANY))


class CameraSource(LiveSource):
    """A camera as :class:`~.datatypes.Frame`s.

    Asks for Motion JPEG (uncompressed video above VGA does not fit USB 2 at full rate), for 1280 x 720 and for a
    buffer of one frame; what the device makes of it is in ``info``. Times are of the grab. Frames are BT.601, limited
    range. A camera that was unplugged is opened again under its number; one that was asked for by name is looked for
    again, since it may come back with another number.

    Args:
        camera: the device's number, 0 to 255, 0 for the first; or a part of its name (:mod:`.camera_names`).
        open_capture: opens the device; for tests (:class:`~.testing.FakeCapture`).
        clock: a monotonic clock in seconds.
        backoff: how to come back from an interruption.
        on_state: see :class:`~.live.LiveSource`.

    Raises:
        SourceError: at construction, where there is no such camera, it does not open or gives no picture; while
            iterating, where it stopped to give frames and did not come back in time.
    """

    def __init__(
        self,
        camera: int | str = 0,
        *,
        open_capture: Callable[[int], Capture] = open_native,
        clock: Callable[[], float] = time.perf_counter,
        backoff: Backoff = Backoff(),  # noqa: B008 (frozen)
        on_state: Listener | None = None,
    ) -> None:
        if isinstance(camera, int) and not 0 <= camera <= _MOST:
            raise SourceError(f"camera {camera}: there is none; cameras have numbers from 0 to {_MOST}, 0 is the first")
        super().__init__(_CameraFeed(camera, open_capture, clock), backoff, on_state)


class _CameraFeed:
    def __init__(self, camera: int | str, open_capture: Callable[[int], Capture], clock: Callable[[], float]) -> None:
        self._camera, self._open_capture, self._clock = camera, open_capture, clock
        self._name = f"camera {camera}"
        self._capture: Capture | None = None
        self._size_wh: tuple[int, int] | None = None

    def open(self) -> SourceInfo:
        index = self._camera if isinstance(self._camera, int) else find_camera(self._camera)
        with _opencv_silent():
            self._capture = capture = self._open_capture(index)
            if not capture.isOpened():
                raise SourceError(
                    f"{self._name} could not be opened: check that it is plugged in, that no other program uses "
                    "it and that this user may use it, or try another number"
                )
            _ask_for_format(capture)
            # Its first picture tells the true size; it is not kept, for cameras begin with a dark or stale one.
            first = self._grab(capture)[0]
            fps = capture.get(cv2.CAP_PROP_FPS)
        if self._size_wh is None:
            self._size_wh = (first.shape[1], first.shape[0])
        return SourceInfo(
            name=self._name,
            size_wh=self._size_wh,
            fps=Fraction(fps).limit_denominator(1001) if 0 < fps <= 1000 else None,
            frame_count=None,
            is_live=True,
            colour=ColourTags(matrix=_BT601, limited_range=True),
        )

    def read(self) -> tuple[Planes, float]:
        assert self._capture is not None and self._size_wh is not None
        with _opencv_silent():
            image, grabbed_s = self._grab(self._capture)
        if image.shape[1::-1] != self._size_wh:
            image = np.asarray(cv2.resize(image, self._size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        return planes_from_bgr(image), grabbed_s

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _grab(self, capture: Capture) -> tuple[NDArray[np.uint8], float]:
        try:
            grabbed = capture.grab()
            grabbed_s = self._clock()
            ok, image = capture.retrieve() if grabbed else (False, None)
        except cv2.error as error:
            raise SourceError(f"{self._name} failed ({error.err or error}); plug it in again") from error
        if not ok or image is None:
            raise SourceError(f"{self._name} gives no frames: check its cable and that no other program uses it")
        return image, grabbed_s


def _ask_for_format(capture: Capture) -> None:
    # The format first: cameras offer different sizes for each.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE_WH[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE_WH[1])
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)


_silence = threading.Lock()
_silenced = 0
_level_before = 0


@contextmanager
def _opencv_silent() -> Iterator[None]:
    """OpenCV's log off: it prints to stderr what is raised here. The level is the whole process's, hence the count."""
    global _silenced, _level_before
    with _silence:
        if _silenced == 0:
            _level_before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _silenced += 1
    try:
        yield
    finally:
        with _silence:
            _silenced -= 1
            if _silenced == 0:
                cv2.utils.logging.setLogLevel(_level_before)
