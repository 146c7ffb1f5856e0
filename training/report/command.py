"""``fer-eval``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_live.cli_errors import debug_option, run_command
from fer_live.training.data.option import DATA_HELP, load_data
from fer_live.training.results.table_option import table_option
from fer_live.training.terminal import pass_progress, print_table

__all__ = ["eval_command", "eval_main"]

_SHOWN = ("figures", "pairs", "classes", "ferplus", "targets", "robustness")
"""Parts of the report that are printed, too."""


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help=DATA_HELP)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write report.html, .json, .md and pictures to this folder."
)
@click.option(
    "--card",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Update the figures of this model card (.md), between <!-- fer-eval --> and <!-- /fer-eval -->.",
)
@click.option("--mirror", is_flag=True, help="Average the answers for each image and its mirror image.")
@click.option(
    "--with-private/--public-only",
    default=True,
    show_default=True,
    help="Whether to use PrivateTest. Choose between models with --public-only and open PrivateTest once, at the end.",
)
@click.option(
    "--robustness/--no-robustness",
    default=None,
    help="Measure the accuracy on PublicTest's faces made small, blurred, dark, noisy, turned and covered.  "
    "[default: with --out]",
)
@click.option(
    "--robustness-images", type=click.IntRange(1), help="Use so many of these faces, drawn at random.  [default: all]"
)
@click.option(
    "--risk",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    default=15.0,
    show_default=True,
    help="Choose the confidence threshold for at most this % of wrong answers.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of bootstrap and corruptions.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to run a model.pt.",
)
@table_option
@click.version_option(package_name="fer-live", prog_name="fer-eval")
@debug_option
def eval_command(
    models: tuple[Path, ...],
    data: Path,
    out: Path | None,
    card: Path | None,
    mirror: bool,
    with_private: bool,
    robustness: bool | None,
    robustness_images: int | None,
    risk: float,
    seed: int,
    device: str,
) -> None:
    """Evaluate a MODEL, a model.pt or an exported .onnx, on FER2013's test splits, or compare several.

    An .onnx is run by onnxruntime on the CPU, so its figures are those of the very file that is used live.
    """
    from datetime import UTC, datetime

    from fer_live.files import make_folder
    from fer_live.training.device import choose_device
    from fer_live.training.evaluation.compare import Settings, compare, model_names
    from fer_live.training.evaluation.predictors import load_predictor
    from fer_live.training.evaluation.robustness import PASSES
    from fer_live.training.evaluation.splits import check_labels
    from fer_live.training.provenance import environment, file_sha256

    from .folder import write_report
    from .model_card import check_card, write_card
    from .plots import MOST_MODELS
    from .tables import short_name, tables_of

    if len(models) > MOST_MODELS:
        raise click.UsageError(f"{len(models)} models given; a picture can't show more than {MOST_MODELS} distinctly")
    if len({path.resolve() for path in models}) < len(models):
        raise click.UsageError("the same model is given twice")
    where = choose_device(device)
    loaded = []
    for path, name in zip(models, model_names(models), strict=True):
        predict = load_predictor(path, where)
        check_labels(predict, str(path))
        about = {
            "file": path.name,
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            "provenance": predict.provenance,
        }
        loaded.append((name, predict, about))
    dataset = load_data(data)
    if out is not None:
        make_folder(out)  # before the long work
    if card is not None:
        check_card(card)
    settings = Settings(
        with_private=with_private,
        mirror=mirror,
        with_robustness=out is not None if robustness is None else robustness,
        robustness_images=robustness_images,
        risk=risk / 100,
        seed=seed,
    )
    common = {
        "data": {**dataset.identity(), "notes": list(dataset.notes)},
        "date": datetime.now(UTC).date().isoformat(),
        "environment": environment(),
    }
    passes = len(loaded) * (1 + (PASSES if settings.with_robustness else 0))
    with pass_progress(passes) as on_pass:
        comparison = compare(loaded, dataset, settings, common, on_pass)
    for number, model in enumerate(comparison.models):
        click.echo(f"{short_name(comparison, number)}: {model.evaluation.view}, {model.evaluation.runtime}")
    for table in tables_of(comparison):
        if table.section in _SHOWN:
            print_table(table.title, table.columns, table.rows, table.words)
    if out is not None:
        write_report(out, comparison)
        click.echo(f"written: {out / 'report.html'}, report.json, report.md and pictures")
    if card is not None:
        write_card(card, comparison)
        click.echo(f"written: {card}")


def eval_main() -> None:
    """Entry point of ``fer-eval``."""
    sys.exit(run_command(eval_command, "fer-eval"))
