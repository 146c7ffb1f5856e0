"""``fer-export``: a checkpoint becomes one ``.onnx`` file that runs with no configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_live.cli_errors import debug_option, run_command

__all__ = ["export_command", "main"]

_FIRST_OPSET, _LAST_OPSET, _DEFAULT_OPSET = 18, 23, 18


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write; replaced only when the new one is complete and verified.  [default: CHECKPOINT.onnx]",
)
@click.option(
    "--opset",
    type=click.IntRange(_FIRST_OPSET, _LAST_OPSET),
    default=_DEFAULT_OPSET,
    show_default=True,
    help="ONNX operator set.",
)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Of the timing.")
@click.version_option(package_name="fer-live", prog_name="fer-export")
@debug_option
def export_command(checkpoint: Path, out: Path | None, opset: int, threads: int) -> None:
    """Export CHECKPOINT, the model.pt that fer-train writes, to ONNX.

    Preprocessing, temperatures and softmax go into the graph; the contract and a probe with its expected answer go
    into the file. Nothing is written unless onnxruntime answers as the network does.
    """
    from fer_live.errors import ModelError
    from fer_live.training.files import system_errors_as

    with system_errors_as(ModelError, checkpoint):
        if checkpoint.is_dir():
            raise ModelError(f"{checkpoint}: a folder, not a checkpoint; give the model.pt that fer-train wrote")
    if checkpoint.suffix.lower() == ".onnx":
        raise ModelError(f"{checkpoint}: is an ONNX model already; give the model.pt that fer-train wrote")
    target = out if out is not None else checkpoint.with_suffix(".onnx")
    with system_errors_as(ModelError, target):
        if target.suffix.lower() != ".onnx" and not target.is_dir():
            raise click.BadParameter(f"{target} must end in .onnx", param_hint="--out")

    from fer_live import __version__
    from fer_live.training.checkpoint import load_checkpoint
    from fer_live.training.provenance import environment, file_sha256

    from .onnx_export import check_target, export_model, write_model
    from .verify import measure_ms_per_face, verify

    check_target(target)
    loaded = load_checkpoint(checkpoint)
    provenance = {**environment(), "checkpoint_sha256": file_sha256(checkpoint), "opset": opset}
    model = export_model(loaded, opset=opset, provenance=provenance)
    data = model.SerializeToString()
    parity = verify(loaded, data)
    speed = {batch: measure_ms_per_face(data, batch, threads=threads) for batch in (1, 8)}
    write_model(data, target)

    heads = ", ".join(f"{head.name} ({len(head.labels)})" for head in loaded.contract.heads)
    epoch = loaded.provenance.get("epoch")
    trained = f"{loaded.model.name}, epoch {epoch['epoch'] + 1}" if isinstance(epoch, dict) else loaded.model.name
    for name, value in (
        ("file", f"{target}"),
        ("size", f"{len(data) / 1e6:.2f} MB"),
        ("network", f"{trained}; heads {heads}"),
        ("parameters", f"{sum(tensor.numel() for tensor in loaded.network().parameters()):,}"),
        ("opset", f"{opset}, written by fer-live {__version__}"),
        (
            "parity",
            f"{parity.max_probability_difference:.1e} at most between torch and onnxruntime, {parity.faces} faces",
        ),
        (
            "speed",
            f"{speed[1]:.2f} ms a face, {speed[8]:.2f} in batches of 8 (CPU, {threads} thread{'s'[: threads > 1]})",
        ),
    ):
        click.echo(f"{name:<11}{value}")


def main() -> None:
    """Entry point of ``fer-export``."""
    sys.exit(run_command(export_command, "fer-export"))


if __name__ == "__main__":
    main()
