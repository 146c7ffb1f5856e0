"""Write docs/commands.md from the commands themselves.

python docs/commands_page.py > docs/commands.md
"""

from __future__ import annotations

import inspect
import re

import click

from fer_live.cli_options import headings_of
from fer_live.export.cli import export_command
from fer_live.realtime.cli import command as live_command
from fer_live.training.cli import train_command
from fer_live.training.data.pack_command import pack_command
from fer_live.training.pictures.command import filters_command
from fer_live.training.report.command import eval_command
from fer_live.training.results.equal_compute_command import equal_compute_command
from fer_live.training.search.command import search_command

COMMANDS: dict[str, click.Command] = {
    "fer-live": live_command,
    "fer-train": train_command,
    "fer-eval": eval_command,
    "fer-export": export_command,
    "fer-search": search_command,
    "fer-filters": filters_command,
    "fer-pack": pack_command,
    "fer-equal-compute": equal_compute_command,
}

HEAD = """# Commands

Every command and option, as `--help` tells them. This page is written by
`python docs/commands_page.py > docs/commands.md`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(part for name, command in COMMANDS.items() for part in section(name, command, 2))])


def section(name: str, command: click.Command, level: int, parent: click.Context | None = None) -> list[str]:
    """One command, and below it the commands that it has."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} {context.command_path}\n", *prose(command.help), f"```\n{usage}\n```\n"]
    for heading, params in headings_of(command, context).items():
        records = [record for param in params if (record := param.get_help_record(context)) is not None]
        rows = [f"| `{cell(names)}` | {text(told)} |" for names, told in records]
        parts += [f"**{heading}**\n", "| option | what it does |", "|:---|:---|", *rows, ""]
    parts += prose(command.epilog)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            parts += section(each, below, level + 1, context)
    return parts


def prose(text_: str | None) -> list[str]:
    """Paragraphs; those that click does not wrap are commands to try."""
    parts = []
    for paragraph in inspect.cleandoc(text_ or "").split("\n\n"):
        if paragraph.startswith("\b"):
            parts.append(f"```sh\n{paragraph.lstrip(chr(8)).strip()}\n```\n")
        elif paragraph:
            parts.append(f"{text(paragraph)}\n")
    return parts


def text(told: str) -> str:
    """Prose on one line, with the names of options as code."""
    line = cell(" ".join(told.split())).replace("<", "&lt;").replace("*", r"\*")
    return re.sub(r"(?<![\w`-])(--[a-z][a-z0-9-]*[a-z0-9])(?![\w`])", r"`\1`", line)


def cell(told: str) -> str:
    """What may stand in a cell of a table."""
    return told.replace("|", r"\|")


if __name__ == "__main__":
    click.echo(page(), nl=False)
