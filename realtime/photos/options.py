"""Which options go with ``--image``; click only, for the command line looks before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterable

import click

from fer_live.realtime.run_options import RunOptions

__all__ = ["check_photo_options", "check_photo_outputs"]

_GO = frozenset(
    {"image", "out", "save", "model", "detector", "detect_size", "verify_eyes", "device", "threads", "exact", "smooth"}
    | {"anonymise", "notice", "models", "window", "config", "no_config", "debug"}
)
"""Names of options as click knows them; every other one is about a video."""

_WHY = {
    "events": "a photo has no time in which something happens",
    "aggregate_only": "it tells of groups over time, and a photo has none",
    "report": "a photo has no time to show",
    "serve": "its page takes photos as they are dropped on it",
}


def check_photo_options(given: Iterable[str]) -> None:
    """Refuse what doesn't go with photos.

    Args:
        given: names of the options that a user named.

    Raises:
        click.UsageError: one doesn't.
    """
    for name in given:
        if name not in _GO:
            why = _WHY.get(name, "it is about a video")
            raise click.UsageError(f"--{name.replace('_', '-')} doesn't go with --image: {why}")


def check_photo_outputs(options: RunOptions, window: bool | None) -> None:
    """Refuse a run that would leave nothing; ``window``: whether one was asked for.

    Raises:
        click.UsageError: it would.
    """
    if window:
        raise click.UsageError("--image opens no window: give --out FILE; to look at a picture, --video PICTURE")
    if not options.writes:
        raise click.UsageError("--image needs --out FILE or --save FILE; to look at a picture, --video PICTURE")
