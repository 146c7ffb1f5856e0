"""What the system says of files and folders, as errors of our own that name them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FerLiveError, SinkError

__all__ = ["make_folder", "replacing", "system_errors_as"]


@contextmanager
def system_errors_as(kind: type[FerLiveError], path: Path) -> Iterator[None]:
    """An ``OSError`` within becomes ``kind`` with one line: ``path`` and the reason."""
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: {error.strerror or error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a file to write beside ``path``, which it replaces once it is whole and on the disk.

    It gets the mode of the file that it replaces: who may not read that one may not read it.

    Raises:
        SinkError: it can't be written, the disk is full say; what was there before is kept.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    mode: int | None = None
    try:
        with suppress(OSError):  # there is none, or a file system without modes
            before = stat.S_IMODE(path.stat().st_mode)
            partial.touch(0o600)
            partial.chmod(before | stat.S_IWUSR)
            mode = before
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        if mode is not None:
            partial.chmod(mode)
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        # torch puts an error of its own in front of the system's.
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        kept = "; the one before is kept" if path.exists() else ""
        raise SinkError(f"{path}: could not be written: {reason.strerror or reason}{kept}") from error


def make_folder(folder: Path) -> None:
    """Make a folder for what is to be written, and the folders above it, where they are not there.

    Raises:
        SinkError: it is a file, or can't be made or written to.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise SinkError(f"{folder}: a file, not a folder; give another --out")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder}: the folder can't be made ({error.strerror}); give another --out") from error
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{folder}: the folder can't be written to; give another --out")
