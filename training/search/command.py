"""``fer-search``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_live.cli_errors import debug_option, run_command
from fer_live.cli_options import HeadedCommand
from fer_live.training.data.option import DATA_HELP, load_data
from fer_live.training.options import ARGUMENT, RECIPE, chosen_recipe, hardware_options, setting_options
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.registry import RECIPES, Recipe

from .presets import PRESETS, Preset

if TYPE_CHECKING:
    from .run import Trial
    from .space import Dimension

__all__ = ["search_command", "search_main"]

_TRIALS = 30
_SEARCH = ("sampler", "pruner", "anneal_step", "anneal_temperature", "anneal_cooling")
_FRACTION = click.FloatRange(0, 1, min_open=True)


@click.command(
    cls=HeadedCommand,
    epilog="All other options apply to every trial; those not given have the recipe's values. Trials are compared by "
    "PublicTest; PrivateTest is never used.",
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help=DATA_HELP)
@click.option("--recipe", type=RECIPE, help="Recipe to train.  [default: the preset's, or residual]")
@click.option(
    "--over",
    multiple=True,
    metavar="NAME=VALUES",
    help="Option to search over: NAME=LOW..HIGH, optionally followed by :log or :step=S, or NAME=A,B,C. NAME is an "
    "option of fer-train or a key of --set. May be given several times.",
)
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), help="A search from the reports; options that are given override it."
)
@click.option(
    "--trials", type=click.IntRange(1, 100_000), help=f"Number of trials, earlier ones included.  [default: {_TRIALS}]"
)
@click.option("--sampler", type=click.Choice(["random", "anneal", "tpe"]), help="What proposes values.  [default: tpe]")
@click.option(
    "--pruner",
    type=click.Choice(["none", "median", "hyperband"]),
    help="What ends hopeless trials early.  [default: median]",
)
@click.option(
    "--search-seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of the proposals."
)
@click.option("--anneal-step", type=_FRACTION, help="anneal: largest move, as a share of a range.  [default: 0.2]")
@click.option(
    "--anneal-temperature",
    type=_FRACTION,
    help="anneal: loss of accuracy (0..1) that is accepted with probability 1/e at the start.  [default: 0.02]",
)
@click.option(
    "--anneal-cooling", type=_FRACTION, help="anneal: factor by which the temperature falls per trial.  [default: 0.9]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Search folder.  [default: runs/search-RECIPE]")
@click.option("--set", "arguments", type=ARGUMENT, multiple=True, help="Set an option of the network, for all trials.")
@click.option(
    "--random-init", is_flag=True, help="Start from random weights instead of ImageNet's; same as --init default."
)
@hardware_options
@setting_options
@click.version_option(package_name="fer-live", prog_name="fer-search")
@debug_option
def search_command(
    data: Path,
    recipe: Recipe | None,
    over: tuple[str, ...],
    preset: str | None,
    trials: int | None,
    search_seed: int,
    out: Path | None,
    arguments: tuple[tuple[str, Any], ...],
    random_init: bool,
    device: str,
    precision: str,
    threads: int | None,
    **settings: Any,
) -> None:
    """Search for the options that train a recipe best.

    You can stop it at any time; the same command resumes, and a larger --trials extends the search. The search folder
    holds study.db, study.png, best.json with the command that trains the best trial again, and each trial's run folder.
    """
    chosen_preset = None if preset is None else PRESETS[preset]
    fixed = {name: value for name, value in settings.items() if name not in _SEARCH and value is not None}
    fixed_names = {*fixed, *(key for key, _ in arguments), *(("init",) if random_init else ())}
    wanted = {name: settings[name] for name in _SEARCH if settings[name] is not None}
    if chosen_preset is not None:
        recipe = recipe or RECIPES[chosen_preset.recipe]
        over = _merged(chosen_preset, over, fixed_names)
        defaults = chosen_preset.options
        trials = trials or defaults.get("trials")
        wanted = {**{name: defaults[name] for name in _SEARCH if name in defaults}, **wanted}
        in_training = {entry.name for entry in fields(TrainConfig)} - {_name(text) for text in over}
        fixed = {**{name: value for name, value in defaults.items() if name in in_training}, **fixed}
    searched = [_name(text) for text in over]
    base = chosen_recipe(recipe or RECIPES["residual"], arguments, random_init, fixed, searched)
    space, config = _space(base, over, fixed_names), _config({**wanted, "seed": search_seed})
    folder = out if out is not None else Path("runs") / f"search-{base.name}"

    import torch

    from fer_live.training.device import choose_bf16, choose_device

    from .progress import search_progress
    from .run import search

    where = choose_device(device)
    bf16 = choose_bf16(precision, where)
    if threads is not None:
        torch.set_num_threads(threads)
    dataset = load_data(data)
    number = trials or _TRIALS
    command = ["--data", str(data), "--device", where.type, "--precision", "bf16" if bf16 else "float32"]
    command += [] if threads is None else ["--threads", str(threads)]
    click.echo(
        f"recipe {base.name}, {config.sampler} over {', '.join(of.name for of in space)}; {len(dataset.images):,} "
        f"images, {where.type}, {'bf16' if bf16 else 'float32'}, {torch.get_num_threads()} CPU threads; "
        f"search folder {folder}"
    )
    with search_progress(number, base.train.epochs) as progress:
        try:
            best = search(
                base,
                space,
                dataset,
                folder,
                config,
                number,
                device=where,
                bf16=bf16,
                command=command,
                on_trial=progress.on_trial,
                on_epoch=progress.on_epoch,
                on_end=progress.on_end,
            )
        except KeyboardInterrupt:
            progress.close()
            click.echo(f"stopped with {progress.concluded} of {number} trials done; the same command resumes", err=True)
            raise
    _tell(best, folder)


def _name(text: str) -> str:
    return text.partition("=")[0].strip().replace("-", "_")


def _merged(preset: Preset, over: tuple[str, ...], fixed: set[str]) -> tuple[str, ...]:
    """The preset's dimensions but those that are given or fixed, then the given ones."""
    taken = fixed | {_name(text) for text in over}
    return (*(text for text in preset.over if _name(text) not in taken), *over)


def _space(recipe: Recipe, over: tuple[str, ...], fixed: set[str]) -> list[Dimension]:
    from .space import check_effects, parse_dimension

    if not over:
        raise click.UsageError("nothing to search over: give --over NAME=VALUES or --preset")
    try:
        space = [parse_dimension(text, recipe) for text in over]
        check_effects(space, recipe)
    except ValueError as error:
        raise click.UsageError(f"--over: {error}") from error
    names = [of.name for of in space]
    for name in names:
        if name in fixed:
            raise click.UsageError(f"--over: {name} is also fixed by an option of its own; give one of the two")
        if names.count(name) > 1:
            raise click.UsageError(f"--over: {name} is given twice")
    return space


def _config(options: Mapping[str, Any]) -> Any:
    from .run import SearchConfig

    try:
        return SearchConfig(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _tell(best: Trial, folder: Path) -> None:
    import json

    command = json.loads((folder / "best.json").read_text())["command"]
    model = shlex.quote(str(best.folder / "model.pt"))
    click.echo(f"best: trial {best.number}, PublicTest {100 * (best.accuracy or 0):.2f} %: {model}")
    click.echo(f"picture: {folder / 'study.png'}")
    click.echo(f"train it again:\n  {command}")


def search_main() -> None:
    """Entry point of ``fer-search``."""
    sys.exit(run_command(search_command, "fer-search"))
