"""A data file that grows beside its target and takes its place when it is complete, as a video does."""

from __future__ import annotations

import os
from pathlib import Path

from fer_live.errors import SinkError
from fer_live.realtime.sinks.targets import check_target, left_over

__all__ = ["OutputFile"]


class OutputFile:
    """Bytes on their way to a target: written to ``NAME.partial.SUFFIX`` beside it, renamed by :meth:`place`.

    Args:
        named: the target.
        source: the input file, which must not be overwritten; None where there is none.

    Raises:
        SinkError: at construction, before anything is written, where the target cannot be written; later, where the
            disk is full: the message names the partial file.
    """

    def __init__(self, named: Path, source: Path | None) -> None:
        self._target, self._file = check_target(named, source)
        self.warnings = left_over(self._file, source)
        """What an earlier run left."""
        self._placed = False
        self._created = False

    @property
    def path(self) -> Path | None:
        """Where that lies which was written: the target, the partial file, or nowhere."""
        if self._placed:
            return self._target
        return self._file.path if self._created else None

    @property
    def part(self) -> Path | None:
        """The partial file; None where there is none (any more)."""
        return None if self._placed else self.path

    def write(self, data: bytes) -> None:
        """Write all of it, past every buffer of this process: what was written survives it.

        Raises:
            SinkError: the disk is full.
        """
        try:
            self._file.create()
            self._created = True
            self._file.write(data)
            self._file.keep()
        except OSError as error:
            raise self._failure(error) from error

    def place(self) -> None:
        """The output is complete: move it to the target, replacing what stands there.

        Raises:
            SinkError: it cannot be replaced.
        """
        try:
            self._file.close()
            os.replace(self._file.path, self._target)
        except OSError as error:
            raise self._failure(error) from error
        self._placed = True

    def close(self) -> None:
        """Let go of the file, wherever it is; any number of times."""
        self._file.close()

    def _failure(self, error: OSError) -> SinkError:
        reason = error.strerror or str(error)
        if self.part is None:
            return SinkError(f"{self._target}: cannot be written ({reason}); choose another place")
        return SinkError(
            f"{self._target}: writing failed ({reason}); what was written is in {self.part}, "
            "make room or choose another place and run again"
        )
