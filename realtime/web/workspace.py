"""The one folder that a server keeps uploads in: private, and gone when the server is, even after ``kill -9``."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, Self

__all__ = ["PREFIX", "Workspace", "remove_abandoned"]

PREFIX = "fer-live-serve-"
_LOCK = "in-use.lock"


class Workspace:
    """A new folder (mode 0700) in the system's one for temporary files; a context manager that removes it.

    A server that is killed cannot remove its own: the next one does, with :func:`remove_abandoned`. As long as one
    lives it holds a lock on a file in it.

    Args:
        parent: where the folder is made; None for the system's folder for temporary files.
    """

    path: Path
    """The folder; after entering."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._parent))
        self._lock = _locked(self.path / _LOCK)
        return self

    def new_folder(self) -> Path:
        """A new folder in it, of this user alone."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the folders in ``parent`` (None: as for :class:`Workspace`) whose servers are gone."""
    for folder in (Path(tempfile.gettempdir()) if parent is None else parent).glob(f"{PREFIX}*"):
        if _is_ours(folder) and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    # Others may put anything of this name into the folder for temporary files.
    return stat.S_ISDIR(found.st_mode) and (sys.platform == "win32" or found.st_uid == os.getuid())


def _is_abandoned(folder: Path) -> bool:
    """Whether no living server holds its lock; one that has no lock yet is taken for being made."""
    try:
        lock = _locked(folder / _LOCK, create=False)
    except OSError:
        return False
    lock.close()
    return True


def _locked(path: Path, *, create: bool = True) -> IO[bytes]:
    """The file, opened and locked until it is closed or the process ends.

    Raises:
        OSError: another process holds it, or there is none.
    """
    file = path.open("wb" if create else "r+b")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
