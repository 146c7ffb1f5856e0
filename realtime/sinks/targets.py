"""Where an output may go: what is refused before anything is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fer_live.errors import SinkError

from .partial import PartialFile

__all__ = ["check_target", "is_same_file", "left_over", "refuse_inputs"]


def check_target(named: Path, source: Path | None) -> tuple[Path, PartialFile]:
    """The file that ``named`` leads to, which may be written, and one beside it to write first; nothing is created.

    Args:
        named: as the user gave it; a link is followed.
        source: the input file, which must not be overwritten; None where there is none.

    Raises:
        SinkError: it cannot be written, or is the input.
    """
    try:
        target = Path(os.path.realpath(named)) if named.is_symlink() else named
        if target.is_symlink():
            raise SinkError(f"{named}: is a link to itself; choose another name")
        if target.is_dir():
            raise SinkError(f"{target}: is a folder; give the name of a file in it")
        if named.exists() and not named.is_file():  # not target: /dev/stdout leads to a pipe that has no name
            raise SinkError(f"{named}: is no ordinary file but a pipe or device; choose another name")
        folder = target.parent
        if not folder.is_dir():
            raise SinkError(f"{target}: there is no folder {folder}; create it first")
        if not os.access(folder, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
            raise SinkError(f"{target}: permission denied; choose a file that this user may write")
        if source is not None and is_same_file(target, source):
            raise SinkError(f"{named}: is the input; choose another name for the output")
        file = PartialFile(target, named.suffix)
        if file.first.is_dir():
            raise SinkError(f"{file.first}: is a folder, and the output is written there first; choose another name")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SinkError(f"{named}: the name is too long; choose a shorter one") from error
        raise SinkError(f"{named}: cannot be written ({error.strerror or error}); choose another place") from error
    return target, file


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[tuple[str, Path | int]]) -> None:
    """See that no output is a file that is read, by whatever name or link.

    Args:
        outputs: what will be written.
        inputs: what is read, "the model" say, and where: a path or a file descriptor.

    Raises:
        SinkError: one is.
    """
    written = {place: output for output in outputs if (place := _place(output)) is not None}
    for what, read in inputs if written else ():
        if (place := _place(read)) in written:
            raise SinkError(f"{written[place]}: is {what}; choose another name for the output")


def _place(file: Path | int) -> tuple[int, int] | None:
    """Device and number of an ordinary file, None of anything else."""
    with suppress(OSError, ValueError):
        found = os.stat(file)
        if stat.S_ISREG(found.st_mode):
            return found.st_dev, found.st_ino
    return None


def left_over(file: PartialFile, source: Path | None) -> tuple[str, ...]:
    """A warning where the first choice of a partial file's name is taken by something that is not the input."""
    if file.first == file.path or (source is not None and is_same_file(file.first, source)):
        return ()
    return (f"{file.first}: left by an interrupted run, or still being written; move it or delete it",)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both are there and the same file, by whatever names."""
    return one.exists() and other.exists() and one.samefile(other)
