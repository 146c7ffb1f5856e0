"""The graph of an ONNX file as names: which tensors all of it flows through, and models made of parts of it.

Two facts make this small. Protobuf merges what is appended to a message into it, so a few bytes after the end of a
model give its graph more outputs. And the nodes stand in the file in an order in which they can run, so one walk finds
the *waists*, tensors that everything behind them is computed from: there a network can be cut in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from fer_live.errors import ModelError
from fer_live.model_metadata import BATCH_DIMENSION, INPUT_NAME

from .protobuf import fields, integer, message

__all__ = ["Graph", "Node", "Waist"]

# Numbers of fields in onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE = 1, 2, 4
_TENSOR_NAME = 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_ELEMENT, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE, _DIM_NAME = 1, 1, 2, 1, 1, 2

_ELEMENT_TYPES = {"float32": 1, "float16": 10}

_WITH_SUBGRAPHS = ("If", "Loop", "Scan")
"""These read tensors of the graph around them without naming them."""

_OF_SHAPE = ("Shape", "Size")
"""These look at how many faces there are, not at what is in them."""

_ROUNDING = ("QuantizeLinear", "DequantizeLinear")

_POOLS = ("AveragePool", "GlobalAveragePool", "MaxPool")
"""What they give of a map that is raised is raised by as much."""

_AFFINE_IN_ALL = ("Add", "Concat", "Sub", "Sum")
_AFFINE_IN_FIRST = (
    *("AveragePool", "BatchNormalization", "Cast", "Conv", "Div", "Flatten", "Gemm", "GlobalAveragePool", "Identity"),
    *("MatMul", "Mul", "ReduceMean", "ReduceSum", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph; ``raw`` is how it stands in the file."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    raw: memoryview

    @classmethod
    def read(cls, raw: memoryview) -> Self:
        """From a NodeProto."""
        parts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_OP_TYPE: []}
        for part in fields(raw):
            if part.number in parts:
                parts[part.number].append(part.text)
        return cls("".join(parts[_NODE_OP_TYPE]), tuple(parts[_NODE_INPUT]), tuple(parts[_NODE_OUTPUT]), raw)

    def renamed(self, names: Mapping[str, str]) -> bytes:
        """As a NodeProto, some of its inputs under other names."""
        return b"".join(
            message(_NODE_INPUT, names[part.text].encode())
            if part.number == _NODE_INPUT and part.text in names
            else part.raw
            for part in fields(self.raw)
        )


@dataclass(frozen=True, slots=True)
class Waist:
    """A tensor through which all of a network flows.

    ``weights``: names of the weights of every convolution before it, in the order in which they run.
    """

    tensor: str
    weights: tuple[str, ...]


class Graph:
    """What a model computes of the faces on the way to one of its outputs.

    Args:
        model: the bytes of an ``.onnx`` file.
        output: the name of that output.

    Raises:
        ModelError: these are not the bytes of an ONNX file, or it has no such output.
    """

    def __init__(self, model: bytes, output: str) -> None:
        self._model, self._output = model, output
        parts = list(fields(memoryview(model)))
        self._around = [part.raw for part in parts if part.number not in (_MODEL_GRAPH, _MODEL_METADATA)]
        # A message in several parts is the one that they make together.
        self._parts = [entry for part in parts if part.number == _MODEL_GRAPH for entry in fields(part.payload)]
        self._nodes = [Node.read(part.payload) for part in self._parts if part.number == _GRAPH_NODE]
        self._maker = {name: node for node in self._nodes for name in node.outputs}
        if output not in self._maker:
            raise ModelError(f"the model has no output {output!r}")
        flowing = {INPUT_NAME}
        for node in self._nodes:
            if node.op_type not in _OF_SHAPE and flowing.intersection(node.inputs):
                flowing.update(node.outputs)
        self._flowing = flowing

    def waists(self) -> list[Waist]:
        """Every waist behind the first convolution, in the order in which they are computed.

        None where a node has graphs of its own in it, whose inputs it doesn't name.
        """
        way = [node for node in self._way_to(self._output) if self._flowing.intersection(node.outputs)]
        if any(node.op_type in _WITH_SUBGRAPHS for node in way):
            return []
        last_use = {name: place for place, node in enumerate(way) for name in node.inputs if name in self._flowing}
        found: list[Waist] = []
        weights: list[str] = []
        alive = {INPUT_NAME}
        for place, node in enumerate(way):
            alive.update(name for name in node.outputs if name in last_use)
            alive = {name for name in alive if last_use[name] > place}
            if node.op_type == "Conv":
                weights.append(self._initializer(node.inputs[1]))
            if weights and len(alive) == 1:
                found.append(Waist(next(iter(alive)), tuple(weights)))
        return found

    def showing(self, tensors: Iterable[str]) -> bytes:
        """The model with these tensors as outputs, too."""
        outputs = b"".join(message(_GRAPH_OUTPUT, message(_VALUE_NAME, name.encode())) for name in tensors)
        return self._model + message(_MODEL_GRAPH, outputs)

    def after_pools(self, waist: str) -> str:
        """The tensor behind the pools that take the maps at a waist; the waist itself where none does."""
        for node in self._way_to(self._output, waist):
            if waist in node.inputs and node.op_type in (*_POOLS, *_ROUNDING):
                waist = node.outputs[0]
        return waist

    def is_affine_behind(self, waist: str) -> bool:
        """Whether the output is an affine function of the maps at a waist: its slopes are the same for all faces."""
        way = [node for node in self._way_to(self._output, waist) if self._flowing.intersection(node.outputs)]
        return all(
            node.op_type in (*_AFFINE_IN_ALL, *_ROUNDING)
            or (node.op_type in _AFFINE_IN_FIRST and not self._flowing.intersection(node.inputs[1:]))
            for node in way
        )

    def is_rounded(self, tensor: str) -> bool:
        """Whether a tensor is what 8-bit integers stand for."""
        maker = self._maker.get(tensor)
        return maker is not None and maker.op_type == _ROUNDING[1]

    def behind(self, waist: str, dtype: str, shape: Sequence[int]) -> bytes:
        """A model of what comes behind a waist: from the maps there, an input of that name, to the output.

        Where maps are rounded to 8 bits on their way this is left out: in steps no slope can be measured. It also has
        the input of the whole model where it asks how many faces there are.

        Args:
            waist: name of the tensor.
            dtype: of the maps, ``float32`` or ``float16``.
            shape: (C, h, w) of the maps of a face.
        """
        same: dict[str, str] = {}
        nodes: list[bytes] = []
        used: set[str] = set()
        for node in self._way_to(self._output, waist):
            if node.op_type in _ROUNDING and node.inputs[0] in self._flowing:
                same[node.outputs[0]] = same.get(node.inputs[0], node.inputs[0])
            else:
                nodes.append(message(_GRAPH_NODE, node.renamed(same)))
                used.update(node.inputs)
        kept = [
            part.raw
            for part in self._parts
            if (part.number == _GRAPH_INITIALIZER and _text(part.payload, _TENSOR_NAME) in used)
            or (part.number == _GRAPH_INPUT and _text(part.payload, _VALUE_NAME) in used)
        ]
        output = message(_GRAPH_OUTPUT, message(_VALUE_NAME, same.get(self._output, self._output).encode()))
        graph: list[bytes | memoryview] = [
            message(_GRAPH_NAME, b"behind"),
            *nodes,
            _input(waist, _ELEMENT_TYPES[dtype], shape),
            *kept,
            output,
        ]
        return b"".join((*self._around, message(_MODEL_GRAPH, b"".join(graph))))

    def _way_to(self, output: str, start: str | None = None) -> list[Node]:
        """The nodes that ``output`` is computed with, in order; with ``start``, those behind that tensor."""
        wanted, found = {output}, []
        for node in reversed(self._nodes):
            if wanted.intersection(node.outputs) and start not in node.outputs:
                found.append(node)
                wanted.update(node.inputs)
        return found[::-1]

    def _initializer(self, tensor: str) -> str:
        """Name of the weights that a constant tensor was made from."""
        while tensor in self._maker:
            tensor = self._maker[tensor].inputs[0]
        return tensor


def _text(payload: memoryview, number: int) -> str:
    """The string that a message has as this field."""
    return next((part.text for part in fields(payload) if part.number == number), "")


def _input(name: str, element_type: int, shape: Sequence[int]) -> bytes:
    """An input (N, *shape) of a graph."""
    dims = [message(_DIM_NAME, BATCH_DIMENSION.encode()), *(integer(_DIM_VALUE, size) for size in shape)]
    dimensions = b"".join(message(_SHAPE_DIM, dim) for dim in dims)
    tensor = integer(_TENSOR_ELEMENT, element_type) + message(_TENSOR_SHAPE, dimensions)
    value = message(_VALUE_NAME, name.encode()) + message(_VALUE_TYPE, message(_TYPE_TENSOR, tensor))
    return message(_GRAPH_INPUT, value)
