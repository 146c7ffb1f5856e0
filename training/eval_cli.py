"""``fer-eval``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_live.cli_errors import debug_option, run_command

from .terminal import DATA_HELP, load_data, print_table

__all__ = ["eval_command", "eval_main"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help=DATA_HELP)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for metrics.json, report.md and pictures.")
@click.option("--mirror", is_flag=True, help="Average each image's answer with its mirror image's.")
@click.option(
    "--with-private/--public-only",
    default=True,
    show_default=True,
    help="Open PrivateTest once, at the end; choose between models with --public-only.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.version_option(package_name="fer-live", prog_name="fer-eval")
@debug_option
def eval_command(model: Path, data: Path, out: Path | None, mirror: bool, with_private: bool, device: str) -> None:
    """Evaluate MODEL, a model.pt or an exported .onnx, on FER2013's test splits.

    An .onnx is run by onnxruntime on the CPU, so that the figures are those of the file that is used live.
    """
    from datetime import UTC, datetime

    from .device import choose_device
    from .files import make_folder
    from .predictors import load_predictor
    from .provenance import environment, file_sha256
    from .report import CLASS_COLUMNS, SPLIT_COLUMNS, class_rows, evaluate, split_rows, write_report

    predict = load_predictor(model, choose_device(device))
    dataset = load_data(data)
    if out is not None:
        make_folder(out)  # before the long work
    evaluation = evaluate(predict, dataset, with_private=with_private, mirror=mirror)
    print_table(f"{model.name}, {evaluation.view}, {evaluation.runtime}", SPLIT_COLUMNS, split_rows(evaluation))
    for split in evaluation.splits:
        print_table(f"{split.name}, by class", CLASS_COLUMNS, class_rows(split.fer2013))
    if out is not None:
        about = {
            "model": {"file": model.name, "sha256": file_sha256(model), "provenance": predict.provenance},
            "data": {**dataset.identity(), "notes": list(dataset.notes)},
            "date": datetime.now(UTC).date().isoformat(),
            "environment": environment(),
        }
        write_report(out, evaluation, about)
        click.echo(f"written: {out / 'metrics.json'}, {out / 'report.md'} and pictures")


def eval_main() -> None:
    """Entry point of ``fer-eval``."""
    sys.exit(run_command(eval_command, "fer-eval"))
