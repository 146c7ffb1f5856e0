"""``fer-live --image``: photos from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from fer_live.errors import SourceError
from fer_live.realtime.interruption import EXIT_INTERRUPTED, ended_by_signals
from fer_live.realtime.run_options import RunOptions
from fer_live.terminals import is_terminal

from .run import PhotoRun

__all__ = ["run_photos"]

_MOST_NAMED = 5


def run_photos(options: RunOptions, say: Callable[[str], None]) -> int:
    """Do what was asked for and give the exit code; ``say`` is given what a user should know, a line each.

    Raises:
        FerLiveError: it cannot be done, or a photo of a folder could not be read.
    """
    with PhotoRun(options, say) as run:
        with ended_by_signals(run, say), _progress(run) as advance:
            for _ in run:
                advance()
            run.end()
        for warning in run.warnings:
            say(f"warning: {warning}")
        click.echo(run.line(), err=options.data.to_stdout)
        if run.failures:
            raise SourceError(_told(run))
        return EXIT_INTERRUPTED if run.interrupted else 0


def _told(run: PhotoRun) -> str:
    names = list(run.failures)
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return (
        f"{len(names):,} of {len(run.paths):,} photos could not be read and were left out: "
        f"{', '.join(names[:_MOST_NAMED])}{more}"
    )


@contextmanager
def _progress(run: PhotoRun) -> Iterator[Callable[[], None]]:
    """Show how far a folder is, on stderr, where that is a terminal; gives what is called after each photo."""
    if len(run.paths) < 2 or not is_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} photos"),
        TextColumn("{task.fields[faces]:,} faces"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(run.paths[0].parent.name or "photos", total=len(run.paths), faces=0)
        yield lambda: progress.update(task, completed=run.done + len(run.failures), faces=run.faces)
