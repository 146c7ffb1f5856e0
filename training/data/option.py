"""The ``--data`` option that the commands share: its help, and the reading of what it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .fer2013 import Fer2013

__all__ = ["DATA_HELP", "load_data"]

DATA_HELP = (
    "FER2013: .csv (official or ICML edition), .npz, a folder written by fer-pack, or one with train/ and test/."
)


def load_data(path: Path) -> Fer2013:
    """Read FER2013, with a count on a terminal, and print what must be known of how it was read."""
    from .fer2013 import load_fer2013

    with _reading(path) as tick:
        dataset = load_fer2013(path, tick)
    for note in dataset.notes:
        click.echo(f"note: {note}")
    return dataset


@contextmanager
def _reading(path: Path) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many images have been read; says nothing elsewhere."""
    from rich.console import Console

    with Console(stderr=True).status(f"reading {path}") as status:
        yield lambda images: status.update(f"reading {path}: {images:,} images")
