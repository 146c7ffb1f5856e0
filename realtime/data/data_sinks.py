"""Where data go: a table that grows with the run, a file of events at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from fer_live.errors import SinkError
from fer_live.realtime.datatypes import Result, SourceInfo

from .event_files import EVENT_FILES, Observed
from .events import EventFinder
from .output_file import OutputFile
from .rows import Rows
from .tables import TABLES, JsonLinesTable, ParquetTable

__all__ = ["EventSink", "JsonLinesToStdout", "TableSink"]


class TableSink:
    """Writes rows; a :class:`~..datatypes.Sink`.

    CSV and JSON Lines go to the partial file frame by frame, so that ``kill -9`` loses no finished frame. A Parquet
    file has its index at its end: killed, it is lost; an error leaves it readable.

    Args:
        path: the target; its suffix chooses the format (:data:`~.tables.TABLES`).
        rows: makes them.
        source: the input file, which must not be overwritten; None where there is none.

    Raises:
        SinkError: see :class:`~.output_file.OutputFile`.
        ModuleNotFoundError: Parquet was asked for and pyarrow is not installed.
    """

    needs_pixels = False

    def __init__(self, path: Path, rows: Rows, source: Path | None) -> None:
        self.file = OutputFile(path, source)
        """Where it goes."""
        self._table = TABLES[path.suffix.lower()](rows.columns, self.file.write)
        self._rows = rows

    def write(self, result: Result) -> None:
        """Add the rows of one frame."""
        self._table.add(self._rows.of(result, time.perf_counter()))

    def finish(self) -> None:
        """Complete the table and move it to its target."""
        self._table.add(self._rows.rest())
        self._table.end()
        self.file.place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.file.part is not None and isinstance(self._table, ParquetTable):
                self._table.end()
        except Exception:
            pass  # an error is on its way already
        finally:
            self.file.close()


class JsonLinesToStdout:
    """Writes JSON Lines to standard output, flushed frame by frame; a :class:`~..datatypes.Sink`.

    Raises:
        SinkError: at construction, where there is no standard output.
    """

    needs_pixels = False

    def __init__(self, rows: Rows) -> None:
        if sys.stdout is None:
            raise SinkError("--save -: standard output is closed; open it, or give the name of a file")
        self._table, self._rows = JsonLinesTable(rows.columns, _to_stdout), rows

    def write(self, result: Result) -> None:
        """Add the rows of one frame."""
        self._table.add(self._rows.of(result, time.perf_counter()))

    def finish(self) -> None:
        """Write what is held."""
        self._table.add(self._rows.rest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class EventSink:
    """Writes the events of a run at its end, after an error too; a :class:`~..datatypes.Sink`.

    Subtitles go by their onsets, and the first event may be the last to end: nothing can be written before.

    Args:
        path: the target; its suffix chooses the format (:data:`~.event_files.EVENT_FILES`).
        info: what the events are seen in.
        source: its file; None where it is none.
        began: when the run began, ISO 8601 with a time zone.

    Raises:
        SinkError: see :class:`~.output_file.OutputFile`.
    """

    needs_pixels = False

    def __init__(self, path: Path, info: SourceInfo, source: Path | None, began: str) -> None:
        self.file = OutputFile(path, source)
        """Where it goes."""
        self._write: Callable[..., str] = EVENT_FILES[path.suffix.lower()]
        self._info, self._source, self._folder, self._began = info, source, path.parent, began
        self._finder = EventFinder()
        self._end_s: float | None = None
        self._ended = False

    def write(self, result: Result) -> None:
        """Take one frame."""
        self._finder.add(result)
        self._end_s = result.frame.time_s

    def finish(self) -> None:
        """Write the file and move it to its target."""
        self._complete()
        self.file.place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._end_s is not None and not self._ended:
                self._complete()
        except Exception:
            pass  # an error is on its way already
        finally:
            self.file.close()

    def _complete(self) -> None:
        self._ended = True
        frame_s = float(1 / (self._info.fps or 25))
        observed = Observed(self._info, self._source, self._folder, self._began, (self._end_s or 0.0) + frame_s)
        self.file.write(self._write(self._finder.end(), observed).encode(errors="backslashreplace"))


def _to_stdout(data: bytes) -> Any:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
