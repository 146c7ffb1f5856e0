"""Opening media files: which stream is the picture, where the time line starts, how long it lasts."""

from __future__ import annotations

import errno
import os
import re
import stat
from fractions import Fraction
from pathlib import Path

import av
import av.container
from av.stream import Disposition
from av.video.stream import VideoStream

from fer_live.errors import SourceError, first_line

__all__ = [
    "INDEX_FIRST",
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

# FFmpeg draws any text file as ANSI art and plays binaries as if they were: never what somebody meant.
_TEXT_ART = frozenset({"adf", "bin", "idf", "tty", "xbin"})
_WAY_OUT = "give a video, GIF or image file"
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
