"""Live frames from a camera, through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.errors import SourceError

from .colour import planes_from_bgr
from .datatypes import ColourTags, Frame, SourceInfo

__all__ = ["CameraSource", "Capture"]

_BT601, _LIMITED = 6, True
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


class CameraSource:
    """A camera as :class:`Frame`s; a live :class:`~.datatypes.Source`.

    Asks for Motion JPEG (uncompressed video above VGA does not fit USB 2 at full rate), for ``size_wh`` and for a
    buffer of one frame; what the device makes of it is in ``info``. ``time_s``: seconds from the first frame, by
    ``clock`` when the frame was grabbed. Frames are BT.601, limited range.

    Iterate in one thread, leave the context after that thread has ended. The iteration has no end of its own.

    Args:
        index: the device's number, 0 to 255, 0 for the first.
        open_capture: opens the device; for tests (:class:`~.testing.FakeCapture`).
        clock: a monotonic clock in seconds.

    Raises:
        SourceError: at construction, where there is no such number, the camera does not open or gives no picture;
            while iterating, where it stops giving frames.
    """

    def __init__(
        self,
        index: int = 0,
        *,
        open_capture: Callable[[int], Capture] = open_native,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name = f"camera {index}"
        if not 0 <= index <= _MOST:
            raise SourceError(f"{self._name}: there is none; cameras have numbers from 0 to {_MOST}, 0 is the first")
        self._clock = clock
        with _opencv_silent():
            self._capture = open_capture(index)
            try:
                if not self._capture.isOpened():
                    raise SourceError(
                        f"{self._name} could not be opened: check that it is plugged in, that no other program uses "
                        "it and that this user may use it, or try another number"
                    )
                self._ask_for_format()
                # Its first picture tells the true size; it is not kept, for it is stale when the run starts.
                first = self._read()[0]
            except BaseException:
                self._capture.release()
                raise
        self._shape = first.shape
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._info = SourceInfo(
            name=self._name,
            size_wh=(first.shape[1], first.shape[0]),
            fps=Fraction(fps).limit_denominator(1001) if 0 < fps <= 1000 else None,
            frame_count=None,
            is_live=True,
            colour=ColourTags(matrix=_BT601, limited_range=_LIMITED),
        )

    @property
    def info(self) -> SourceInfo:
        """What the device agreed to."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        start_s: float | None = None
        index = 0
        while True:
            with _opencv_silent():
                image, grabbed_s = self._read()
            if start_s is None:
                start_s = grabbed_s
            if image.shape != self._shape:
                image = np.asarray(cv2.resize(image, self._info.size_wh, interpolation=cv2.INTER_AREA), np.uint8)
            yield Frame(*planes_from_bgr(image), index, grabbed_s - start_s, _LIMITED)
            index += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def _ask_for_format(self) -> None:
        # The format first: cameras offer different sizes for each.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, _SIZE_WH[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _SIZE_WH[1])
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _read(self) -> tuple[NDArray[np.uint8], float]:
        try:
            grabbed = self._capture.grab()
            grabbed_s = self._clock()
            ok, image = self._capture.retrieve() if grabbed else (False, None)
        except cv2.error as error:
            raise SourceError(f"{self._name} failed ({error.err or error}); plug it in again") from error
        if not ok or image is None:
            raise SourceError(
                f"{self._name} gives no frames: check its cable and that no other program uses it, then start again"
            )
        return image, grabbed_s


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
