"""A checkpoint as an ONNX model with everything inside: normalisation, temperatures, softmax, contract and probe."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from fer_live.contract import Contract
from fer_live.errors import ModelError
from fer_live.files import system_errors_as
from fer_live.model_metadata import BATCH_DIMENSION, INPUT_NAME, ModelMetadata, Probe, output_names
from fer_live.training.checkpoint import Checkpoint
from fer_live.training.evaluation.logits import normalise

from .opsets import DEFAULT_OPSET
from .probe import probe_faces

__all__ = ["LiveGraph", "check_target", "export_model", "write_models"]


class LiveGraph(nn.Module):
    """What the exported model computes: faces (N, 1, S, S) uint8 to (logits, probabilities) of each head, in turn."""

    def __init__(self, network: nn.Module, contract: Contract) -> None:
        super().__init__()
        self.network = network
        self.contract = contract

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        """Logits are raw; probabilities are softmax(logits / temperature)."""
        outputs: list[Tensor] = []
        for logits, head in zip(self.network(normalise(faces, self.contract)), self.contract.heads, strict=True):
            outputs += [logits, torch.softmax(logits / head.temperature, 1)]
        return tuple(outputs)


def export_model(
    checkpoint: Checkpoint, *, opset: int = DEFAULT_OPSET, provenance: Mapping[str, Any] | None = None
) -> onnx.ModelProto:
    """The model of a checkpoint, checked by ``onnx.checker`` but not yet compared with the network.

    Args:
        checkpoint: what to export.
        opset: from :data:`~.opsets.FIRST_OPSET` to :data:`~.opsets.LAST_OPSET`.
        provenance: what is known of this export, JSON values; the checkpoint's own stands beside it.

    Raises:
        ModelError: weights that don't fit or are not finite, or a network that can't be exported.
    """
    contract = checkpoint.contract
    graph = LiveGraph(checkpoint.network(), contract).eval()
    faces = probe_faces(contract.size)
    with torch.inference_mode():
        answer = graph(torch.from_numpy(faces))[1].numpy().astype(np.float32)
    model = _trace(graph, faces, opset)
    _forget_the_machine(model)
    metadata = ModelMetadata(
        contract, Probe(faces, answer), {"training": dict(checkpoint.provenance), "export": dict(provenance or {})}
    )
    onnx.helper.set_model_props(model, metadata.to_props())
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the exported graph is not valid ONNX: {error}") from error
    return model


def _trace(graph: LiveGraph, faces: np.ndarray[Any, np.dtype[np.uint8]], opset: int) -> onnx.ModelProto:
    """The graph by torch's exporter, batch norm folded into the convolutions, its batch size free."""
    quiet = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter warns of its own internals
            program = torch.onnx.export(
                graph,
                (torch.from_numpy(faces),),
                dynamo=True,
                input_names=[INPUT_NAME],
                output_names=list(output_names(graph.contract)),
                dynamic_shapes={INPUT_NAME: {0: torch.export.Dim.DYNAMIC}},
                opset_version=opset,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ModelError(f"the network can't be exported to opset {opset}: {str(error).splitlines()[0]}") from error
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
    if program is None:
        raise ModelError("torch's exporter returned no program")
    found: onnx.ModelProto = program.model_proto
    written = next(entry.version for entry in found.opset_import if entry.domain == "")
    if written != opset:
        raise ModelError(f"torch's exporter wrote opset {written} instead of {opset}; export without --opset")
    return found


def _forget_the_machine(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes (stack traces with this machine's paths), and name the free dimension."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for entry in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        entry.doc_string = ""
        del entry.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH_DIMENSION


def check_target(target: Path) -> None:
    """See that ``target`` can be written before the work of an export is done.

    Raises:
        ModelError: it is a folder, or its folder is not there or can't be written to.
    """
    with system_errors_as(ModelError, target):
        if target.is_dir():
            raise ModelError(f"{target}: is a folder; give --out a file name, {target / 'model.onnx'} say")
        if not target.parent.is_dir():
            said = "is not a folder" if target.parent.exists() else "does not exist"
            raise ModelError(f"{target}: {target.parent} {said}; give another --out")
    if not os.access(target.parent, os.W_OK):
        raise ModelError(f"{target}: the folder {target.parent} can't be written to; give another --out")


def write_models(models: Mapping[Path, bytes]) -> None:
    """Write each model beside its target and put all there when all are complete; nothing is left behind where that
    fails.

    Raises:
        ModelError: see :func:`check_target`, or the disk is full.
    """
    partials = {target: target.with_name(f"{target.stem}.partial.onnx") for target in models}
    for target in models:
        check_target(target)
    try:
        for target, partial in partials.items():
            partial.write_bytes(models[target])
        for target, partial in partials.items():
            os.replace(partial, target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
