"""``fer-eval --table``: the page of results on stdout, instead of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["table_option"]


def table_option(command: Any) -> Any:
    """Decorator: adds ``--table FOLDER``, as often as needed, which prints the page and ends the command."""

    def print_page(context: click.Context, _: click.Parameter, folders: tuple[Path, ...]) -> None:
        if not folders or context.resilient_parsing:
            return
        from fer_live.training.recipes.registry import RECIPES

        from .page import results_page
        from .reading import read_results

        rows, runs = read_results(folders)
        click.echo(results_page(tuple(RECIPES.values()), rows, runs), nl=False)
        context.exit()

    return click.option(
        "--table",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=print_page,
        help="Print the results of all recipes as Markdown, from folders of fer-equal-compute and of --out, and exit. "
        "May be given several times.",
    )(command)
