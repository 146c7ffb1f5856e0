"""Frames from many image files: a folder of them, or a numbered sequence."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.video.frame import VideoFrame

from fer_live.errors import SourceError
from fer_live.realtime.containers import is_still_image, open_input, picture_stream, refuse_too_large
from fer_live.realtime.datatypes import Frame, SourceInfo
from fer_live.realtime.planes import Orientation
from fer_live.realtime.source_state import SourceState

from .conversion import Conversion
from .file_ends import ends_early

__all__ = ["DEFAULT_FPS", "SequenceSource", "images_in", "images_of_pattern", "is_pattern"]

DEFAULT_FPS = Fraction(25)
"""Images a second where none is given, as in FFmpeg."""

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".jxl", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})
_NUMBER = re.compile(r"%(0?)(\d*)d")


class SequenceSource:
    """Image files as the frames of a video with a constant rate; a :class:`~.datatypes.Source`.

    Each image is turned as its own EXIF data says and fitted to the size of the first one
    (:class:`~.conversion.Conversion`). One that cannot be read whole is left out, and the one before lasts longer:
    times are those of the positions in ``paths``. ``warnings`` tells.

    Args:
        paths: the images, in order.
        name: for messages.
        fps: images a second.

    Raises:
        SourceError: at construction, where not one of them can be read or the first is larger than any video.
    """

    def __init__(self, paths: Sequence[Path], name: str, fps: Fraction = DEFAULT_FPS) -> None:
        self._paths, self._fps = tuple(paths), fps
        self._unreadable: list[str] = []
        self._of_other_size = 0
        self._stopped = False
        self._pictures = self._read()
        first = next(self._pictures, None)
        if first is None:
            raise SourceError(f"{name}: not one of {len(self._paths)} images can be read ({self._unreadable[0]})")
        self._first = first
        self._conversion = Conversion.of(first[1])
        refuse_too_large(name, self._conversion.size_wh)
        self._info = SourceInfo(
            name=name,
            size_wh=self._conversion.size_wh,
            fps=fps,
            frame_count=len(self._paths),
            is_live=False,
            colour=self._conversion.colour,
        )

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def state(self) -> SourceState:
        """Files are never lost."""
        return SourceState()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, one line each; complete once the frames were read."""
        found = []
        if self._unreadable:
            found.append(
                f"{self._info.name}: {len(self._unreadable)} of {len(self._paths)} images could not be read and were "
                f"left out; the first: {self._unreadable[0]}"
            )
        if self._of_other_size:
            width, height = self._info.size_wh
            found.append(
                f"{self._info.name}: {self._of_other_size} images of another size were scaled to {width}x{height}, "
                "that of the first"
            )
        return tuple(found)

    def stop(self) -> None:
        """End the iteration after the frame at hand; from any thread."""
        self._stopped = True

    def __iter__(self) -> Iterator[Frame]:
        position, picture = self._first
        index = 0
        while not self._stopped:
            turned = Orientation.of(picture)
            self._of_other_size += turned.size(picture.width, picture.height) != self._info.size_wh
            planes = self._conversion.planes(picture, turned)
            yield Frame(*planes, index, float(position / self._fps), self._info.colour.limited_range)
            index += 1
            following = next(self._pictures, None)
            if following is None:
                return
            position, picture = following

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pictures.close()

    def _read(self) -> Generator[tuple[int, VideoFrame], None, None]:
        for position, path in enumerate(self._paths):
            try:
                yield position, _picture(path)
            except SourceError as error:
                self._unreadable.append(str(error))


def _picture(path: Path) -> VideoFrame:
    """The picture in an image file.

    Raises:
        SourceError: it cannot be read.
    """
    with open_input(path) as container:
        if not is_still_image(container):
            raise SourceError(f"{path}: is not an image but {container.format.long_name}; give it by itself")
        try:
            frame = next(container.decode(picture_stream(container, path)), None)
        except av.FFmpegError as error:
            raise SourceError(f"{path}: is damaged or cut off") from error
    if frame is None or frame.is_corrupt or ends_early(path):  # a few bytes less may not be noticed in decoding
        raise SourceError(f"{path}: is damaged or cut off")
    return frame


def images_in(folder: Path, suffixes: Collection[str] = _SUFFIXES) -> list[Path]:
    """The image files of a folder, not of folders in it, in natural order: ``2.png`` before ``10.png``.

    Args:
        folder: where.
        suffixes: what an image's name ends in, in lower case.

    Raises:
        SourceError: there are none, or the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if _is_image(entry, suffixes)]
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read ({error.strerror or error}); check the path") from error
    if not found:
        raise SourceError(f"{folder}: is a folder without images (PNG, JPEG, …); give one with images, or a video file")
    return sorted(found, key=lambda path: _natural(path.name))


def _is_image(entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
    # Hidden: macOS puts "._1.png", which is no image, beside "1.png" on some drives.
    return not entry.name.startswith(".") and Path(entry.name).suffix.lower() in suffixes and entry.is_file()


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if position % 2 else (0, part) for position, part in enumerate(parts)], name


def is_pattern(path: Path) -> bool:
    """Whether this names a sequence, as ``frames/img_%04d.png`` does, and not a file of that very name."""
    return len(_NUMBER.findall(path.name)) == 1 and not path.exists()


def images_of_pattern(pattern: Path) -> list[Path]:
    """The files that a pattern such as ``img_%04d.png`` names, by number, from whatever number they start.

    ``%04d``: four digits or more; ``%d``: a number without zeros before it.

    Raises:
        SourceError: there are none, or the folder cannot be read.
    """
    before, padded, digits, after = _NUMBER.split(pattern.name)
    # A padded number: that many digits, or more of them where it has outgrown these.
    least = int(digits or 1)
    number = rf"(\d{{{least}}}|[1-9]\d{{{least},}})" if padded else r"(0|[1-9]\d*)"
    named = re.compile(re.escape(before) + number + re.escape(after), re.ASCII)
    try:
        found = {int(match[1]): path for path in pattern.parent.iterdir() if (match := named.fullmatch(path.name))}
    except OSError as error:
        raise SourceError(f"{pattern}: {pattern.parent} cannot be read ({error.strerror}); check the path") from error
    if not found:
        raise SourceError(f"{pattern}: no file has a name of that pattern; check it, or give the folder")
    return [found[key] for key in sorted(found)]
