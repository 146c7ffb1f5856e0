"""Findings as a terminal shows them: aligned, marks that are words, colour where there is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable

import click

from fer_live.terminals import is_terminal

from .doctor import Area, Examination
from .findings import Finding, Mark

__all__ = ["area_lines", "echo", "summary_lines"]

_COLOURS = {Mark.OK: "green", Mark.NOTE: "blue", Mark.WARNING: "yellow", Mark.TROUBLE: "red"}
_MARK_WIDTH = max(len(mark) for mark in Mark) + 2
_NAME_WIDTH = 14
_WIDEST = 120
_LEAST_TEXT = 30


def area_lines(area: Area, width: int | None = None) -> list[str]:
    """An area: its title, a line a finding, and below it what to do; longer ones go on in their column.

    Args:
        area: what to show.
        width: characters a line; None for the terminal's width, and for no limit where there is none.
    """
    width = _width() if width is None else width
    names = max([_NAME_WIDTH, *(len(finding.name) + 2 for finding in area.findings)])
    shown = [click.style(area.title, bold=True)]
    for finding in area.findings:
        shown += _finding_lines(finding, names, width)
    return [*shown, ""]


def summary_lines(examination: Examination) -> list[str]:
    """How it stands in all, and each requirement."""
    counts = [(examination.count(mark), mark) for mark in (Mark.TROUBLE, Mark.WARNING)]
    told = ", ".join(f"{count} {_plural(mark, count)}" for count, mark in counts if count)
    lines = [told or "no trouble, no warnings"]
    for name, met in examination.required.items():
        mark = click.style("met", fg="green") if met else click.style("not met", fg="red")
        lines.append(f"required: {name}: {mark}")
    return lines


def echo(lines: Iterable[str]) -> None:
    """Print to stdout, without colour where NO_COLOR (no-color.org) is set or there is no terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in lines:
        # A camera may be called anything; a terminal may know little.
        click.echo(
            line.encode(encoding, "replace").decode(encoding), color=False if os.environ.get("NO_COLOR") else None
        )


def _finding_lines(finding: Finding, names: int, width: int) -> list[str]:
    """One finding, and what to do about it."""
    mark = click.style(f"{finding.mark.value:<{_MARK_WIDTH}}", fg=_COLOURS[finding.mark])
    indent = " " * (2 + _MARK_WIDTH + names)
    room = max(_LEAST_TEXT, width - len(indent))
    first, *others = _wrapped(finding.told, room)
    if finding.way_out is not None:
        others += _wrapped(f"what to do: {finding.way_out}", room)
    return [f"  {mark}{finding.name:<{names}}{first}", *(f"{indent}{line}" for line in others)]


def _plural(mark: Mark, count: int) -> str:
    return mark.value + ("s" if count > 1 else "")


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width``; names of files and options are not broken."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _width() -> int:
    if not is_terminal(sys.stdout):
        return sys.maxsize
    return min(_WIDEST, shutil.get_terminal_size().columns)
