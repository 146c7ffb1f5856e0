"""Waists, shown tensors and the part behind a waist, against the onnx package and onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer_live.bundled import MODEL_INT8, asset_path
from fer_live.errors import ModelError
from fer_live.realtime.explain.graph import Graph
from fer_live.realtime.explain.part import Part

FACES = np.random.default_rng(0).integers(0, 256, (3, 1, 48, 48), np.uint8)


def paths_around(model: onnx.ModelProto, tensor: str) -> bool:
    """Whether the logits can be computed from the faces by a way that doesn't touch a tensor."""
    reached = {"faces"}
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(name for name in node.output if name != tensor)
    return "logits" in reached


@pytest.mark.parametrize("name", ["residual", "connected head", "edges", "torchvision"])
def test_waists_are_the_tensors_that_no_way_leads_around(name: str, exported: Callable[[str], Path]) -> None:
    path = exported(name)
    model = onnx.load(path)
    first = next(place for place, node in enumerate(model.graph.node) if node.op_type == "Conv")
    expected = [
        output
        for node in model.graph.node[first:]
        for output in node.output
        if not paths_around(model, output) and output != "logits"
    ]
    assert [waist.tensor for waist in Graph(path.read_bytes(), "logits").waists()] == expected


@pytest.mark.parametrize("name", ["residual", "connected head", "edges", "torchvision"])
def test_cut_at_any_waist_the_two_parts_give_the_whole_models_answer(
    name: str, exported: Callable[[str], Path]
) -> None:
    data = exported(name).read_bytes()
    graph = Graph(data, "logits")
    expected = Part(data).run(["logits"], FACES)[0]
    tensors = [waist.tensor for waist in graph.waists()]
    shown = Part(graph.showing(tensors)).run([*tensors, "logits"], FACES)
    np.testing.assert_allclose(shown[-1], expected, atol=1e-4)
    for tensor, maps in list(zip(tensors, shown, strict=False))[:: max(1, len(tensors) // 5)]:
        behind = graph.behind(tensor, "float32", maps.shape[1:])
        np.testing.assert_allclose(Part(behind).run(["logits"], maps)[0], expected, atol=1e-3)


def test_behind_a_waist_of_an_int8_model_nothing_is_rounded() -> None:
    data = asset_path(MODEL_INT8).read_bytes()
    graph = Graph(data, "logits")
    tensor = "relu_18_DequantizeLinear_Output"
    maps, logits = Part(graph.showing([tensor])).run([tensor, "logits"], FACES)
    behind = graph.behind(tensor, "float32", maps.shape[1:])
    assert graph.is_rounded(tensor) and graph.is_affine_behind(tensor)
    assert {node.op_type for node in onnx.load_from_string(behind).graph.node}.isdisjoint({"QuantizeLinear"})
    np.testing.assert_allclose(Part(behind).run(["logits"], maps)[0], logits, atol=0.1)
    assert len(behind) < 10_000 < len(data)


def small_model(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", 1, 48, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 48])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()  # type: ignore[no-any-return]


def test_a_part_may_ask_how_many_faces_there_are() -> None:
    """A flatten by Reshape to (faces, rest), as exporters write it."""
    data = small_model(
        [
            helper.make_node("Shape", ["faces"], ["count"], end=1),
            helper.make_node("Cast", ["faces"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["float", "w"], ["maps"], strides=[8, 8]),
            helper.make_node("Concat", ["count", "rest"], ["shape"], axis=0),
            helper.make_node("Reshape", ["maps", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "head"], ["logits"]),
        ],
        w=np.random.default_rng(1).normal(size=(1, 1, 8, 8)).astype(np.float32),
        rest=np.array([36]),
        head=np.random.default_rng(2).normal(size=(36, 48)).astype(np.float32),
    )
    graph = Graph(data, "logits")
    assert [waist.tensor for waist in graph.waists()] == ["maps", "flat"]
    maps, logits = Part(graph.showing(["maps"])).run(["maps", "logits"], FACES)
    np.testing.assert_allclose(
        Part(graph.behind("maps", "float32", (1, 6, 6))).run(["logits"], maps)[0], logits, rtol=1e-4
    )


def test_a_model_in_several_parts_is_one() -> None:
    """What appending relies on: protobuf merges a message that comes in pieces, and so does the reader."""
    data = Path(asset_path(MODEL_INT8)).read_bytes()
    once = Graph(data, "logits")
    twice = Graph(once.showing(["relu"]), "logits")
    assert twice.waists() == once.waists()
    assert [value.name for value in onnx.load_from_string(once.showing(["relu"])).graph.output][-1] == "relu"


@pytest.mark.parametrize("data", [b"", b"no model", b"\x08\x07"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        Graph(data, "logits")
