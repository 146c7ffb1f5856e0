"""``fer-live doctor`` and ``fer-live selftest`` on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_live.cli_errors import debug_option
from fer_live.config_file import Settings, default_path
from fer_live.terminals import is_terminal

from .findings import REQUIREMENTS, Finding, Mark

if TYPE_CHECKING:
    from .doctor import Area, Examination

__all__ = ["doctor", "selftest"]

EXIT_NOT_WELL = 1

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@click.command(
    short_help="Say what works on this machine, and what to do.",
    epilog="No camera is started, no picture is taken, nothing is sent; temporary files are deleted.",
)
@click.option(
    "--require",
    type=click.Choice(REQUIREMENTS),
    multiple=True,
    help="End with exit code 1 if this cannot be used. May be given several times.",
)
@click.option(
    "--model", type=click.Path(path_type=Path), metavar="FILE", help="Also check this .onnx, as a run would use it."
)
@_json_option
@debug_option
@click.pass_context
def doctor(context: click.Context, require: tuple[str, ...], model: Path | None, as_json: bool) -> None:
    """Look at cameras, display, GPU, models, codecs and packages, and say what to do about each trouble.

    Each thing is tried for real, in a process of its own: a driver that crashes or hangs is a finding, too. Marks: ok;
    note, it isn't there and needn't be; warning, fer-live works, but less well; trouble, something doesn't work. The
    exit code is 1 where there is trouble or something required is missing.

    \b
    fer-live doctor
    fer-live doctor --require cuda --require camera && fer-live --camera 0 --device cuda
    fer-live doctor --json | python -m json.tool
    """  # noqa: D301 -- click knows the control character, not a backslash and a b
    from .doctor import examine

    settings = Settings.of(context)
    if model is None and "model" in settings.values:
        model = Path(settings.values["model"])
    found = [_settings_found(settings)]
    context.exit(_tell(as_json, lambda begun, told: examine(model, require, found, begun=begun, told=told)))


@click.command(short_help="Try fer-live out on a clip that comes with it.")
@_json_option
@debug_option
@click.pass_context
def selftest(context: click.Context, as_json: bool) -> None:
    """Find and read the faces of a bundled clip with each detector, write video and data, and read them back.

    It needs no network, no camera and no display. The exit code is 1 where something is not as it should be.
    """
    from .doctor import try_out

    context.exit(_tell(as_json, try_out))


def _tell(as_json: bool, look: Callable[[Callable[[str], None], Callable[[Area], None]], Examination]) -> int:
    """Print what is found as it is found, and give the exit code."""
    from .shown import area_lines, echo, summary_lines

    progress = _Progress()

    def told(area: Area) -> None:
        progress.clear()
        if not as_json:
            echo(area_lines(area))

    try:
        examination = look(progress.at, told)
    finally:
        progress.clear()
    if as_json:
        import json

        click.echo(json.dumps(examination.to_json(), indent=2))
    else:
        echo(summary_lines(examination))
    return 0 if examination.is_well else EXIT_NOT_WELL


def _settings_found(settings: Settings) -> Finding:
    """Which settings file is in force."""
    if settings.path is None:
        return Finding("settings", Mark.OK, f"no file; one would be read from {default_path('fer-live')}")
    facts = {"path": str(settings.path), "options": sorted(settings.values)}
    if settings.error is not None:
        return Finding("settings", Mark.TROUBLE, settings.error, "config-broken", facts)
    names = ", ".join(name.replace("_", "-") for name in settings.values) or "nothing"
    return Finding("settings", Mark.OK, f"{settings.path}, which sets {names}", facts=facts)


class _Progress:
    """What is waited for: one line on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self._shows, self._length = is_terminal(sys.stderr), 0

    def at(self, name: str) -> None:
        """Say what is looked at now."""
        if self._shows:
            self.clear()
            line = f"looking at {name} …"
            click.echo(line, err=True, nl=False)
            self._length = len(line)

    def clear(self) -> None:
        """Leave the line empty for what comes."""
        if self._length:
            click.echo(f"\r{' ' * self._length}\r", err=True, nl=False)
            self._length = 0
