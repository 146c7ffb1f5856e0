"""The options of ``fer-live`` that ask for data, and what is refused before a run begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options

__all__ = ["EVENT_SUFFIXES", "MIN_GROUP", "STDOUT", "TABLE_SUFFIXES", "DataOptions", "Groups", "data_options"]

F = TypeVar("F", bound=Callable[..., Any])

STDOUT = Path("-")
"""JSON Lines to standard output."""

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
"""Of --save; what writes them must not be imported for ``--help``."""

EVENT_SUFFIXES = (".vtt", ".srt", ".eaf", ".csv")
"""Of --events."""

REPORT_SUFFIXES = (".html", ".htm")
"""Of --report."""

BIN_S = 1.0

MIN_GROUP = 3
"""With two faces each of them knows the other's from its own; three is the least where nobody does."""


@dataclass(frozen=True, slots=True)
class Groups:
    """That rows tell of groups. ``bin_s``: seconds that a row stands for; ``min_group``: of how many faces at least."""

    bin_s: float = BIN_S
    min_group: int = MIN_GROUP

    def __post_init__(self) -> None:
        if not self.bin_s > 0 or self.min_group < 1:
            raise ValueError(f"bin_s must be positive and min_group at least 1, found {self.bin_s}, {self.min_group}")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Targets. ``groups``: rows are about groups and nothing tells of a single face; None: rows are about faces.
    ``thumbnails``: the report shows a picture of each face.
    """

    save: tuple[Path, ...] = ()
    events: tuple[Path, ...] = ()
    groups: Groups | None = None
    report: Path | None = None
    thumbnails: bool = False

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's.

        Raises:
            click.UsageError: an unknown suffix, or options that don't go together.
        """
        taken = (values.pop(name) for name in ("report", "thumbnails"))
        options = cls(values.pop("save"), values.pop("events"), _groups(values), *taken)
        for name, path in (("--events", options.events), ("--report", options.report)):
            if options.groups is not None and path:
                raise click.UsageError(f"{name} tells of single faces; it doesn't go with --aggregate-only")
        if options.groups is not None and not options.save:
            raise click.UsageError("--aggregate-only needs --save FILE, where its rows go")
        for path in options.save:
            if path != STDOUT:
                _check_suffix("--save", path, TABLE_SUFFIXES, "; or - for JSON Lines on standard output")
        for path in options.events:
            _check_suffix("--events", path, EVENT_SUFFIXES, "")
        if options.report is not None:
            _check_suffix("--report", options.report, REPORT_SUFFIXES, "")
        elif options.thumbnails:
            raise click.UsageError("--thumbnails goes with --report FILE")
        return options

    @property
    def asked(self) -> bool:
        """Whether any data are asked for."""
        return bool(self.save or self.events or self.report)

    @property
    def targets(self) -> list[tuple[str, Path]]:
        """Every output with the option that names it."""
        reports = [] if self.report is None else [("--report", self.report)]
        return [("--save", path) for path in self.save] + [("--events", path) for path in self.events] + reports

    @property
    def to_stdout(self) -> bool:
        """Whether standard output belongs to the data."""
        return STDOUT in self.save


def data_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--save",
            type=click.Path(path_type=Path, allow_dash=True),
            metavar="FILE",
            multiple=True,
            help="Write one row per face and frame: .csv, .jsonl or .parquet (needs the extra fer-live[data]); - is "
            "JSON Lines on standard output. May be given several times.",
        ),
        click.option(
            "--events",
            type=click.Path(path_type=Path),
            metavar="FILE",
            multiple=True,
            help="Write when each expression begins, is strongest and ends: .vtt or .srt subtitles, .eaf for ELAN, "
            ".csv as BORIS. May be given several times.",
        ),
        click.option(
            "--report",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write an .html report: each face over time, events, totals, and how far to trust them.",
        ),
        click.option(
            "--thumbnails",
            is_flag=True,
            help="With --report: include a small picture of each face; else none is kept.",
        ),
    ]
    private = [
        click.option(
            "--aggregate-only",
            is_flag=True,
            help="Let --save report on groups over time; nothing, not even the picture, tells of a single face.",
        ),
        click.option(
            "--bin",
            type=click.FloatRange(0.1, 86_400),
            metavar="SECONDS",
            help=f"With --aggregate-only: the time that one row covers.  [default: {BIN_S:g}]",
        ),
        click.option(
            "--min-group",
            type=click.IntRange(1),
            metavar="FACES",
            help=f"With --aggregate-only: report nothing about fewer faces at once.  [default: {MIN_GROUP}]",
        ),
    ]
    return with_options(with_options(command, private, heading="Privacy"), options, heading="Data")


def _groups(values: dict[str, Any]) -> Groups | None:
    aggregate_only, bin_s, min_group = (values.pop(name) for name in ("aggregate_only", "bin", "min_group"))
    if aggregate_only:
        return Groups(BIN_S if bin_s is None else bin_s, MIN_GROUP if min_group is None else min_group)
    if bin_s is not None or min_group is not None:
        raise click.UsageError(f"{'--bin' if bin_s is not None else '--min-group'} goes with --aggregate-only")
    return None


def _check_suffix(option: str, path: Path, known: tuple[str, ...], else_: str) -> None:
    if path.suffix.lower() not in known:
        raise click.UsageError(
            f"{option} {path}: give a name that ends in {', '.join(known[:-1])} or {known[-1]}{else_}"
        )
