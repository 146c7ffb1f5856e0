import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from fer_live.bundled import MODEL, MODEL_INT8, SHA256, asset_path
from fer_live.cli_errors import run_command
from fer_live.errors import DataError, ModelError
from fer_live.export import verify as verify_module
from fer_live.export.cli import export_command
from fer_live.export.onnx_export import export_model
from fer_live.export.quantise import INT8_PROBE_TOLERANCE, calibration_of, contract_of, quantise
from fer_live.export.verify import compare, comparison_faces
from fer_live.model_metadata import INPUT_NAME, ModelMetadata, output_names
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.training.checkpoint import Checkpoint
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.logits import crops_of, fit_temperature
from fer_live.training.evaluation.predictors import open_session
from fer_live.training.recipes.registry import RECIPES, build_model
from fer_live.training.testing import subset, synthetic_fer2013

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    return synthetic_fer2013(280)


@pytest.fixture(scope="module")
def float_model(checkpoint: Checkpoint) -> onnx.ModelProto:
    return export_model(checkpoint, provenance={"made": "for a test"})


@pytest.fixture(scope="module")
def int8_model(float_model: onnx.ModelProto, dataset: Fer2013) -> onnx.ModelProto:
    return quantise(float_model, calibration_of(dataset, contract_of(float_model)), dataset, {"made": "for a test"})


def metadata_of(model: onnx.ModelProto) -> ModelMetadata:
    return ModelMetadata.from_props({entry.key: entry.value for entry in model.metadata_props})


def run(model: onnx.ModelProto, faces: np.ndarray) -> list[np.ndarray]:
    return list(open_session(model.SerializeToString()).run(None, {INPUT_NAME: faces}))


def test_each_convolution_but_the_first_is_between_integers(
    float_model: onnx.ModelProto, int8_model: onnx.ModelProto
) -> None:
    maker = {name: node for node in int8_model.graph.node for name in node.output}
    sources = [
        {maker[name].op_type for name in node.input if name in maker}
        for node in int8_model.graph.node
        if node.op_type == "Conv"
    ]
    assert len(sources) == sum(node.op_type == "Conv" for node in float_model.graph.node)
    assert sources[0] == {"Div"}
    assert [kinds for kinds in sources[1:] if kinds != {"DequantizeLinear"}] == []


def test_weights_are_int8_of_7_bits_with_a_scale_a_channel(int8_model: onnx.ModelProto) -> None:
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in int8_model.graph.initializer}
    weights = {name: values for name, values in tensors.items() if values.ndim == 4 and values.dtype == np.int8}
    assert len(weights) > 5
    for name, values in weights.items():
        assert np.abs(values.astype(int)).max() <= 64  # two products and their sum fit 16 bits: 2 * 255 * 64 < 2^15
        assert len(tensors[name.replace("_quantized", "_scale")]) == len(values)
    assert not any(
        values.ndim == 4 and values.dtype == np.float32 and values.size > 1000 for values in tensors.values()
    )


def test_onnxruntime_finds_integer_kernels_for_the_whole_trunk(int8_model: onnx.ModelProto, tmp_path: Path) -> None:
    """No float32 operator stands between the first convolution's output and the heads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(int8_model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QuantizeLinear"] == kinds["DequantizeLinear"] == 1
    assert kinds["Conv"] + kinds["FusedConv"] == 1
    assert not set(kinds) & {"Mul", "Add", "Relu", "Sigmoid", "GlobalAveragePool", "ReduceMean"}


@pytest.mark.parametrize("n", [0, 1, 5])
def test_any_number_of_faces(n: int, int8_model: onnx.ModelProto) -> None:
    faces = np.resize(comparison_faces(48), (n, 1, 48, 48))
    outputs = run(int8_model, faces)
    assert [(values.shape, values.dtype.name) for values in outputs] == [
        ((n, classes), "float32") for classes in (7, 7, 8, 8)
    ]
    for face, answer in zip(faces, outputs[1], strict=True):
        assert np.abs(run(int8_model, face[None])[1] - answer).max() < 1e-3


def test_it_answers_as_the_float32_model_does_on_faces_of_each_class(
    float_model: onnx.ModelProto, int8_model: onnx.ModelProto, dataset: Fer2013
) -> None:
    """Logits, since the temperatures were fitted anew; beside how much they tell faces apart."""
    other = synthetic_fer2013(140, seed=3)
    crops = crops_of(other.images, contract_of(float_model))
    for one, two in zip(run(float_model, crops)[::2], run(int8_model, crops)[::2], strict=True):
        for label in range(7):
            rows = other.expression == label
            assert np.abs(one[rows] - two[rows]).mean() < 0.15 * one.std()


def test_metadata_says_how_it_was_made(
    float_model: onnx.ModelProto, int8_model: onnx.ModelProto, tmp_path: Path
) -> None:
    before, after = metadata_of(float_model), metadata_of(int8_model)
    same = {head.name: head.temperature for head in before.contract.heads}
    assert after.contract.with_temperatures(same) == before.contract
    assert after.probe.tolerance == INT8_PROBE_TOLERANCE
    assert np.array_equal(after.probe.faces, before.probe.faces)
    assert after.provenance["training"] == before.provenance["training"]
    assert after.provenance["export"]["made"] == "for a test"
    assert after.provenance["export"]["int8"]["calibration"]["faces"] == 224
    assert "28 PublicTest" in after.provenance["export"]["int8"]["temperatures"]
    onnx.save(int8_model, tmp_path / "int8.onnx")
    assert OnnxClassifier(tmp_path / "int8.onnx", Device.CPU).contract == after.contract


def test_temperatures_are_fitted_anew_and_are_in_the_graph(int8_model: onnx.ModelProto, dataset: Fer2013) -> None:
    import torch

    contract = contract_of(int8_model)
    rows = dataset.rows(Usage.PublicTest)
    outputs = dict(zip(output_names(contract), run(int8_model, crops_of(dataset.images[rows], contract)), strict=True))
    truth = torch.nn.functional.one_hot(torch.from_numpy(dataset.expression[rows]), 7).float()
    expected = fit_temperature(torch.from_numpy(outputs["logits"]), truth)
    assert contract.heads[0].temperature == pytest.approx(expected)
    for head, prefix in zip(contract.heads, ("", "ferplus_"), strict=True):
        scaled = torch.from_numpy(outputs[f"{prefix}logits"]) / head.temperature
        np.testing.assert_allclose(outputs[f"{prefix}probabilities"], torch.softmax(scaled, 1).numpy(), atol=1e-6)


def test_without_public_test_the_temperatures_stay(float_model: onnx.ModelProto, dataset: Fer2013) -> None:
    training = subset(dataset, dataset.rows(Usage.Training))
    model = quantise(float_model, calibration_of(training, contract_of(float_model)), training, {})
    assert contract_of(model) == contract_of(float_model)
    assert metadata_of(model).provenance["export"]["int8"]["temperatures"] == "those of the float32 model"


def test_calibration_is_drawn_from_training_images_only(dataset: Fer2013, checkpoint: Checkpoint) -> None:
    first, again, other = (calibration_of(dataset, checkpoint.contract, faces=80, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.crops, again.crops)
    assert not np.array_equal(first.crops, other.crops)
    training = {image.tobytes() for image in dataset.images[dataset.usage == Usage.Training]}
    assert {crop.tobytes() for crop in first.crops} <= training
    with pytest.raises(DataError, match="at least 64 Training images"):
        calibration_of(subset(dataset, np.arange(70)), checkpoint.contract)


@pytest.mark.parametrize("recipe", ["cifar_cnn", "feedforward"])
def test_networks_of_other_shapes(recipe: str, dataset: Fer2013, checkpoint: Checkpoint) -> None:
    """With pools and hidden layers, and with no convolution at all."""
    model = RECIPES[recipe].model
    network = build_model(model, checkpoint.contract)
    exported = export_model(replace(checkpoint, model=model, state=network.state_dict()))
    quantised = quantise(exported, calibration_of(dataset, checkpoint.contract), dataset, {})
    bytes_ = quantised.SerializeToString()
    assert len(bytes_) < 0.5 * len(exported.SerializeToString())
    compare(exported.SerializeToString(), bytes_, comparison_faces(48))


def test_a_model_that_differs_too_much_is_refused(float_model: onnx.ModelProto, int8_model: onnx.ModelProto) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(int8_model)
    scale = next(tensor for tensor in broken.graph.initializer if tensor.name.endswith("temperature"))
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(0.01, np.float32), scale.name))
    answer = run(broken, metadata_of(int8_model).probe.faces)[1]
    metadata = metadata_of(int8_model)
    props = replace(metadata, probe=replace(metadata.probe, probabilities=answer)).to_props()
    with pytest.raises(ModelError, match="its own probe"):
        compare(float_model.SerializeToString(), broken.SerializeToString(), comparison_faces(48))
    onnx.helper.set_model_props(broken, props)
    with pytest.raises(ModelError, match="export without --int8"):
        compare(float_model.SerializeToString(), broken.SerializeToString(), comparison_faces(48))


@pytest.fixture
def archive(dataset: Fer2013, tmp_path: Path) -> Path:
    path = tmp_path / "fer2013.npz"
    np.savez(path, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, ferplus_votes=dataset.votes)
    return path


def export(*arguments: object) -> int:
    return run_command(export_command, "fer-export", list(map(str, arguments)))


def test_the_command_writes_both(
    checkpoint_file: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_module, "measure_ms_per_face", lambda model, batch, threads: 1.25)
    assert export(checkpoint_file, "--int8", "--calibrate", archive) == 0
    out, err = capsys.readouterr()
    assert err == ""
    float_lines, int8_lines = (part.splitlines() for part in out.split("\n\n"))
    assert [line.split()[0] for line in int8_lines] == [
        "file", "size", "ranges", "heads", "agreement", "accuracy", "speed",
    ]  # fmt: skip
    assert float_lines[0].endswith("model.onnx")
    assert {entry.name for entry in archive.parent.iterdir()} == {
        "fer2013.npz", "model.onnx", "model.pt", "model_int8.onnx",
    }  # fmt: skip


def test_what_the_command_can_not_do_leaves_nothing(
    checkpoint_file: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, message in (
        (("--int8",), 2, "give --calibrate fer2013.csv"),
        (("--calibrate", archive), 2, "--calibrate is for --int8"),
        (("--int8", "--calibrate", tmp_path / "none.csv"), 1, "none.csv: no such file"),
        (("--int8", "--calibrate", checkpoint_file), 1, "expected a .csv"),
    ):
        assert export(checkpoint_file, *arguments) == code
        assert message in capsys.readouterr().err
        assert {entry.name for entry in tmp_path.iterdir()} == {"fer2013.npz", "model.pt"}


@pytest.mark.data
def test_the_bundled_models_are_as_published_and_int8_loses_little(
    fer2013_arrays: tuple[np.ndarray, ...],
) -> None:
    images, expression, usage, _ = fer2013_arrays
    rows = usage == Usage.PublicTest
    reference, model = (asset_path(name) for name in (MODEL, MODEL_INT8))
    crops = crops_of(images[rows], contract_of(onnx.load(reference)))
    found = compare(reference.read_bytes(), model.read_bytes(), crops, expression[rows].astype(np.int64))
    assert found.accuracies is not None
    assert found.accuracies[1] >= found.accuracies[0] - 0.003
    assert found.same_label > 0.98
    # And both are what was published of them.
    report = json.loads((ROOT / "docs" / "evaluation" / "report.json").read_text("utf-8"))
    published = {model["file"]: model for model in report["models"]}
    for name, accuracy in zip((MODEL, MODEL_INT8), found.accuracies, strict=True):
        assert published[name]["sha256"] == SHA256[name]
        confusion = np.array(published[name]["splits"]["public"]["fer2013"]["confusion"])
        assert accuracy == pytest.approx(np.trace(confusion) / confusion.sum(), abs=0.002)


def test_the_bundled_int8_probe_tells_faults_from_roundings() -> None:
    """Faces that are mirrored, upside down, transposed or moved by a pixel are further away than its tolerance."""
    metadata = metadata_of(onnx.load(asset_path(MODEL_INT8)))
    classifier = OnnxClassifier(asset_path(MODEL_INT8), Device.CPU)
    faces, probe = metadata.probe.faces, metadata.probe
    for changed in (faces[..., ::-1], faces[:, :, ::-1], faces.transpose(0, 1, 3, 2), np.roll(faces, 1, 3)):
        answer = classifier.classify(np.ascontiguousarray(changed)).probabilities
        assert probe.max_difference(answer) > probe.tolerance
