"""An exported model in half precision (IEEE 754 binary16), for GPUs: its trunk, from the first weights to the logits.

What comes before (8-bit faces to standardised ones) and after (temperature, softmax) stays float32, and so do input and
outputs. Batch norms are folded into the weights before these are rounded, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fer_live.errors import ModelError
from fer_live.model_metadata import INPUT_NAME, ModelMetadata
from fer_live.training.evaluation.predictors import open_session

from .verify import comparison_faces

__all__ = ["HALF_PROBE_TOLERANCE", "largest_activation", "to_half"]

HALF_PROBE_TOLERANCE = 0.01
"""Largest difference of a probability to the network's in float32, on the probe. Rounded after every operator, the
bundled model's answers to its probe move by 0.0005 (docs/performance.md); wrong pixels move them by 0.03 and more
(ADR 8)."""

LARGEST = 65504.0
"""The largest number of binary16."""

HEADROOM = 8.0
"""Other faces may excite a network more than those that it is tried on."""

_WEIGHTED = ("Conv", "Gemm", "MatMul")


def to_half(model: onnx.ModelProto, provenance: Mapping[str, Any]) -> onnx.ModelProto:
    """The half-precision model of an exported float32 one, with the same inputs, outputs and expected answer.

    Args:
        model: what :func:`~fer_live.export.onnx_export.export_model` gave; not changed.
        provenance: what is known of this export, JSON values; what was rounded is added.

    Raises:
        ModelError: a weight, or an activation on faces that were tried, is too large; or an operator of the network
            has no half-precision form.
    """
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})
    half = onnx.ModelProto()
    half.CopyFrom(model)
    _round_trunk(half.graph, _trunk(half.graph))
    largest = largest_activation(model)
    if not largest * HEADROOM < LARGEST:
        raise ModelError(
            f"this network has activations of {largest:.3g}, too large for half precision: export without --fp16"
        )
    said = {"format": "binary16 from the first weights to the logits", "largest_activation": largest}
    found = replace(
        metadata,
        probe=replace(metadata.probe, tolerance=HALF_PROBE_TOLERANCE),
        provenance={**metadata.provenance, "export": {**provenance, "half": said}},
    )
    helper.set_model_props(half, found.to_props())
    try:
        onnx.checker.check_model(half, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"this network has no half-precision form: {str(error).splitlines()[0]}") from error
    return half


def largest_activation(model: onnx.ModelProto) -> float:
    """The largest absolute value that the trunk of a float32 model computes on faces of many kinds."""
    tried = onnx.ModelProto()
    tried.CopyFrom(model)
    known = {value.name for value in tried.graph.output}
    names = [name for node in _trunk(tried.graph) for name in node.output if name not in known]
    tried.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    size = tried.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    faces = comparison_faces(size)
    return max(
        float(np.abs(values).max()) for values in open_session(tried.SerializeToString()).run(None, {INPUT_NAME: faces})
    )


def _trunk(graph: Any) -> list[onnx.NodeProto]:
    """The nodes from the first weights to the logits, in order."""
    features: set[str] = set()
    trunk: list[onnx.NodeProto] = []
    after: set[str] = set()
    for node in graph.node:
        if after.intersection(node.input):
            after.update(node.output)
        elif node.op_type in _WEIGHTED or features.intersection(node.input):
            trunk.append(node)
            (after if any(name.endswith("logits") for name in node.output) else features).update(node.output)
    return trunk


def _round_trunk(graph: Any, trunk: list[onnx.NodeProto]) -> None:
    """Make weights and results of ``trunk`` half-precision ones, with casts where tensors come in and go out."""
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    others = {tensor.name for tensor in graph.initializer} - weights.keys()
    made = {name for node in trunk for name in node.output}
    outputs = {value.name for value in graph.output}
    rounded = {name: _rounded(weights[name]) for node in trunk for name in node.input if name in weights}
    cast: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.output[0] not in made:
            nodes.append(node)
            continue
        for position, name in enumerate(node.input):
            if not name or name in made or name in others:
                continue
            node.input[position] = f"{name}_half"
            if name not in weights and name not in cast:
                cast.add(name)
                nodes.append(_cast(name, f"{name}_half", TensorProto.FLOAT16))
        nodes.append(node)
        for position, name in enumerate(node.output):
            if name in outputs:
                node.output[position] = f"{name}_half"
                nodes.append(_cast(f"{name}_half", name, TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in (*graph.initializer, *rounded.values()) if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], f"{target}_cast", to=to)


def _rounded(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    if values.size and not np.abs(values).max() <= LARGEST:
        raise ModelError(f"the weights {tensor.name} are too large for half precision: export without --fp16")
    return numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half")
