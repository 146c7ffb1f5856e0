"""The options of ``fer-live`` that say how people appear on the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options

__all__ = ["STYLES", "ViewOptions", "view_options"]

F = TypeVar("F", bound=Callable[..., Any])

STYLES = ("blur", "mosaic", "box")
"""Of --anonymise; what knows them must not be imported for ``--help``."""


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """``anonymise``: how heads are covered, None: not at all. ``notice``: whether files tell that faces are read.
    ``snapshots``: the folder for pictures that are saved by key.
    """

    anonymise: str | None = None
    notice: bool = False
    snapshots: Path = Path()

    def __post_init__(self) -> None:
        if self.anonymise is not None and self.anonymise not in STYLES:
            raise ValueError(f"anonymise must be one of {', '.join(STYLES)} or None, found {self.anonymise!r}")

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's."""
        return cls(**{field.name: values.pop(field.name) for field in fields(cls)})


def view_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--anonymise",
            type=click.Choice(STYLES),
            help="Cover every head wherever the picture is shown or saved; box leaves nothing of it. Data stay as is.",
        ),
        click.option(
            "--notice",
            is_flag=True,
            help='Write "expression analysis on" on --out, too; a window and the page always show it.',
        ),
    ]
    shown = [
        click.option(
            "--snapshots",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path(),
            metavar="DIR",
            help="Where the window's key s saves pictures.  [default: the current folder]",
        )
    ]
    return with_options(with_options(command, options, heading="Privacy"), shown, heading="View")
