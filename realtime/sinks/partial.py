"""A file that is written until the first failure, and never after it."""

from __future__ import annotations

import io
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["PartialFile"]


class PartialFile:
    """The byte stream that a muxer writes to.

    A failed write takes the file back to what :meth:`keep` marked last, for half a fragment makes a file unreadable.
    After it all writes are refused: a muxer that completes a file by rewriting its head must not do so when the tail
    that the new head points to is missing. Unbuffered, so that what was written survives this process.

    The file is always a new one, created at :meth:`create` or the first write: ``clip.partial.mp4``, or, where that
    name is taken, ``clip.partial-2.mp4`` and so on. What an earlier run left, or another one writes, is not touched.
    """

    def __init__(self, target: Path, suffix: str) -> None:
        """Choose a name beside ``target`` that is free now; nothing is created. ``suffix``: of the new file.

        Raises:
            OSError: the name is too long, or there is no such folder.
        """
        self.failure: OSError | None = None
        """The first failed write."""
        self._target = target
        self._names = _names(target, suffix)
        self.first = self.path = next(self._names)
        """The name that is tried first; the file's own, final once it is created."""
        while _exists(self.path):
            self.path = next(self._names)
        self._file: io.FileIO | None = None
        self._kept = self._head = 0
        self.name = str(target)

    @property
    def closed(self) -> bool:
        """Whether there is nothing to close."""
        return self._file is None or self._file.closed

    @property
    def has_frames(self) -> bool:
        """Whether the file can be played or still become playable: false where it failed before the first frames."""
        return self._file is not None and (self.failure is None or self._kept > self._head)

    def create(self) -> None:
        """Create the file unless that was done.

        Raises:
            OSError: it cannot be created.
        """
        while self._file is None:
            try:
                self._file = open(self.path, "xb", buffering=0)
                self._take_mode()
            except FileExistsError:
                self.path = next(self._names)
            except OSError as error:
                self.failure = error
                raise

    def _take_mode(self) -> None:
        """As the file that this one is to replace: who may not read that one may not read this one."""
        assert self._file is not None
        if hasattr(os, "fchmod"):
            with suppress(OSError):  # there is none, or a file system without modes
                os.fchmod(self._file.fileno(), stat.S_IMODE(os.stat(self._target).st_mode))

    def remove(self) -> None:
        """Close and delete the file, if it was created."""
        if self._file is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> int:
        """Write all of ``data``; a disk that fills up takes a part first and fails then.

        Raises:
            OSError: the disk is full, or a write failed before.
        """
        if self.failure is not None:
            raise self.failure
        file = self._opened()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            self.failure = error
            file.truncate(self._kept)
            raise
        return len(data)

    def keep(self) -> None:
        """What was written until now can be played: a failure must not harm it."""
        if self.failure is None:
            self._kept = self.tell()

    def keep_head(self) -> None:
        """As :meth:`keep`, before any frame was written."""
        self.keep()
        self._head = self._kept

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        return self._opened().seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._opened().tell()

    def seekable(self) -> bool:
        """Whether the muxer may seek."""
        return True

    def writable(self) -> bool:
        """Whether the muxer may write."""
        return True

    def restart(self) -> None:
        """Throw away what was written."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
        self._kept = self._head = 0

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: the system could not write what it held.
        """
        if self._file is not None:
            self._file.close()

    def _opened(self) -> io.FileIO:
        self.create()
        assert self._file is not None
        return self._file


def _names(target: Path, suffix: str) -> Iterator[Path]:
    yield target.with_name(f"{target.stem}.partial{suffix}")
    for number in itertools.count(2):
        yield target.with_name(f"{target.stem}.partial-{number}{suffix}")


def _exists(path: Path) -> bool:
    """Whether the name is taken, by a link that leads nowhere too."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True
