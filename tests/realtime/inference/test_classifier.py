"""The classifier: probabilities, any batch, and what it refuses."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.bundled import MODEL, asset_path
from fer_live.contract import FER2013_LABELS, METADATA_KEY
from fer_live.errors import ContractError, DeviceError, ModelError
from fer_live.model_metadata import BATCH_DIMENSION, FLOAT32_TOLERANCE, PROBE_KEY, ModelMetadata
from fer_live.realtime.inference import classifier as module
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.inference.cuda_driver import NoCuda
from fer_live.realtime.inference.cuda_model import CudaModel


@pytest.fixture(scope="module")
def bundled() -> OnnxClassifier:
    return OnnxClassifier(asset_path(MODEL), Device.CPU)


def random_crops(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 48, 48), np.uint8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 150), st.integers(0, 2**32 - 1))
def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(bundled: OnnxClassifier, n: int, seed: int) -> None:
    crops = random_crops(n, seed)
    predictions = bundled.classify(crops)
    assert predictions.labels == FER2013_LABELS
    assert predictions.probabilities.shape == (n, 7)
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1, atol=1e-5)
    assert (predictions.probabilities >= 0).all()
    if n:
        alone = bundled.classify(crops[-1:]).probabilities[0]
        np.testing.assert_allclose(alone, predictions.probabilities[-1], atol=1e-4)


def test_wrong_crops_are_refused(bundled: OnnxClassifier) -> None:
    with pytest.raises(ValueError, match="1, 48, 48"):
        bundled.classify(np.zeros((2, 48, 48), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        bundled.classify(np.zeros((2, 1, 48, 48), np.float32))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        OnnxClassifier(tmp_path / "none.onnx")


def test_damaged_text_in_a_model_is_told_and_nothing_is_printed(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Found by mutated files: onnxruntime's own message cannot be decoded then, and its fallback prints."""
    (tmp_path / "damaged.onnx").write_bytes(tiny_model.read_bytes().replace(b"Conv", b"Con\xff"))
    with pytest.raises(ModelError, match=r"damaged\.onnx"):
        OnnxClassifier(tmp_path / "damaged.onnx", Device.CPU)
    assert capfd.readouterr() == ("", "")


def test_checkpoint_by_mistake_says_how_to_export(tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="fer-export"):
        OnnxClassifier(tiny_checkpoint)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07" * 100])
def test_corrupt_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "corrupt.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"corrupt\.onnx"):
        OnnxClassifier(path, Device.CPU)


def edited(source: Path, target: Path, **props: str | None) -> Path:
    """A copy of a model with some of its metadata replaced, or removed where None."""
    model = onnx.load(source)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    for key, value in props.items():
        if value is None:
            kept.pop(key)
        else:
            kept[key] = value
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, target)
    return target


def test_a_model_that_is_not_ours(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "other", [info[0]], [info[1]])
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), path)
    with pytest.raises(ContractError, match=r"other\.onnx.*fer-export"):
        OnnxClassifier(path, Device.CPU)


def test_unknown_contract_version(tiny_model: Path, tmp_path: Path) -> None:
    path = edited(tiny_model, tmp_path / "future.onnx", **{METADATA_KEY: '{"version": 99}'})
    with pytest.raises(ContractError, match=r"version 99 is unknown"):
        OnnxClassifier(path, Device.CPU)


def test_missing_probe(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="probe"):
        OnnxClassifier(edited(tiny_model, tmp_path / "unprobed.onnx", **{PROBE_KEY: None}), Device.CPU)


def test_other_weights_than_those_exported_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_model)
    weights = next(entry for entry in model.graph.initializer if len(entry.dims) == 4)
    values = onnx.numpy_helper.to_array(weights) + 0.5
    weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), weights.name))
    path = tmp_path / "tampered.onnx"
    onnx.save(model, path)
    with pytest.raises(ContractError, match="probe"):
        OnnxClassifier(path, Device.CPU)


def test_without_cuda_the_reason_is_told(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "why_no_cuda", lambda: NoCuda("the GPU is on holiday", surprising=True))
    with pytest.raises(DeviceError, match="on holiday"):
        OnnxClassifier(tiny_model, Device.CUDA)


@pytest.fixture
def cuda_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way over CUDA with onnxruntime's CPU provider and memory."""

    def open_session(model: bytes, bucket: int, **_: object) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.add_free_dimension_override_by_name(BATCH_DIMENSION, bucket)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(module, "why_no_cuda", lambda: None)
    monkeypatch.setattr(module, "CudaModel", partial(CudaModel, open_session=open_session, memory="cpu"))


@pytest.mark.usefixtures("cuda_on_the_cpu")
def test_on_cuda_a_crowd_runs_in_pieces(tiny_model: Path) -> None:
    cuda, cpu = OnnxClassifier(tiny_model, Device.CUDA), OnnxClassifier(tiny_model)
    assert (cuda.provider, cpu.provider) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    for faces in (0, 1, 64, 65, 150):
        crops = random_crops(faces, faces)
        np.testing.assert_allclose(
            cuda.classify(crops).probabilities, cpu.classify(crops).probabilities, atol=FLOAT32_TOLERANCE
        )


@pytest.mark.usefixtures("cuda_on_the_cpu")
def test_on_cuda_too_the_probe_is_run(tiny_model: Path, tmp_path: Path) -> None:
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in onnx.load(tiny_model).metadata_props})
    probe = replace(metadata.probe, probabilities=metadata.probe.probabilities[:, ::-1].copy())
    path = edited(tiny_model, tmp_path / "other.onnx", **replace(metadata, probe=probe).to_props())
    with pytest.raises(ContractError, match="on CUDAExecutionProvider the model answers its probe"):
        OnnxClassifier(path, Device.CUDA)


@pytest.mark.gpu
def test_cuda_answers_as_the_cpu_does(bundled: OnnxClassifier) -> None:
    try:
        cuda = OnnxClassifier(asset_path(MODEL), Device.CUDA)
    except DeviceError as error:
        pytest.skip(str(error))
    crops = random_crops(100, 0)
    np.testing.assert_allclose(cuda.classify(crops).probabilities, bundled.classify(crops).probabilities, atol=1e-2)


@pytest.mark.parametrize("beside", [True, False])
def test_external_data_is_not_opened(
    beside: bool, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's model can't make us read other files, beside it or in the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tmp_path / "external.onnx"
    onnx.save(onnx.load(tiny_model), path, save_as_external_data=True, location="weights.bin", size_threshold=1024)
    if not beside:
        (tmp_path / "weights.bin").rename(elsewhere / "weights.bin")
    monkeypatch.chdir(tmp_path if beside else elsewhere)
    with pytest.raises(ModelError, match=r"external\.onnx"):
        OnnxClassifier(path, Device.CPU)
