"""The options of ``fer-live`` that ask for data, and what is refused before a run begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options

__all__ = ["EVENT_SUFFIXES", "STDOUT", "TABLE_SUFFIXES", "DataOptions", "data_options"]

F = TypeVar("F", bound=Callable[..., Any])

STDOUT = Path("-")
"""JSON Lines to standard output."""

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
"""Of --save; what writes them must not be imported for ``--help``."""

EVENT_SUFFIXES = (".vtt", ".srt", ".eaf", ".csv")
"""Of --events."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Targets."""

    save: tuple[Path, ...] = ()
    events: tuple[Path, ...] = ()

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's.

        Raises:
            click.UsageError: an unknown suffix.
        """
        options = cls(values.pop("save"), values.pop("events"))
        for path in options.save:
            if path != STDOUT:
                _check_suffix("--save", path, TABLE_SUFFIXES, "; or - for JSON Lines on standard output")
        for path in options.events:
            _check_suffix("--events", path, EVENT_SUFFIXES, "")
        return options

    @property
    def asked(self) -> bool:
        """Whether any data are asked for."""
        return bool(self.save or self.events)

    @property
    def targets(self) -> list[tuple[str, Path]]:
        """Every output with the option that names it."""
        return [("--save", path) for path in self.save] + [("--events", path) for path in self.events]

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
            help="Write a row a face and frame: .csv, .jsonl or .parquet (needs the extra fer-live[data]); - is JSON "
            "Lines on standard output. May be given several times.",
        ),
        click.option(
            "--events",
            type=click.Path(path_type=Path),
            metavar="FILE",
            multiple=True,
            help="Write when each expression begins, is strongest and ends: .vtt or .srt subtitles, .eaf for ELAN, "
            ".csv as BORIS. May be given several times.",
        ),
    ]
    return with_options(command, options, heading="Data")


def _check_suffix(option: str, path: Path, known: tuple[str, ...], else_: str) -> None:
    if path.suffix.lower() not in known:
        raise click.UsageError(
            f"{option} {path}: give a name that ends in {', '.join(known[:-1])} or {known[-1]}{else_}"
        )
