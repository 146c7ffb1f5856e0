"""Live network streams, through PyAV."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import av
import av.container
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_live.errors import SourceError
from fer_live.realtime.containers import picture_stream, rate_of
from fer_live.realtime.datatypes import SourceInfo

from .conversion import Conversion, Planes
from .deinterlace import Deinterlacer
from .live import Backoff, Listener, LiveSource
from .network import OPEN_S, STALL_S, open_address, shown_address, silence_hint

__all__ = ["StreamSource"]

_AT_ONCE_S = 0.001  # less than any network takes


class StreamSource(LiveSource):
    """A live stream (RTSP, RTMP, MPEG-TS over UDP, Motion JPEG over HTTP, …) as :class:`~.datatypes.Frame`s.

    Every packet is decoded as soon as it comes, so that nothing piles up: behind a slow engine frames are dropped
    after decoding, never delayed. The decoder uses threads within a picture only, since threads across pictures hold
    pictures back. ``time_s`` is of the moment when a picture's packet came from the network; the sender's own stamps
    are not used: they start over with each connection, and many cameras' drift or jump.

    Args:
        address: of the stream.
        stream: which of its video streams, 0 for the first; None for the one that FFmpeg thinks best.
        container: the first connection, where it is open already.
        open_s: how long opening may take.
        stall_s: after so long without a picture the stream is taken for lost.
        clock: a monotonic clock in seconds.
        backoff: how to come back from an interruption.
        on_state: see :class:`~.live.LiveSource`.

    Raises:
        SourceError: at construction, where the stream cannot be opened or gives no picture; while iterating, where it
            broke and did not come back in time.
    """

    def __init__(
        self,
        address: str,
        *,
        stream: int | None = None,
        container: av.container.InputContainer | None = None,
        open_s: float = OPEN_S,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.perf_counter,
        backoff: Backoff = Backoff(),  # noqa: B008 (frozen)
        on_state: Listener | None = None,
    ) -> None:
        opened = [] if container is None else [container]

        def connect() -> av.container.InputContainer:
            return opened.pop() if opened else open_address(address, open_s=open_s, stall_s=stall_s)

        super().__init__(_PyavFeed(shown_address(address), connect, stream, stall_s, clock), backoff, on_state)


class _PyavFeed:
    def __init__(
        self,
        name: str,
        connect: Callable[[], av.container.InputContainer],
        number: int | None,
        stall_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._name, self._connect, self._number = name, connect, number
        self._stall_s, self._clock = stall_s, clock
        self._container: av.container.InputContainer | None = None
        self._conversion: Conversion | None = None
        self._ready: deque[tuple[VideoFrame, float]] = deque()

    def open(self) -> SourceInfo:
        self._container = self._connect()
        self._stream: VideoStream = picture_stream(self._container, self._name, self._number)
        self._stream.thread_type = "SLICE"
        # All streams: sound that goes on must not hide that no pictures come.
        self._packets: Iterator[Packet[Any]] = self._container.demux()
        self._deinterlacer = Deinterlacer()
        self._ready.clear()
        self._held_since_s: float | None = None
        first = self._decode_next(silence_hint(self._name))
        if first is None:
            raise SourceError(f"{self._name}: ended before there was a picture")
        if self._conversion is None:
            self._conversion = Conversion.of(first[0])
        self._ready.appendleft(first)
        return SourceInfo(
            name=self._name,
            size_wh=self._conversion.size_wh,
            fps=rate_of(self._stream),
            frame_count=None,
            is_live=True,
            colour=self._conversion.colour,
        )

    def read(self) -> tuple[Planes, float] | None:
        found = self._decode_next()
        if found is None:
            return None
        assert self._conversion is not None
        return self._conversion.planes(found[0]), found[1]

    def close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _decode_next(self, hint: str = "") -> tuple[VideoFrame, float] | None:
        waiting_since_s = time.monotonic()
        while not self._ready:
            asked_s = self._clock()
            try:
                packet = next(self._packets, None)
            except av.error.ExitError as error:
                raise SourceError(f"{self._name}: nothing came for {self._stall_s:g} s{hint}") from error
            except (OSError, av.FFmpegError) as error:
                raise SourceError(f"{self._name}: broke off ({error.strerror or type(error).__name__})") from error
            if packet is None:
                return None
            came_s = self._came_s(asked_s)
            if packet.stream.index == self._stream.index:
                try:
                    decoded = self._stream.decode(packet)
                except av.FFmpegError:
                    decoded = []  # the next key frame mends it
                for frame in decoded:
                    self._ready.extend((whole, came_s) for whole in self._deinterlacer.push(frame))
            if not self._ready and time.monotonic() - waiting_since_s > self._stall_s:
                raise SourceError(f"{self._name}: no picture came for {self._stall_s:g} s{hint}")
        return self._ready.popleft()

    def _came_s(self, asked_s: float) -> float:
        """When a packet that was just given came from the network.

        FFmpeg's demuxers and parsers keep the last packet or two until they see the next one begin. In a stall they
        give them when the wait is over, as late as that.
        """
        now_s = self._clock()
        if now_s - asked_s >= self._stall_s:
            self._held_since_s = asked_s
        elif now_s - asked_s > _AT_ONCE_S:
            self._held_since_s = None
        return now_s if self._held_since_s is None else self._held_since_s
