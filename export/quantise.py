"""An exported model in 8-bit integers: static quantisation in QDQ form, its ranges found on real faces (ADR 8).

Activations are uint8, weights int8, one scale an output channel. Weights use 7 of their 8 bits (-64..64): sums of two
products then fit the 16 bits in which CPUs without VNNI add them, and those CPUs answer as all others do. In float32
stay the convolution that sees the image and what comes before it, and the heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from fer_live.contract import Contract
from fer_live.errors import DataError, ModelError, first_line
from fer_live.model_metadata import INPUT_NAME, ModelMetadata, Probe, output_names
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.logits import crops_of
from fer_live.training.evaluation.predictors import open_session
from fer_live.training.run.temperatures import fit_temperatures

__all__ = ["INT8_PROBE_TOLERANCE", "Calibration", "calibration_of", "contract_of", "quantise"]

Graph = Any

QUANTISED = ("Add", "AveragePool", "Conv", "Gemm", "GlobalAveragePool", "MaxPool", "Mul", "Relu", "Sigmoid")
"""Operators that onnxruntime's CPU provider computes on 8-bit integers, so that a trunk of them never leaves those."""

CALIBRATION_FACES = 1024
"""As with fewer what is lost depends on which they are (docs/experiments.md)."""
LEAST_FACES = 64
PERCENTILE = 99.999
"""Where each range of activations ends: the rare largest ones would only stretch it (docs/experiments.md)."""

INT8_PROBE_TOLERANCE = 0.05
"""Largest difference of a probability, on the probe, that an int8 model may have on another CPU. Integer sums are the
same everywhere, but each layer's are scaled back in float32, whose last bit may turn one rounding over, and the next
layers carry that on: ADR 8 has the differences that were measured."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Faces that give the ranges. ``crops``: (N, 1, S, S) uint8. ``provenance``: which ones these are, JSON values."""

    crops: NDArray[np.uint8]
    provenance: Mapping[str, Any]


def calibration_of(
    dataset: Fer2013, contract: Contract, *, faces: int = CALIBRATION_FACES, seed: int = 0
) -> Calibration:
    """Training images, drawn at random: none of them is, byte for byte, also in a test split.

    Raises:
        DataError: there are fewer than 64.
    """
    rows = dataset.training_rows()
    if len(rows) < LEAST_FACES:
        raise DataError(
            f"int8 needs at least {LEAST_FACES} Training images that are in no test split to find its ranges, found "
            f"{len(rows)}: give --calibrate the whole of FER2013"
        )
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:faces])
    provenance = {
        "split": "Training, without copies of test images",
        "faces": len(rows),
        "seed": seed,
        "method": f"percentile {PERCENTILE:g}",
    }
    return Calibration(crops_of(dataset.images[rows], contract), provenance)


def quantise(
    model: onnx.ModelProto, calibration: Calibration, dataset: Fer2013, provenance: Mapping[str, Any]
) -> onnx.ModelProto:
    """The int8 model of an exported float32 one, with the same inputs and outputs.

    Its temperatures are fitted anew on PublicTest, where the data set has it; its probe holds its own answer.

    Args:
        model: what :func:`~fer_live.export.onnx_export.export_model` gave; not changed.
        calibration: gives the ranges.
        dataset: gives PublicTest.
        provenance: what is known of this export, JSON values; calibration and temperatures are added.

    Raises:
        ModelError: onnxruntime can't quantise it, or can't run what came out.
    """
    metadata = _metadata_of(model)
    quantised = _quantise_static(_prepared(model), calibration.crops)
    rows = dataset.rows(Usage.PublicTest)
    contract = metadata.contract
    if len(rows):
        contract = fit_temperatures(contract, dataset, rows, _logits(quantised, dataset.images[rows], contract))
        _set_temperatures(quantised, contract)
    said = {
        "format": "QDQ, uint8 activations, int8 weights a channel, 7 bits of range",
        "calibration": dict(calibration.provenance),
        "temperatures": f"fitted on {len(rows)} PublicTest images" if len(rows) else "those of the float32 model",
    }
    session = open_session(quantised.SerializeToString())
    answer = session.run([output_names(contract)[1]], {INPUT_NAME: metadata.probe.faces})[0]
    found = replace(
        metadata,
        contract=contract,
        probe=Probe(metadata.probe.faces, np.asarray(answer, np.float32), INT8_PROBE_TOLERANCE),
        provenance={**metadata.provenance, "export": {**provenance, "int8": said}},
    )
    helper.set_model_props(quantised, found.to_props())
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def contract_of(model: onnx.ModelProto) -> Contract:
    """The contract that an exported model carries."""
    return _metadata_of(model).contract


def _metadata_of(model: onnx.ModelProto) -> ModelMetadata:
    return ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that quantises well: means over a map as pools, nothing unused."""
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    graph = prepared.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes += _as_pool(node, constants)
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    # Else onnxruntime's tool advises its own preparation: folding and naming that the exporter has done.
    helper.set_model_props(prepared, {"onnx.quant.pre_process": "onnxruntime.quant"})
    return prepared


def _drop_unused(graph: Graph) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _as_pool(node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> Iterator[onnx.NodeProto]:
    """A mean over height and width as a pool, which has an integer kernel; any other node as it is."""
    axes = constants.get(node.input[1]) if node.op_type == "ReduceMean" and len(node.input) > 1 else None
    if axes is None or sorted(axes.tolist()) not in ([2, 3], [-2, -1]):
        yield node
        return
    keeps = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
    pooled = node.output[0] if keeps else f"{node.output[0]}_map"
    yield helper.make_node("GlobalAveragePool", [node.input[0]], [pooled], node.name)
    if not keeps:
        yield helper.make_node("Flatten", [pooled], [node.output[0]], f"{node.name}_flat", axis=1)


def _quantise_static(model: onnx.ModelProto, crops: NDArray[np.uint8]) -> onnx.ModelProto:
    from onnxruntime import quantization

    batches = [{INPUT_NAME: crops[start : start + 64]} for start in range(0, len(crops), 64)]

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Batches in strides, after each of which the tool forgets the activations and keeps their histograms."""

        def __init__(self) -> None:
            self.set_range(0, 0)

        def __len__(self) -> int:
            return len(batches)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._left = iter(batches[start_index:end_index])

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(self._left, None)

    # The tool prints what it does.
    with TemporaryDirectory(prefix="fer-export-") as folder, redirect_stdout(StringIO()):
        path = Path(folder) / "int8.onnx"
        try:
            quantization.quantize_static(
                model,
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=_left_in_float(model.graph),
                calibrate_method=quantization.CalibrationMethod.Percentile,
                extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},
            )
        except Exception as error:  # the tool raises whatever its steps do
            raise ModelError(f"onnxruntime can't quantise this network: {first_line(error)}") from error
        quantised = onnx.load(path)
    quantised.producer_name, quantised.producer_version = model.producer_name, model.producer_version
    del quantised.metadata_props[:]
    del quantised.graph.value_info[:]
    return quantised


def _left_in_float(graph: Graph) -> list[str]:
    """Names of the first convolution, the one that makes more than the image's few channels, of what comes before it,
    and of the heads.
    """
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    left = {node.name for node in graph.node if any(name.endswith("logits") for name in node.output)}
    features: set[str] = set()  # tensors that are more than the image
    for node in graph.node:
        if features.intersection(node.input) or node.op_type == "Gemm":
            features.update(node.output)
            continue
        left.add(node.name)
        if node.op_type == "Conv" and shapes[node.input[1]][0] > 3:
            features.update(node.output)
    return sorted(left)


def _logits(model: onnx.ModelProto, images: NDArray[np.uint8], contract: Contract) -> list[NDArray[np.float32]]:
    """Logits (N, C) of each head for images (N, S, S)."""
    session = open_session(model.SerializeToString())
    names = list(output_names(contract)[::2])
    parts = [
        session.run(names, {INPUT_NAME: crops_of(images[start : start + 256], contract)})
        for start in range(0, len(images), 256)
    ]
    return [np.concatenate(head) for head in zip(*parts, strict=True)]


def _set_temperatures(model: onnx.ModelProto, contract: Contract) -> None:
    """Put the contract's temperatures in place of those between the logits and the probabilities."""
    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    outputs = output_names(contract)
    for head, logits, probabilities in zip(contract.heads, outputs[::2], outputs[1::2], strict=True):
        name = probabilities
        while name != logits:  # softmax, then the division, which the exporter may have left out
            node = maker[name]
            graph.node.remove(node)
            name = node.input[0]
        temperature, scaled = f"{head.name}_temperature", f"{logits}_scaled"
        graph.initializer.append(numpy_helper.from_array(np.array(head.temperature, np.float32), temperature))
        graph.node.append(helper.make_node("Div", [logits, temperature], [scaled], f"{scaled}_div"))
        graph.node.append(helper.make_node("Softmax", [scaled], [probabilities], f"{probabilities}_softmax", axis=1))
    _drop_unused(graph)
