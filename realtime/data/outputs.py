"""All data outputs of a run together, each with its manifest at the end, however that comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fer_live.cli_errors import one_line
from fer_live.errors import SinkError
from fer_live.realtime.datatypes import Sink, SourceInfo

from .counts import RunCounts
from .data_sinks import EventSink, JsonLinesToStdout, TableSink
from .manifest import ExitState, now_utc, write_manifest
from .options import STDOUT, DataOptions
from .output_file import OutputFile
from .rows import FaceRows, GroupRows, Rows

if TYPE_CHECKING:
    from fer_live.realtime.report.report_sink import ReportSink

__all__ = ["DataOutputs"]


class DataOutputs:
    """The sinks that were asked for; a context manager, which writes manifests also of what an error left.

    Args:
        options: the targets.
        labels: the model's.
        info: of the source.
        source: its file, which must not be overwritten; None where it is none.
        facts: what the manifests say besides counts and times, see :func:`~.manifest.run_facts`.
        make_rows: makes what makes the rows of one table; None: as the options ask for.

    Raises:
        SinkError: before anything is written, where a target cannot be.
        ModuleNotFoundError: Parquet was asked for and pyarrow is not installed.
    """

    def __init__(
        self,
        options: DataOptions,
        labels: Sequence[str],
        info: SourceInfo,
        source: Path | None,
        facts: dict[str, Any],
        make_rows: Callable[[], Rows] | None = None,
    ) -> None:
        self._facts, self._began = facts, now_utc()
        self.counts = RunCounts()
        """To be among the observers of the run."""
        self._groups = options.groups

        def rows() -> Rows:  # each table has its own: those of groups are gathered
            if make_rows is not None:
                return make_rows()
            return FaceRows(labels) if options.groups is None else GroupRows(labels, options.groups)

        files: list[TableSink | EventSink | ReportSink] = [
            TableSink(path, rows(), source) for path in options.save if path != STDOUT
        ]
        files += [EventSink(path, info, source, self._began) for path in options.events]
        pictures: list[Sink] = []
        if options.report is not None:
            from fer_live.realtime.report.report_sink import ReportSink  # it imports this package
            from fer_live.realtime.report.thumbnails import Thumbnails

            shown = Thumbnails() if options.thumbnails else None
            pictures += [] if shown is None else [shown]
            files.append(ReportSink(options.report, labels, info, source, facts, self.counts, self._began, shown))
        self._files: list[OutputFile] = [sink.file for sink in files]
        self._opened: list[Sink] = [self.counts, *pictures, *files]
        if options.to_stdout:
            self._opened.append(JsonLinesToStdout(rows()))
        self._stack = ExitStack()
        self._closed = False

    @property
    def sinks(self) -> Sequence[Sink]:
        """For the pipeline."""
        return self._opened

    @property
    def warnings(self) -> tuple[str, ...]:
        """What earlier runs left, one line each."""
        return tuple(warning for file in self._files for warning in file.warnings)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that were written, complete or not."""
        return tuple(file.path for file in self._files if file.path is not None)

    @property
    def parts(self) -> tuple[Path, ...]:
        """Those that are not complete."""
        return tuple(file.part for file in self._files if file.part is not None)

    def end(self, *, interrupted: bool) -> None:
        """All frames were written and the outputs are complete: write the manifests.

        Raises:
            SinkError: one cannot be written.
        """
        self._close(ExitState.INTERRUPTED if interrupted else ExitState.COMPLETE, None)

    def abandon(self, error: BaseException) -> None:
        """An error ended the run: complete the partial files as far as that can be, write their manifests. Only the
        first call counts, of this or :meth:`end`.

        Raises:
            SinkError: a manifest cannot be written.
        """
        self._close(ExitState.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitState.FAILED, error)

    def __enter__(self) -> Self:
        for sink in self._opened:
            self._stack.enter_context(sink)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._stack.close()
        else:
            with suppress(SinkError):  # the error on its way says more
                self.abandon(error)

    def _close(self, state: ExitState, error: BaseException | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._stack.close()
        document = {
            **self._facts,
            "aggregate_only": None if self._groups is None else asdict(self._groups),
            "counts": self.counts.as_document(with_expressions=self._groups is None),
            "started_utc": self._began,
            "ended_utc": now_utc(),
            "exit_state": str(state),
            "error": None if error is None else one_line(error),
        }
        for path in self.paths:
            write_manifest(path, document)
