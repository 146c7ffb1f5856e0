"""``fer-pack``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_live.cli_errors import debug_option, run_command

from .option import load_data

__all__ = ["pack_command", "pack_main"]


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write the pack to.")
@click.version_option(package_name="fer-live", prog_name="fer-pack")
@debug_option
def pack_command(data: Path, out: Path) -> None:
    """Pack FER2013 without loss into files of at most 30 MiB; --data OUT then reads it in seconds.

    DATA is anything that --data accepts. Labels, splits and FER+ votes are packed with the images.
    """
    from .fer2013 import pack_fer2013

    files = pack_fer2013(load_data(data), out)
    for file in files:
        click.echo(f"{file}\t{file.stat().st_size:,} bytes")
    click.echo(f"finished; to use it give --data {out}")


def pack_main() -> None:
    """Entry point of ``fer-pack``."""
    sys.exit(run_command(pack_command, "fer-pack"))
