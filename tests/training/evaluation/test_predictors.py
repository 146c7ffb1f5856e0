from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fer_live.errors import ContractError, ModelError
from fer_live.export.onnx_export import export_model
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.evaluation.logits import predict_logits, probabilities_of
from fer_live.training.evaluation.predictors import Predictor, TorchPredictor, load_predictor, mirror_averaged
from fer_live.training.testing import untrained_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return untrained_checkpoint()


@pytest.fixture(scope="module")
def files(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    save_checkpoint(folder / "model.pt", checkpoint)
    (folder / "model.onnx").write_bytes(export_model(checkpoint).SerializeToString())
    return {".pt": folder / "model.pt", ".onnx": folder / "model.onnx"}


def test_checkpoint_and_export_answer_alike(files: dict[str, Path], checkpoint: Checkpoint, synthetic: Fer2013) -> None:
    images = synthetic.images[:300]  # more than a batch of each
    torch_predict, onnx_predict = (load_predictor(files[suffix], CPU) for suffix in (".pt", ".onnx"))
    assert torch_predict.contract == onnx_predict.contract == checkpoint.contract
    expected = [
        probabilities_of(logits, head.temperature)
        for logits, head in zip(
            predict_logits(checkpoint.network(), images, checkpoint.contract, CPU),
            checkpoint.contract.heads,
            strict=True,
        )
    ]
    for found in (torch_predict(images), onnx_predict(images)):
        for one, other in zip(expected, found, strict=True):
            assert np.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_no_images(suffix: str, files: dict[str, Path], synthetic: Fer2013) -> None:
    found = load_predictor(files[suffix], CPU)(synthetic.images[:0])
    assert [values.shape for values in found] == [(0, 7), (0, 8)]


def test_mirror_averaging_is_the_mean_of_logits(checkpoint: Checkpoint, synthetic: Fer2013) -> None:
    images = np.ascontiguousarray(synthetic.images[:20] // 2 + np.arange(48, dtype=np.uint8))
    predict: Predictor = TorchPredictor(checkpoint, CPU)
    network, contract = checkpoint.network(), checkpoint.contract
    one = predict_logits(network, images, contract, CPU)
    other = predict_logits(network, np.ascontiguousarray(images[:, :, ::-1]), contract, CPU)
    for found, a, b, head in zip(mirror_averaged(predict, images), one, other, contract.heads, strict=True):
        assert np.allclose(found, probabilities_of((a + b) / 2, head.temperature), atol=1e-5)


def test_other_files_are_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(tmp_path / "none.onnx", CPU)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text.onnx: not a model"):
        load_predictor(tmp_path / "text.onnx", CPU)
    stranger = onnx.load(files[".onnx"])
    del stranger.metadata_props[:]
    onnx.save(stranger, tmp_path / "stranger.onnx")
    with pytest.raises(ContractError, match=r"stranger.onnx: .*not a model that fer-export wrote"):
        load_predictor(tmp_path / "stranger.onnx", CPU)
    renamed = onnx.load(files[".onnx"])
    for node in renamed.graph.node:
        node.output[:] = ["other" if name == "ferplus_probabilities" else name for name in node.output]
    renamed.graph.output[3].name = "other"
    onnx.save(renamed, tmp_path / "renamed.onnx")
    with pytest.raises(ModelError, match=r"renamed.onnx: .*lacks the outputs ferplus_probabilities"):
        load_predictor(tmp_path / "renamed.onnx", CPU)


def test_weights_beside_the_model_are_not_looked_for(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(files[".onnx"])
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, location="weights.bin", size_threshold=1024)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"split.onnx: not a model that onnxruntime can run"):
        load_predictor(tmp_path / "split.onnx", CPU)
