"""The sink behind ``--report``: a page, written when the run has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from fer_live.realtime.data.counts import RunCounts
from fer_live.realtime.data.output_file import OutputFile
from fer_live.realtime.datatypes import Result, SourceInfo

from .gathering import Gathering
from .page import Told, report_page
from .thumbnails import Thumbnails

__all__ = ["ReportSink"]

_USUAL_FPS = 25


class ReportSink:
    """Writes the report of a run at its end, after an error too; a :class:`~fer_live.realtime.datatypes.Sink`.

    Args:
        path: the target.
        labels: the model's.
        info: of the source.
        source: its file, which must not be overwritten; None where it is none.
        facts: as the manifests'; looked at when the run has ended.
        counts: of the run; it is told of each frame before this is.
        began: when the run did, ISO 8601.
        thumbnails: has pictures of the faces, a sink of its own; None where none are shown.

    Raises:
        SinkError: see :class:`~fer_live.realtime.data.output_file.OutputFile`.
    """

    needs_pixels = False

    def __init__(
        self,
        path: Path,
        labels: Sequence[str],
        info: SourceInfo,
        source: Path | None,
        facts: dict[str, Any],
        counts: RunCounts,
        began: str,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self.file = OutputFile(path, source)
        """Where it goes."""
        self._info, self._facts, self._counts, self._began = info, facts, counts, began
        frame_s = float(1 / (info.fps or _USUAL_FPS))
        self._gathering = Gathering(labels, frame_s, is_live=info.is_live, thumbnails=thumbnails)
        self._written = False

    def write(self, result: Result) -> None:
        """Take one frame."""
        self._gathering.add(result)

    def finish(self) -> None:
        """Write the page and move it to its target."""
        self._complete(whole=True)
        self.file.place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._gathering.frames and not self._written:
                self._complete(whole=False)
        except Exception:
            pass  # an error is on its way already
        finally:
            self.file.close()

    def _complete(self, *, whole: bool) -> None:
        self._written = True
        self._gathering.end()
        told = Told(self._info, self._facts, self._counts.as_document(), self._began, whole)
        self.file.write(report_page(self._gathering, told).encode(errors="backslashreplace"))
