from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from fer_live.cli_errors import run_command
from fer_live.errors import ModelError
from fer_live.export import verify as verify_module
from fer_live.export.cli import export_command
from fer_live.export.half import HALF_PROBE_TOLERANCE, largest_activation, to_half
from fer_live.export.onnx_export import export_model
from fer_live.export.verify import comparison_faces
from fer_live.model_metadata import INPUT_NAME, ModelMetadata
from fer_live.realtime.inference.classifier import OnnxClassifier
from fer_live.training.checkpoint import Checkpoint
from fer_live.training.evaluation.predictors import open_session
from fer_live.training.recipes.registry import RECIPES, build_model


@pytest.fixture(scope="module")
def float_model(checkpoint: Checkpoint) -> onnx.ModelProto:
    return export_model(checkpoint, provenance={"made": "for a test"})


@pytest.fixture(scope="module")
def half_model(float_model: onnx.ModelProto) -> onnx.ModelProto:
    return to_half(float_model, {"made": "for a test"})


def types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}


def test_the_trunk_is_half_and_the_rest_is_not(half_model: onnx.ModelProto) -> None:
    found = types(half_model)
    for node in half_model.graph.node:
        if node.op_type in ("Conv", "Relu", "Add", "ReduceMean", "Gemm"):
            assert found[node.output[0]] == onnx.TensorProto.FLOAT16
        if node.op_type in ("Sub", "Div"):
            assert found[node.output[0]] == onnx.TensorProto.FLOAT
    weights = [tensor for tensor in half_model.graph.initializer if len(tensor.dims) > 1]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT16}
    assert sum(node.op_type == "Cast" for node in half_model.graph.node) == 4  # of the faces, in, and out of two heads


def test_inputs_and_outputs_stay(float_model: onnx.ModelProto, half_model: onnx.ModelProto) -> None:
    assert list(half_model.graph.input) == list(float_model.graph.input)
    assert list(half_model.graph.output) == list(float_model.graph.output)
    assert half_model.ByteSize() < 0.6 * float_model.ByteSize()


def test_answers_are_those_of_float32_but_for_rounding(
    float_model: onnx.ModelProto, half_model: onnx.ModelProto
) -> None:
    faces = comparison_faces(48)
    before, after = (
        open_session(model.SerializeToString()).run(None, {INPUT_NAME: faces}) for model in (float_model, half_model)
    )
    differences = [float(np.abs(one - other).max()) for one, other in zip(before, after, strict=True)]
    assert all(0 < difference < 0.01 for difference in differences)


def test_it_carries_its_tolerance_and_the_answer_of_float32(
    float_model: onnx.ModelProto, half_model: onnx.ModelProto, tmp_path: Path
) -> None:
    before, after = (
        ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})
        for model in (float_model, half_model)
    )
    assert after.contract == before.contract
    assert np.array_equal(after.probe.probabilities, before.probe.probabilities)
    assert after.probe.tolerance == HALF_PROBE_TOLERANCE
    assert after.provenance["export"]["made"] == "for a test"
    assert after.provenance["export"]["half"]["largest_activation"] == largest_activation(float_model)
    onnx.save(half_model, tmp_path / "half.onnx")
    assert OnnxClassifier(tmp_path / "half.onnx").contract == after.contract


@pytest.mark.parametrize("recipe", ["cifar_cnn", "feedforward"])
def test_networks_of_other_shapes(recipe: str, checkpoint: Checkpoint) -> None:
    model = RECIPES[recipe].model
    state = build_model(model, checkpoint.contract).state_dict()
    half = to_half(export_model(replace(checkpoint, model=model, state=state)), {})
    open_session(half.SerializeToString())


@pytest.mark.parametrize(("factor", "message"), [(1e5, "activations of"), (1e9, "weights .* too large")])
def test_a_network_that_would_overflow_is_refused(factor: float, message: str, float_model: onnx.ModelProto) -> None:
    large = onnx.ModelProto()
    large.CopyFrom(float_model)
    weights = next(tensor for tensor in large.graph.initializer if len(tensor.dims) == 4)
    values = onnx.numpy_helper.to_array(weights) * np.float32(factor)
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    with pytest.raises(ModelError, match=message):
        to_half(large, {})


def test_the_command_writes_it_beside(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_module, "measure_ms_per_face", lambda model, batch, threads: 1.25)
    assert run_command(export_command, "fer-export", [str(checkpoint_file), "--fp16"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["file", "size", "agreement", "speed"]
    assert {entry.name for entry in checkpoint_file.parent.iterdir()} == {"model.pt", "model.onnx", "model_fp16.onnx"}
