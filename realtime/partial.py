"""A file that is written until the first failure, and never after it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PartialFile"]


class PartialFile:
    """The byte stream that a muxer writes to.

    A failed write takes the file back to what :meth:`keep` marked last, for half a fragment makes a file unreadable.
    After it all writes are refused: a muxer that completes a file by rewriting its head must not do so when the tail
    that the new head points to is missing. Unbuffered, so that what was written survives this process.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, or empty it.

        Raises:
            OSError: it cannot be created.
        """
        self.failure: OSError | None = None
        """The first failed write."""
        self._file = open(path, "wb", buffering=0)
        self._kept = 0
        self.name = str(path)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Write all of ``data``; a disk that fills up takes a part first and fails then.

        Raises:
            OSError: the disk is full, or a write failed before.
        """
        if self.failure is not None:
            raise self.failure
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.failure = error
            self._file.truncate(self._kept)
            raise
        return len(data)

    def keep(self) -> None:
        """What was written until now can be played: a failure must not harm it."""
        if self.failure is None:
            self._kept = self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether the muxer may seek."""
        return True

    def writable(self) -> bool:
        """Whether the muxer may write."""
        return True

    def restart(self) -> None:
        """Throw away what was written."""
        self._file.seek(0)
        self._file.truncate()
        self._kept = 0

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: the system could not write what it held.
        """
        self._file.close()
