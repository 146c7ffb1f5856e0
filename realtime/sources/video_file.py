"""Frames of a video, GIF or image file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import av.container
from av.video.frame import VideoFrame

from fer_live.errors import SourceError
from fer_live.realtime.containers import (
    INDEX_FIRST,
    duration_of,
    is_cut_short,
    is_still_image,
    open_input,
    own_duration_of,
    picture_stream,
    rate_of,
    start_of,
)
from fer_live.realtime.datatypes import Frame, SourceInfo
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.timeline import Timeline

from .conversion import Conversion
from .deinterlace import Deinterlacer
from .file_ends import ends_early
from .network import STALL_S

__all__ = ["FileSource"]

_NO_THREADS = "the system gives this user or container no more threads; allow more (ulimit -u, --pids-limit)"


class FileSource:
    """A video, GIF or image file as :class:`Frame`s, decoded by PyAV; a :class:`~.datatypes.Source`.

    Planes: see :class:`~.conversion.Conversion`. Rotation noted in the file is applied, pictures that are flagged as
    interlaced are deinterlaced, and later frames of another size are scaled to the first one's.

    ``time_s`` is exact, from the time stamps: seconds since the earliest of the file's picture and sound streams
    begins. It increases strictly; :class:`~.timeline.Timeline` says what becomes of stamps that don't.
    ``info.frame_count`` is what the container declares, else an estimate from duration and rate, else None: the
    true number may differ from both (a cut in the container, a damaged end).

    It can be iterated once. Iterate in one thread and leave the context after that thread has ended: closing the
    file under a thread that decodes is not safe.

    Args:
        path: of the file; where ``container`` is given, only its name for messages.
        stream: which of its video streams, 0 for the first; None for the one that the file or FFmpeg prefers.
        container: the file, opened already; this source closes it.
        writable: whether somebody will draw on the frames; see :class:`~.conversion.Conversion`.

    Raises:
        SourceError: at construction, where the file cannot be opened or not one frame of it be decoded, or it is a
            picture that is damaged or cut off. Damage after the first frame is no error: what can be read comes out,
            and ``warnings`` tells.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        stream: int | None = None,
        container: av.container.InputContainer | None = None,
        writable: bool = True,
    ) -> None:
        self._path = os.fspath(path)
        self._stopped = False
        self._damaged = 0
        self._cut_short: str | None = None
        self._count = 0
        self._short_of: int | None = None
        self._ends_s: tuple[float, float] | None = None
        self._file = Path(path) if container is None else None
        self._lacks_end = False
        self._container = open_input(Path(path)) if container is None else container
        try:
            self._stream = picture_stream(self._container, self._path, stream)
            self._stream.thread_type = "FRAME"
            self._decoded = self._decode()
            first = next(self._decoded, None)
            still = is_still_image(self._container)
            if first is None or (still and self._file is not None and ends_early(self._file)):
                raise SourceError(f"{self._path}: {self._why_nothing()}")
            self._first: VideoFrame | None = first
            self._conversion = Conversion.of(first, writable=writable)
            self._info = self._describe()
        except BaseException:
            self._container.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, one line each; complete once the frames were read."""
        if self._short_of is not None:
            return (
                f"{self._path}: {self._count} of {self._short_of} frames could be read; "
                "the file is damaged or cut short, as by a download or copy that broke off",
            )
        found = []
        if self._ends_s is not None and self._cut_short is None:
            found.append(
                f"{self._path}: the picture ends at {self._ends_s[0]:.1f} s of {self._ends_s[1]:.1f} s; "
                "the file is cut short, as by a download or copy that broke off"
            )
        if self._cut_short is not None:
            found.append(
                f"{self._path}: the file is damaged or cut short after frame {self._count} ({self._cut_short}); "
                "what came before was read"
            )
        if self._lacks_end and not found:
            found.append(
                f"{self._path}: the file is cut short, as by a download or copy that broke off; the {self._count} "
                "frames that are there were read"
            )
        if self._damaged:
            found.append(f"{self._path}: {self._damaged} damaged places; frames may be missing or smeared")
        return tuple(found)

    @property
    def state(self) -> SourceState:
        """A file is never lost."""
        return SourceState()

    def stop(self) -> None:
        """End the iteration after the frame at hand; from any thread."""
        self._stopped = True

    def _why_nothing(self) -> str:
        if is_still_image(self._container):
            return "is damaged or cut off; give the whole picture"
        if self._file is None and "mp4" in self._container.format.name:
            return f"no frame could be decoded; {INDEX_FIRST}"
        return "no frame could be decoded; the file is damaged or not a video"

    def _declared_if_short(self) -> int | None:
        """How many frames the container declares, where it was read to its end, is broken and gave fewer."""
        declared = self._stream.frames
        if self._count >= declared:
            return None
        if is_cut_short(self._container, self._stream):
            return declared
        # A few less mean nothing: an edit list may leave them out.
        damaged = self._damaged > 0 or self._cut_short is not None
        return declared if damaged and self._count < 0.9 * declared else None

    def __iter__(self) -> Iterator[Frame]:
        if self._first is None:
            raise RuntimeError("a FileSource can be iterated once: open the file again")
        first, self._first = self._first, None
        return self._frames(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def _frames(self, first: VideoFrame) -> Iterator[Frame]:
        base = self._stream.time_base or Fraction(1, 1000)
        rate = self._info.fps or Fraction(25)
        timeline = Timeline(start_of(self._container), tick=min(base, 1 / rate), frame=1 / rate)
        frame: VideoFrame | None = first
        index = 0
        while frame is not None and not self._stopped:
            stamp = frame.pts if frame.pts is not None else frame.dts
            time = timeline.place(None if stamp is None else stamp * (frame.time_base or base))
            planes = self._conversion.planes(frame)
            limited = self._info.colour.limited_range
            yield Frame(*planes, index, float(time), limited, float(timeline.moved))
            index += 1
            frame = next(self._decoded, None)
        if self._stopped:
            return
        # A tenth and a second: the last frame may be shown for long, and edit lists may leave some out.
        last_s, duration = float(time), own_duration_of(self._stream)
        if duration is not None and timeline.clocks == 1 and last_s + 1 < 0.9 * float(duration):
            self._ends_s = (last_s, float(duration))

    def _decode(self) -> Iterator[VideoFrame]:
        deinterlacer = Deinterlacer()
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.ExitError:
                self._cut_short = f"nothing came for {STALL_S:g} s"
                packet = None
            except av.FFmpegError as error:
                self._cut_short = error.strerror or type(error).__name__
                packet = None
            if packet is not None and packet.is_corrupt:
                self._damaged += 1
            try:
                # A container that ends well sends its own flushing packet last.
                frames = self._stream.decode(packet) if packet is not None or self._cut_short else []
            except av.FFmpegError as error:
                if isinstance(error, av.BlockingIOError) and not self._stream.codec_context.is_open:
                    raise SourceError(f"{self._path}: cannot be decoded: {_NO_THREADS}") from error
                self._damaged += 1
                frames = []
            for frame in frames:
                self._count += 1
                self._damaged += frame.is_corrupt
                yield from deinterlacer.push(frame)
            if packet is None:
                yield from deinterlacer.flush()
                self._short_of = self._declared_if_short()
                self._lacks_end = self._file is not None and ends_early(self._file)
                return

    def _describe(self) -> SourceInfo:
        stream = self._stream
        still = is_still_image(self._container)
        fps = None if still else rate_of(stream)
        count: int | None = 1 if still else stream.frames or None
        duration = duration_of(self._container, stream)
        if count is None and fps is not None and duration is not None:
            count = max(1, round(duration * fps))
        return SourceInfo(
            name=self._path,
            size_wh=self._conversion.size_wh,
            fps=fps,
            frame_count=count,
            is_live=False,
            colour=self._conversion.colour,
        )
