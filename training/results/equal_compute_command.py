"""``fer-equal-compute``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_live.cli_errors import debug_option, one_line, run_command
from fer_live.errors import FerLiveError, ModelError
from fer_live.training.data.option import DATA_HELP, load_data
from fer_live.training.options import RECIPE
from fer_live.training.recipes.registry import RECIPES, Recipe

if TYPE_CHECKING:
    from fer_live.training.data.fer2013 import Fer2013

    from .equal_compute import Job

__all__ = ["equal_compute_command", "equal_compute_main"]


@click.command(
    epilog="You can stop it at any time; the same command resumes. fer-eval --table makes the page of results."
)
@click.argument("recipes", type=RECIPE, nargs=-1)
@click.option("--data", type=click.Path(path_type=Path), required=True, help=DATA_HELP)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/equal_compute"),
    show_default=True,
    help="Folder of the results, RECIPE.json for each recipe.",
)
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of the training runs.  [default: OUT/runs]")
@click.option(
    "--core-minutes",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=10.0,
    show_default=True,
    help="Processor time for each recipe's training; 10 is about 5 minutes on two cores.",
)
@click.option(
    "--random-init", is_flag=True, help="Start all recipes from random weights, including those that use ImageNet's."
)
@click.option("--threads", type=click.IntRange(1, 1024), default=2, show_default=True, help="CPU threads.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of every training.  [default: each recipe's own]")
@click.option("--keep-runs", is_flag=True, help="Keep the run folders of finished recipes, checkpoints included.")
@click.version_option(package_name="fer-live", prog_name="fer-equal-compute")
@debug_option
def equal_compute_command(
    recipes: tuple[Recipe, ...],
    data: Path,
    out: Path,
    runs: Path | None,
    core_minutes: float,
    random_init: bool,
    threads: int,
    seed: int | None,
    keep_runs: bool,
) -> None:
    """Train RECIPES, or every recipe, with the same processor time each, and record how well they do.

    Each schedule is scaled to the budget by the measured cost of its steps; light recipes come first. Finished recipes
    are not trained again. Other work on the machine delays a training but changes little in its result. Recipes that
    learn from teachers are trained without them, since the teachers' compute would count too.
    """
    import torch

    from fer_live.training.recipes.summary import summarise

    from .equal_compute import Job, finished_row

    torch.set_num_threads(threads)
    chosen = [_with_options(recipe, random_init, seed) for recipe in recipes or RECIPES.values()]
    chosen.sort(key=lambda recipe: summarise(recipe.model, recipe.contract()).macs)
    job = Job(out, runs if runs is not None else out / "runs", core_minutes, keep_runs)
    left = [recipe for recipe in chosen if not finished_row(recipe, job)]
    click.echo(
        f"{len(chosen)} rows of {core_minutes:g} core-minutes each, {len(chosen) - len(left)} done; rows in {out}"
    )
    dataset = load_data(data)
    failed = [
        recipe.name for recipe in left if not _row(recipe, dataset, job, f"{chosen.index(recipe) + 1}/{len(chosen)}")
    ]
    if failed:
        raise ModelError(f"no row of {', '.join(failed)}: see above; the others are in {out}")
    click.echo(f"finished: {out}\nnext: fer-eval --table {shlex.quote(str(out))} > results.md")


def _with_options(recipe: Recipe, random_init: bool, seed: int | None) -> Recipe:
    options: dict[str, object] = {} if seed is None else {"seed": seed}
    if random_init and recipe.train.init == "imagenet":
        options["init"] = "default"
    if recipe.train.distill > 0:
        options["distill"] = 0.0
    return recipe.with_options(options)


def _row(recipe: Recipe, dataset: Fer2013, job: Job, number: str) -> bool:
    """Make one row with its progress on a line; False, and the reason on stderr, where that can't be."""
    from .equal_compute import Watcher, run_row
    from .row_progress import RowProgress

    with RowProgress(f"{number} {recipe.name}", 60 * job.core_minutes) as progress:
        try:
            path = run_row(recipe, dataset, job, Watcher(progress.on_plan, progress.on_step, progress.on_epoch))
        except FerLiveError as error:
            progress.close()
            click.echo(f"{number} {recipe.name}: {one_line(error)}", err=True)
            return False
        progress.finish(path)
    return True


def equal_compute_main() -> None:
    """Entry point of ``fer-equal-compute``."""
    sys.exit(run_command(equal_compute_command, "fer-equal-compute"))


if __name__ == "__main__":
    equal_compute_main()
