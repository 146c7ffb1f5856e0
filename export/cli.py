"""``fer-export``: a checkpoint becomes one ``.onnx`` file that runs with no configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_live.cli_errors import debug_option, run_command

from .opsets import DEFAULT_OPSET, FIRST_OPSET, LAST_OPSET

if TYPE_CHECKING:
    import onnx

    from fer_live.training.data.fer2013 import Fer2013

__all__ = ["export_command", "main"]


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write; replaced only when the new one is complete and verified.  [default: CHECKPOINT.onnx]",
)
@click.option(
    "--opset",
    type=click.IntRange(FIRST_OPSET, LAST_OPSET),
    default=DEFAULT_OPSET,
    show_default=True,
    help="ONNX operator set.",
)
@click.option("--int8", is_flag=True, help="Also write an int8 model beside the float32 one: FILE_int8.onnx.")
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="FER2013 as .csv, .npz or folder, for --int8: the ranges of the activations come from its Training images, "
    "the temperatures from PublicTest.",
)
@click.option("--fp16", is_flag=True, help="Also write a half-precision model for GPUs: FILE_fp16.onnx.")
@click.option(
    "--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="CPU threads of the speed measurement."
)
@click.version_option(package_name="fer-live", prog_name="fer-export")
@debug_option
def export_command(
    checkpoint: Path, out: Path | None, opset: int, int8: bool, calibrate: Path | None, fp16: bool, threads: int
) -> None:
    """Export CHECKPOINT, the model.pt that fer-train writes, to ONNX.

    Normalisation, temperatures and softmax become part of the graph; the contract and a probe with its expected answer
    are stored in the file. Nothing is written unless onnxruntime gives the same answers as the network.
    """
    from fer_live.errors import ModelError
    from fer_live.files import system_errors_as

    if int8 and calibrate is None:
        raise click.UsageError(
            "--int8 needs real faces to find the ranges of the activations: give --calibrate fer2013.csv"
        )
    if calibrate is not None and not int8:
        raise click.UsageError("--calibrate is for --int8: give both or neither")
    with system_errors_as(ModelError, checkpoint):
        if checkpoint.is_dir():
            raise ModelError(f"{checkpoint}: a folder, not a checkpoint; give the model.pt that fer-train wrote")
    if checkpoint.suffix.lower() == ".onnx":
        raise ModelError(f"{checkpoint}: already an ONNX model; give the model.pt that fer-train wrote")
    target = out if out is not None else checkpoint.with_suffix(".onnx")
    with system_errors_as(ModelError, target):
        if target.suffix.lower() != ".onnx" and not target.is_dir():
            raise click.BadParameter(f"{target} must end in .onnx", param_hint="--out")

    from fer_live import __version__
    from fer_live.training.checkpoint import load_checkpoint
    from fer_live.training.provenance import environment, file_sha256

    from .onnx_export import check_target, export_model, write_models
    from .verify import verify

    targets = [
        target,
        *(target.with_name(f"{target.stem}_{kind}.onnx") for kind in ("int8",) * int8 + ("fp16",) * fp16),
    ]
    for path in targets:
        check_target(path)
    dataset = _read(calibrate) if calibrate is not None else None
    loaded = load_checkpoint(checkpoint)
    provenance = {**environment(), "checkpoint_sha256": file_sha256(checkpoint), "opset": opset}
    model = export_model(loaded, opset=opset, provenance=provenance)
    data = model.SerializeToString()
    parity = verify(loaded, data)
    others: list[tuple[bytes, dict[str, str]]] = []
    if dataset is not None:
        small, said = _int8_model(model, data, dataset, provenance)
        others.append((small, {**said, "speed": _speed(small, threads)}))
    if fp16:
        others.append(_half_model(model, data, provenance))
    speed = _speed(data, threads)
    write_models(dict(zip(targets, [data, *(bytes_ for bytes_, _ in others)], strict=True)))

    heads = ", ".join(f"{head.name} ({len(head.labels)})" for head in loaded.contract.heads)
    epoch = loaded.provenance.get("epoch")
    trained = f"{loaded.model.name}, epoch {epoch['epoch'] + 1}" if isinstance(epoch, dict) else loaded.model.name
    _print(
        {
            "file": f"{target}",
            "size": f"{len(data) / 1e6:.2f} MB",
            "network": f"{trained}; heads {heads}",
            "parameters": f"{sum(tensor.numel() for tensor in loaded.network().parameters()):,}",
            "opset": f"{opset}, written by fer-live {__version__}",
            "parity": f"{parity.max_probability_difference:.1e} at most between torch and onnxruntime, "
            f"{parity.faces} faces",
            "speed": speed,
        }
    )
    for path, (bytes_, said) in zip(targets[1:], others, strict=True):
        click.echo()
        _print({"file": f"{path}", "size": f"{len(bytes_) / 1e6:.2f} MB", **said})


def _read(path: Path) -> Fer2013:
    from fer_live.training.data.fer2013 import load_fer2013

    dataset = load_fer2013(path)
    for note in dataset.notes:
        click.echo(f"note: {note}", err=True)
    return dataset


def _int8_model(
    model: onnx.ModelProto, data: bytes, dataset: Fer2013, provenance: dict[str, Any]
) -> tuple[bytes, dict[str, str]]:
    """The int8 model's bytes, compared with the float32 one's, and what is to be said of it."""
    from fer_live.training.data.fer2013 import Usage
    from fer_live.training.evaluation.logits import crops_of

    from .quantise import calibration_of, contract_of, quantise
    from .verify import compare, comparison_faces

    calibration = calibration_of(dataset, contract_of(model))
    quantised = quantise(model, calibration, dataset, provenance)
    contract, rows = contract_of(quantised), dataset.rows(Usage.PublicTest)
    small = quantised.SerializeToString()
    if len(rows):
        found = compare(data, small, crops_of(dataset.images[rows], contract), dataset.expression[rows])
    else:
        found = compare(data, small, comparison_faces(contract.size))
    faces = f"{found.faces:,} PublicTest faces" if len(rows) else f"{found.faces} drawn pictures"
    said = {
        "ranges": f"{len(calibration.crops)} Training images, {calibration.provenance['method']}",
        "heads": ", ".join(f"{head.name} temperature {head.temperature:.3f}" for head in contract.heads)
        + ("; fitted on PublicTest" if len(rows) else "; as in float32, for there is no PublicTest image"),
        "agreement": f"{100 * found.same_label:.2f} % same label as float32, probabilities {found.mean_difference:.4f} "
        f"apart on average, {found.max_difference:.3f} at most, {faces}",
    }
    if found.accuracies is not None:
        before, after = found.accuracies
        said["accuracy"] = f"{100 * after:.2f} %, float32 {100 * before:.2f} %, {faces}"
    return small, said


def _half_model(model: onnx.ModelProto, data: bytes, provenance: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The half-precision model's bytes, compared with the float32 one's, and what is to be said of it."""
    from .half import to_half
    from .quantise import contract_of
    from .verify import HALF_MEAN_TOLERANCE, compare, comparison_faces

    half = to_half(model, provenance).SerializeToString()
    faces = comparison_faces(contract_of(model).size)
    found = compare(data, half, faces, option="fp16", accepted=HALF_MEAN_TOLERANCE)
    return half, {
        "agreement": f"probabilities {found.max_difference:.1e} apart at most, {found.faces} drawn pictures, on the "
        "CPU, which rounds the weights only",
        "speed": "not timed: a CPU computes it in float32; benchmarks/cuda.py times it on a GPU",
    }


def _speed(model: bytes, threads: int) -> str:
    from .verify import measure_ms_per_face

    one, eight = (measure_ms_per_face(model, batch, threads=threads) for batch in (1, 8))
    return f"{one:.2f} ms a face, {eight:.2f} in batches of 8 (CPU, {threads} thread{'s'[: threads > 1]})"


def _print(lines: dict[str, str]) -> None:
    for name, value in lines.items():
        click.echo(f"{name:<11}{value}")


def main() -> None:
    """Entry point of ``fer-export``."""
    sys.exit(run_command(export_command, "fer-export"))


if __name__ == "__main__":
    main()
