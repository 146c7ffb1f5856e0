"""The figures of a model card: taken from an evaluation, never typed."""

from __future__ import annotations

from pathlib import Path

from fer_live.errors import DataError
from fer_live.files import replacing, system_errors_as
from fer_live.training.evaluation.compare import Comparison

from .aims import aims_table
from .folder import markdown_figures
from .tables import tables_of

__all__ = ["check_card", "write_card"]

BEGIN, END = "<!-- fer-eval -->", "<!-- /fer-eval -->"
"""What stands between these lines belongs to the command."""

_SECTIONS = ("figures", "pairs", "classes", "selective", "ferplus", "targets")


def check_card(path: Path) -> None:
    """See that a card can be filled in.

    Raises:
        DataError: there is no such file, or it has no place for figures.
    """
    _parts(path)


def write_card(path: Path, comparison: Comparison) -> None:
    """Put an evaluation's figures in the place of those that stand between the marks.

    Raises:
        DataError: there is no such file, or it has no place for figures.
        SinkError: it can't be written; what was there is kept.
    """
    before, after = _parts(path)
    tables = [table for table in tables_of(comparison) if table.section in _SECTIONS]
    aims = aims_table(comparison)
    tables[1:1] = [aims] if aims.rows else []
    about = comparison.about
    machine = ", ".join(str(about["environment"][key]) for key in ("cpu", "machine") if about["environment"].get(key))
    lines = [BEGIN, "", *markdown_figures(comparison, tables), "", f"Measured on {machine}, {about['date']}.", "", END]
    with replacing(path) as partial:
        partial.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def _parts(path: Path) -> tuple[str, str]:
    """What stands before the first mark, and after the second."""
    with system_errors_as(DataError, path):
        text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError(f"{path}: lacks the lines {BEGIN} and {END}, between which the figures go")
    return before, after
