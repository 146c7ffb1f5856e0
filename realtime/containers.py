"""Opening media files: which stream is the picture, where the time line starts, how time stays monotonic."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.container
from av.stream import Disposition
from av.video.stream import VideoStream

from fer_live.errors import SourceError, first_line

__all__ = [
    "INDEX_FIRST",
    "LONGEST_PAUSE_S",
    "Timeline",
    "duration_of",
    "is_cut_short",
    "is_still_image",
    "open_input",
    "open_pipe",
    "own_duration_of",
    "picture_stream",
    "rate_of",
    "refuse_text",
    "refuse_too_large",
    "start_of",
]

INDEX_FIRST = "an MP4 must have its index first (-movflags faststart), or send MPEG-TS or Matroska"
"""What to do about an MP4 that comes through a pipe and keeps for its end where its frames are."""

LONGEST_PAUSE_S = 4 * 3600
"""A longer step from one time stamp to the next is no pause in a recording but a clock that was set; it is closed.

Recordings of what moves in front of a camera do pause for hours. MP4 has no room for 5 (2**31 ticks of 1/120,000 s).
"""

# FFmpeg draws any text file as ANSI art and plays binaries as if they were: never what somebody meant.
_TEXT_ART = frozenset({"adf", "bin", "idf", "tty", "xbin"})
_WAY_OUT = "give a video, GIF or image file"
_FAR_BACK_S = 1
_BACK_IN_A_ROW = 3
"""A picture stored between two others may be out of place with the next one; FFmpeg's order is right."""
_MOST_PIXELS = 8192 * 8192  # twice what 8K video has


def open_input(path: Path) -> av.container.InputContainer:
    """Open a media file for reading.

    Raises:
        SourceError: no such file, a directory, a pipe or device, not readable, or not a media file.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            # Opening a pipe that nobody writes to never returns, and sizes and seeking need a file.
            raise SourceError(f"{path}: is no ordinary file but a pipe or device; {_WAY_OUT}")
        path.open("rb").close()
        # "file:" keeps a colon in a name from being read as a protocol, pattern_type a "%03d" as a sequence.
        container = av.open(f"file:{path}", "r", options={"pattern_type": "none"}, metadata_errors="replace")
    except (OSError, ValueError, av.FFmpegError) as error:
        raise SourceError(f"{path}: {_reason(path, error)}") from error
    return refuse_text(container, str(path))


def open_pipe(url: str = "pipe:0") -> av.container.InputContainer:
    """Open standard input, or another descriptor's pipe, for reading; waits until there is something to read.

    Raises:
        SourceError: it is empty, or not a video or image.
    """
    try:
        container = av.open(url, "r", metadata_errors="replace")
    except (OSError, ValueError, av.FFmpegError) as error:
        raise SourceError(
            f"standard input: nothing came that can be read as a video ({first_line(error).partition(':')[0]}); "
            + INDEX_FIRST
        ) from error
    return refuse_text(container, "standard input")


def refuse_text(container: av.container.InputContainer, name: str) -> av.container.InputContainer:
    """The container, unless FFmpeg takes text for a film.

    Raises:
        SourceError: it does.
    """
    if container.format.name in _TEXT_ART:
        container.close()
        raise SourceError(f"{name}: not a video or image, it looks like text; {_WAY_OUT}")
    return container


def _reason(path: Path, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "no such file; check the path"
        case IsADirectoryError():
            return f"is a folder; {_WAY_OUT}"
        case PermissionError():
            return "permission denied; make the file readable for this user"
        case OSError(errno=errno.ENAMETOOLONG):
            return "the name is too long; check the path"
        case OSError() if not isinstance(error, av.FFmpegError):
            return f"cannot be read ({error.strerror or error}); check the path"
    empty = path.is_file() and path.stat().st_size == 0
    return f"{'is empty' if empty else 'not a video or image that can be read, or damaged'}; {_WAY_OUT}"


def picture_stream(
    container: av.container.InputContainer, path: str | os.PathLike[str], number: int | None = None
) -> VideoStream:
    """The video stream to read; a cover picture in a sound file is none.

    Decoding a still image of it raises where the picture is damaged or cut off.

    Args:
        container: the opened file.
        path: its name, for messages.
        number: which of its video streams, 0 for the first; None for the one that FFmpeg thinks best.

    Raises:
        SourceError: there is no such video stream, no decoder for it, or its pictures are larger than any video's.
    """
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        has = "sound with a cover picture" if container.streams.video else kinds
        raise SourceError(f"{path}: has no video stream (found {has}); {_WAY_OUT}")
    if number is not None and number >= len(moving):
        numbers = "0" if len(moving) == 1 else f"0 to {len(moving) - 1}"
        raise SourceError(f"{path}: has no video stream {number}; its video streams have the numbers {numbers}")
    wanted = moving if number is None else [moving[number]]
    usable = [s for s in wanted if s.codec_context is not None]
    if not usable:
        raise SourceError(f"{path}: its video codec is not supported; convert it to H.264 first")
    best = container.streams.best("video")
    chosen = next((s for s in usable if best is not None and s.index == best.index), usable[0])
    if is_still_image(container):
        # One may be larger: there is only one of it in memory. A JPEG that was cut off would else be whole, with grey.
        chosen.codec_context.options = {"err_detect": "explode"}
    else:
        refuse_too_large(path, (chosen.codec_context.width, chosen.codec_context.height))
    return chosen


def refuse_too_large(name: str | os.PathLike[str], size_wh: tuple[int, int]) -> None:
    """Refuse moving pictures that are larger than any video's: dozens of them are in memory at a time.

    A GIF of 700 bytes can ask for a gigabyte a frame.

    Raises:
        SourceError: they are.
    """
    width, height = size_wh
    if width * height > _MOST_PIXELS:
        raise SourceError(
            f"{name}: its pictures are too large, {width}x{height}; scale them to {_MOST_PIXELS:,} pixels or less"
        )


def is_still_image(container: av.container.InputContainer) -> bool:
    """Whether the file is one picture (JPEG, PNG, …) and has no time."""
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def start_of(container: av.container.InputContainer) -> Fraction:
    """When the file's time line starts, in seconds: the earliest start of its pictures and sounds, exactly."""
    starts = [
        s.start_time * s.time_base
        for s in container.streams
        if s.type in ("audio", "video") and s.start_time is not None and s.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def own_duration_of(stream: VideoStream) -> Fraction | None:
    """How long the file says that its pictures last, in seconds; None where it doesn't."""
    if stream.duration and stream.time_base is not None:
        return stream.duration * stream.time_base
    # Matroska notes it as a tag, "00:00:01.200000000".
    if found := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = found.groups()
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    return None


def duration_of(container: av.container.InputContainer, stream: VideoStream) -> Fraction | None:
    """How long the pictures last, in seconds; of the whole file where it tells no more, None where it tells nothing."""
    own = own_duration_of(stream)
    if own is not None:
        return own
    return Fraction(container.duration, 1_000_000) if container.duration else None


def is_cut_short(container: av.container.InputContainer, stream: VideoStream) -> bool:
    """Whether the file ends before the last frame that its index names; False where it has no index."""
    entries = stream.index_entries
    if not entries:
        return False
    return entries[-1].pos + entries[-1].size > container.size


def rate_of(stream: VideoStream) -> Fraction | None:
    """Its average frame rate; None where it tells none that can be."""
    # Some containers declare their clock (90000) as the rate.
    rates = (stream.average_rate, stream.guessed_rate)
    return next((rate for rate in rates if rate is not None and 0 < rate <= 1000), None)


class Timeline:
    """Turns a stream's time stamps into strictly increasing seconds since the file's start.

    A stamp in order is kept exactly. One that is missing comes a frame after the last. One that repeats the last, or
    one or two that step back by less than a second (a wrong order), come one tick after it.

    Others show that another clock begins (joined recordings, a counter that wrapped, a clock that was set): it and
    all that follow are moved to come a frame after the last. That is a step back of a second or more; three stamps in
    a row, each after the other, that don't go on, for pictures come out of a decoder in the order in which they
    are shown; and a step ahead of more than ``LONGEST_PAUSE_S``.
    """

    def __init__(
        self,
        start: Fraction,
        tick: Fraction,
        frame: Fraction,
        *,
        earliest: Fraction = Fraction(0),
        joined: Callable[[Fraction], Fraction] = lambda moved: moved,
    ) -> None:
        """A time line that starts at ``start`` of the file's own clock; all in seconds.

        ``tick``: the least step; ``frame``: how long a frame usually lasts; ``earliest``: the first is put no earlier;
        ``joined``: asked where another clock begins: by how much it is moved, given by how much it would be.
        """
        self._earliest = earliest
        self._joined = joined
        self._start = start
        self._offset = -start
        self._tick = tick
        self._frame = frame
        self._last: Fraction | None = None
        self._reached = Fraction(0)  # by stamps of the present clock
        self._back: tuple[Fraction, ...] = ()  # stamps in a row before that
        self.clocks = 1
        """How many clocks there were so far."""

    @property
    def moved(self) -> Fraction:
        """By how many seconds the present clock is moved; 0 before another one begins."""
        return self._offset + self._start

    def place(self, stamp: Fraction | None) -> Fraction:
        """Seconds since the start for the next frame, whose time stamp is ``stamp`` seconds or unknown."""
        if self._last is None:
            self._last = max(self._earliest, self._first(stamp))
        elif stamp is None:
            self._last += self._frame
        else:
            time = self._next(stamp, self._last)
            self._last = time if time > self._last else self._last + self._tick
        return self._last

    def _first(self, stamp: Fraction | None) -> Fraction:
        if stamp is None:
            return Fraction(0)
        if stamp + self._offset > LONGEST_PAUSE_S:
            return self._begin(stamp, Fraction(0))
        self._reached = stamp + self._offset
        return self._reached

    def _next(self, stamp: Fraction, last: Fraction) -> Fraction:
        """Where a stamp belongs; what is not after the last frame is to come a tick after it."""
        time = stamp + self._offset
        if time <= last - _FAR_BACK_S or time > last + LONGEST_PAUSE_S:
            return self._begin(stamp, last + self._frame)
        if time > self._reached or (time == self._reached and not self._back):
            self._back = ()
            self._reached = time
            return time
        self._back = (*self._back, stamp) if self._back and stamp > self._back[-1] else (stamp,)
        if len(self._back) < _BACK_IN_A_ROW:
            return last
        self._begin(self._back[0], self._reached + self._frame)
        self._reached = stamp + self._offset
        return self._reached

    def _begin(self, stamp: Fraction, time: Fraction) -> Fraction:
        """Another clock, on which ``stamp`` is at ``time``."""
        self.clocks += 1
        self._offset = self._joined(time - stamp + self._start) - self._start
        self._reached = stamp + self._offset
        self._back = ()
        return self._reached
