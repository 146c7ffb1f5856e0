"""``fer-train``."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_live.cli_errors import debug_option, run_command
from fer_live.cli_options import HeadedCommand
from fer_live.errors import DataError
from fer_live.terminals import is_terminal

from .data.option import DATA_HELP, load_data
from .options import ARGUMENT, RECIPE, chosen_recipe, hardware_options, setting_options
from .recipes.registry import RECIPES, Recipe

if TYPE_CHECKING:
    import torch

    from .data.fer2013 import Fer2013
    from .distributed import Ranks

__all__ = ["train_command", "train_main"]


def _list_recipes(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from .recipes.describe import list_rows
    from .recipes.listing import listing

    rows = list_rows(tuple(RECIPES.values()))
    if is_terminal(sys.stdout):
        click.echo(listing(rows, shutil.get_terminal_size().columns))
    else:
        for row in rows:
            click.echo("\t".join(row))
    context.exit()


@click.command(
    cls=HeadedCommand, epilog="Options that are not given have the recipe's values. PrivateTest is never used."
)
@click.option("--data", type=click.Path(path_type=Path), help=DATA_HELP)
@click.option("--recipe", type=RECIPE, default="residual", show_default=True, help="Recipe to train; see --list.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/RECIPE-seedSEED]")
@click.option(
    "--set",
    "arguments",
    type=ARGUMENT,
    multiple=True,
    help="Set an option of the network; --describe shows them. May be given several times.",
)
@click.option(
    "--teachers",
    type=click.Path(path_type=Path),
    multiple=True,
    help="What --distill learns from: one model.pt or several, each with an option of its own; or, better, teachers "
    "that were not trained on the images they are asked about, as an .npz or a folder; see docs/training.md. Without "
    "it flagship trains its own teachers first.",
)
@click.option(
    "--start-from",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Start from the weights of this model.pt, to train a network further or on other data.",
)
@click.option(
    "--random-init", is_flag=True, help="Start from random weights instead of ImageNet's; same as --init default."
)
@click.option(
    "--describe",
    type=RECIPE,
    help="Show a recipe layer by layer; with --out, also write a picture and a graph for TensorBoard.",
)
@click.option(
    "--preview-augment",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the augmentation of images from --data into this PNG and exit.",
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list_recipes, help="Show the recipes and exit."
)
@hardware_options
@setting_options
@click.version_option(package_name="fer-live", prog_name="fer-train")
@debug_option
def train_command(
    data: Path | None,
    recipe: Recipe,
    out: Path | None,
    arguments: tuple[tuple[str, Any], ...],
    teachers: tuple[Path, ...],
    start_from: Path | None,
    random_init: bool,
    describe: Recipe | None,
    preview_augment: Path | None,
    device: str,
    precision: str,
    threads: int | None,
    **settings: Any,
) -> None:
    """Train a network on FER2013.

    You can stop it at any time; the same command resumes from the last complete epoch. The run folder holds model.pt,
    the weights of the epoch with the best PublicTest accuracy, and the run's log, curves and TensorBoard events.
    """
    chosen = chosen_recipe(describe or recipe, arguments, random_init, settings)
    if describe is not None:
        _describe(chosen, out)
        return
    if data is None:
        raise click.MissingParameter(param_hint="'--data'", param_type="option")
    if preview_augment is not None:
        _preview(chosen, data, preview_augment)
        return
    folder = out if out is not None else Path("runs") / f"{chosen.name}-seed{chosen.train.seed}"

    import torch

    from .checkpoint import load_checkpoint
    from .device import choose_bf16, choose_device
    from .distillation.teachers import load_teachers
    from .distributed import together
    from .run.loop import train
    from .run.own_teachers import TEACHER_OF
    from .run.progress import training_progress

    where = choose_device(device)
    bf16 = choose_bf16(precision, where)
    if threads is not None:
        torch.set_num_threads(threads)
    dataset = load_data(data)
    computing = f"{where.type}, {'bf16' if bf16 else 'float32'}, {torch.get_num_threads()} CPU threads"
    with together(where) as ranks:
        if ranks.world > 1:
            computing = f"{ranks.world} processes of {computing}"
        click.echo(f"recipe {chosen.name}, {len(dataset.images):,} images, {computing}; run folder {folder}")
        if not teachers and chosen.train.distill > 0 and chosen.name in TEACHER_OF:
            teachers = (_own_teachers(chosen.name, dataset, folder, where, bf16, ranks),)
        with training_progress(chosen.train.epochs, chosen.train.batch_size) as progress:
            try:
                taught_by = None
                if teachers:
                    taught_by = load_teachers(teachers, dataset, bf16=bf16, ranks=ranks, on_asked=progress.on_asked)
                model = train(
                    chosen,
                    dataset,
                    folder,
                    device=where,
                    bf16=bf16,
                    ranks=ranks,
                    teachers=taught_by,
                    start=load_checkpoint(start_from) if start_from is not None else None,
                    on_step=progress.on_step,
                    on_epoch=progress.on_epoch,
                    on_note=progress.on_note,
                )
            except KeyboardInterrupt:
                progress.close()
                click.echo(
                    f"stopped after {progress.epochs_done} complete epochs; the same command resumes from there",
                    err=True,
                )
                raise
    if progress.epochs_done < chosen.train.epochs:
        click.echo(
            f"stopped after {progress.epochs_done} epochs: no better PublicTest accuracy for {chosen.train.patience}"
        )
    click.echo(f"{'already finished' if progress.nothing_to_do else 'finished'}: {model}")
    quoted, source = shlex.quote(str(model)), shlex.quote(str(data))
    click.echo(f"next: fer-eval {quoted} --data {source}\n      fer-export {quoted}")


def _own_teachers(recipe: str, dataset: Fer2013, folder: Path, where: torch.device, bf16: bool, ranks: Ranks) -> Path:
    """What a student learns from whose recipe has teachers of its own; they are trained first if they are not there."""
    from .run.own_teachers import FOLDS, TEACHER_OF, epoch_line, own_teachers, train_own_teachers

    found = own_teachers(folder, where)
    if found.exists():
        return found
    if ranks.world > 1:
        raise DataError(
            f"recipe {recipe} trains its teachers in one process only: train them first with python -m "
            "fer_live.training.flagship --stage teachers and give --teachers, or give --distill 0"
        )
    click.echo(
        f"recipe {recipe} learns from {FOLDS} networks of recipe {TEACHER_OF[recipe]}, which are trained first, in "
        f"{folder / 'teachers'}; --distill 0 trains without them"
    )
    try:
        images, share = train_own_teachers(
            recipe,
            dataset,
            folder,
            device=where,
            bf16=bf16,
            on_epoch=lambda name, epoch: click.echo(epoch_line(name, epoch)),
        )
    except KeyboardInterrupt:
        click.echo(
            "stopped while training the teachers; the same command resumes from their last complete epoch", err=True
        )
        raise
    click.echo(f"the teachers label {share:.2%} of {images:,} images correctly, each without having been trained on it")
    return own_teachers(folder, where)


def _describe(recipe: Recipe, out: Path | None) -> None:
    from fer_live.files import make_folder, replacing, system_errors_as

    from .recipes.describe import describe, write_graph

    click.echo(describe(recipe))
    if out is not None:
        from fer_live.errors import SinkError

        from .pictures.diagram import draw_diagram
        from .recipes.recipe import build_model

        make_folder(out)
        contract = recipe.contract()
        with replacing(out / "layers.png") as partial:
            draw_diagram(partial, f"{recipe.name}: layers", build_model(recipe.model, contract).eval(), contract)
        with system_errors_as(SinkError, out):
            write_graph(recipe, out)
        click.echo(f"written: {out / 'layers.png'}, and a graph: tensorboard --logdir {shlex.quote(str(out))}")


def _preview(recipe: Recipe, data: Path, target: Path) -> None:
    if target.suffix.lower() != ".png":
        raise click.BadParameter(f"{target} must end in .png", param_hint="'--preview-augment'")
    from fer_live.errors import SinkError
    from fer_live.files import system_errors_as

    from .augmentation.preview import draw_preview

    dataset = load_data(data)
    with system_errors_as(SinkError, target):
        draw_preview(target, recipe.name, recipe.train, dataset)
    click.echo(f"written: {target}")


def train_main() -> None:
    """Entry point of ``fer-train``.

    Of several processes that torchrun started the first one speaks, of errors the first one of each machine.
    """
    if os.environ.get("RANK", "0") != "0":
        sys.stdout = open(os.devnull, "w")
    if os.environ.get("LOCAL_RANK", "0") != "0":
        sys.stderr = open(os.devnull, "w")
    sys.exit(run_command(train_command, "fer-train"))


if __name__ == "__main__":
    train_main()
