"""The screen, through mss: the systems' own calls, by ctypes.

FFmpeg's grabber for X11, in PyAV's wheel, and OpenCV's windows each bring a libxcb: in one process they crash or block
each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import mss
import numpy as np
from av.video.frame import VideoFrame
from mss.exception import ScreenShotError

from fer_live.errors import SourceError, first_line
from fer_live.realtime.datatypes import SourceInfo

from .conversion import Conversion, Planes
from .live import Backoff, Listener, LiveSource

__all__ = ["ScreenSource"]

# mss asserts that the X server answers.
_ERRORS = (ScreenShotError, OSError, AssertionError)


class ScreenSource(LiveSource):
    """The first screen as :class:`~.datatypes.Frame`s.

    Linux: of the X display that DISPLAY names (not Wayland). macOS asks for the permission to record it.

    Args:
        fps: how often a second it is grabbed.
        clock: a monotonic clock in seconds.
        backoff: how to come back from an interruption.
        on_state: see :class:`~.live.LiveSource`.

    Raises:
        SourceError: there is no screen, or it may not be grabbed.
    """

    def __init__(
        self,
        *,
        fps: float = 25,
        clock: Callable[[], float] = time.perf_counter,
        backoff: Backoff = Backoff(),  # noqa: B008 (frozen)
        on_state: Listener | None = None,
    ) -> None:
        super().__init__(_ScreenFeed(fps, clock), backoff, on_state)


class _ScreenFeed:
    def __init__(self, fps: float, clock: Callable[[], float]) -> None:
        self._period_s, self._clock = 1 / fps, clock
        self._mss: mss.MSS | None = None
        self._conversion: Conversion | None = None

    def open(self) -> SourceInfo:
        try:
            self._mss = mss.MSS()
            self._area = self._mss.monitors[1]  # before it all of them together
        except (*_ERRORS, IndexError) as error:
            raise SourceError(
                f"screen: cannot be grabbed ({_reason(error)}); run where there is one, and this user may see it"
            ) from error
        self._next_s = self._clock()
        first = self._grab()
        if self._conversion is None:
            self._conversion = Conversion.of(first)
        return SourceInfo("screen", self._conversion.size_wh, None, None, True, self._conversion.colour)

    def read(self) -> tuple[Planes, float]:
        self._next_s = max(self._next_s + self._period_s, self._clock())
        time.sleep(max(0.0, self._next_s - self._clock()))
        came_s = self._clock()
        assert self._conversion is not None
        return self._conversion.planes(self._grab()), came_s

    def close(self) -> None:
        grabber, self._mss = self._mss, None
        if grabber is not None:
            grabber.close()

    def _grab(self) -> VideoFrame:
        assert self._mss is not None
        try:
            shot = self._mss.grab(self._area)
        except _ERRORS as error:
            raise SourceError(f"screen: cannot be grabbed any more ({_reason(error)})") from error
        pixels = np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)
        return VideoFrame.from_ndarray(pixels, format="bgra")


def _reason(error: Exception) -> str:
    return "the display does not answer" if isinstance(error, AssertionError) else first_line(error)
