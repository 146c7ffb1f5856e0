"""The camera of a browser: JPEG pictures that come over its WebSocket, as a live source."""

from __future__ import annotations

import time
from collections.abc import Callable

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from fer_live.errors import SourceError
from fer_live.realtime.channel import Aborted, Channel, Overflow
from fer_live.realtime.datatypes import SourceInfo
from fer_live.realtime.sources.conversion import Conversion, Planes
from fer_live.realtime.sources.live import Backoff, LiveSource

__all__ = ["MOST_PIXELS", "BrowserCamera"]

MOST_PIXELS = 1920 * 1920
"""Width times height of a picture; FFmpeg refuses larger ones before it takes memory for them."""

OPEN_S = 15.0
"""How long the first picture may take."""

STALL_S = 3.0
"""After so long without a picture the view says that it is lost."""

NAME = "this browser's camera"


class BrowserCamera:
    """Takes pictures on the event loop's thread, and opens the source that gives them.

    Args:
        on_taken: called when a picture was taken for work, on another thread: the browser may send the next one, so
            that never more than one is on its way.
    """

    def __init__(self, on_taken: Callable[[], object]) -> None:
        self._pictures: Channel[tuple[bytes, float]] = Channel(1, Overflow.DROP_OLDEST)
        self._on_taken = on_taken

    def put(self, jpeg: bytes) -> None:
        """Take a picture."""
        try:
            self._pictures.put((jpeg, time.perf_counter()))
        except Aborted:
            pass  # ended meanwhile

    def end(self) -> None:
        """No more pictures come, and who waits for one is told."""
        self._pictures.abort()

    def open(self) -> LiveSource:
        """The source; waits for the first picture.

        Raises:
            SourceError: none came in time, or it is none.
        """
        return LiveSource(_Feed(self._pictures, self._on_taken), Backoff(most_s=1.0))


class _Feed:
    def __init__(self, pictures: Channel[tuple[bytes, float]], on_taken: Callable[[], object]) -> None:
        self._pictures, self._on_taken = pictures, on_taken
        self._conversion: Conversion | None = None
        self._decoder = _decoder()

    def open(self) -> SourceInfo:
        # What it shows is not kept: cameras begin with dark pictures.
        picture, _ = self._next(OPEN_S)
        if self._conversion is None:
            self._conversion = Conversion.of(picture)
        conversion = self._conversion
        return SourceInfo(NAME, conversion.size_wh, None, None, is_live=True, colour=conversion.colour)

    def read(self) -> tuple[Planes, float]:
        assert self._conversion is not None
        picture, came_s = self._next(STALL_S)
        return self._conversion.planes(picture), came_s

    def close(self) -> None:
        pass  # the browser holds the camera

    def _next(self, timeout_s: float) -> tuple[VideoFrame, float]:
        try:
            taken = self._pictures.get_many(1, fill=False, timeout_s=timeout_s)
        except Aborted as error:
            raise SourceError(f"{NAME}: its page was left") from error
        if not taken:
            raise SourceError(f"{NAME}: sends no pictures; is its tab in the background, or the camera off?")
        (jpeg, came_s) = taken[0]
        self._on_taken()
        return self._decoded(jpeg), came_s

    def _decoded(self, jpeg: bytes) -> VideoFrame:
        try:
            # An empty packet would tell the decoder that this was the last one.
            frames = self._decoder.decode(av.Packet(jpeg)) if jpeg else []
        except av.error.FFmpegError as error:
            self._decoder = _decoder()
            raise SourceError(f"{NAME}: sent what is no JPEG picture of at most {MOST_PIXELS} pixels") from error
        if not frames:
            raise SourceError(f"{NAME}: sent an empty picture")
        return frames[0]


def _decoder() -> VideoCodecContext:
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.options = {"max_pixels": str(MOST_PIXELS)}
    decoder.thread_count = 1  # more would hold pictures back
    return decoder
