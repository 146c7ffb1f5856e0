from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fer_live.errors import ModelError
from fer_live.export.onnx_export import export_model, write_models
from fer_live.export.probe import probe_faces
from fer_live.export.verify import TOLERANCE, comparison_faces, verify
from fer_live.model_metadata import INPUT_NAME, ModelMetadata, output_names
from fer_live.training.checkpoint import Checkpoint
from fer_live.training.evaluation.logits import normalise
from fer_live.training.evaluation.predictors import open_session
from fer_live.training.testing import untrained_checkpoint


def run(model: bytes, faces: np.ndarray) -> dict[str, np.ndarray]:
    session = open_session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT_NAME: faces}), strict=True))


def test_the_graph_computes_what_the_network_does(checkpoint: Checkpoint, model: bytes) -> None:
    faces = comparison_faces(48, seed=5)
    with torch.inference_mode():
        expected = checkpoint.network()(normalise(torch.from_numpy(faces), checkpoint.contract))
    found = run(model, faces)
    assert tuple(found) == output_names(checkpoint.contract)
    for prefix, logits, head in zip(("", "ferplus_"), expected, checkpoint.contract.heads, strict=True):
        assert np.allclose(found[f"{prefix}logits"], logits.numpy(), atol=1e-4, rtol=1e-4)
        probabilities = torch.softmax(logits / head.temperature, 1).numpy()
        assert np.allclose(found[f"{prefix}probabilities"], probabilities, atol=1e-5)
        assert np.ptp(probabilities, axis=0).max() > 0.01  # the faces are not all one to it


@pytest.mark.parametrize("n", [0, 1, 3, 64])
def test_any_number_of_faces(n: int, checkpoint: Checkpoint, model: bytes) -> None:
    found = run(model, np.zeros((n, 1, 48, 48), np.uint8))
    assert [values.shape for values in found.values()] == [(n, 7), (n, 7), (n, 8), (n, 8)]
    assert all(values.dtype == np.float32 for values in found.values())


def test_a_face_is_answered_alike_alone_and_in_a_batch(model: bytes) -> None:
    faces = comparison_faces(48)
    together = run(model, faces)["probabilities"]
    alone = np.concatenate([run(model, face[None])["probabilities"] for face in faces[:5]])
    assert np.allclose(together[:5], alone, atol=1e-5)


def test_input_and_outputs_are_as_designed(model: bytes) -> None:
    graph = onnx.load_from_string(model).graph
    (faces,) = graph.input
    assert faces.name == "faces"
    assert faces.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    for value, rest in zip((faces, *graph.output), ([1, 48, 48], [7], [7], [8], [8]), strict=True):
        batch, *others = value.type.tensor_type.shape.dim
        assert batch.dim_param == "N"
        assert [dim.dim_value for dim in others] == rest


def test_the_graph_is_simple_and_knows_nothing_of_the_machine(model: bytes) -> None:
    found = onnx.load_from_string(model)
    kinds = {node.op_type for node in found.graph.node}
    assert not kinds & {"BatchNormalization", "Dropout", "Identity", "Constant", "Shape"}
    assert all(node.domain == "" for node in found.graph.node)
    assert not found.functions
    root = str(Path(__file__).resolve().parents[2]).encode()
    for needle in (root, b"site-packages", b".py", b"stack_trace"):
        assert needle not in model


def test_metadata_is_read_back_by_onnxruntime(checkpoint: Checkpoint, model: bytes) -> None:
    found = ModelMetadata.from_props(open_session(model).get_modelmeta().custom_metadata_map)
    assert found.contract == checkpoint.contract
    assert found.provenance == {"training": checkpoint.provenance, "export": {"made": "for a test"}}
    assert np.array_equal(found.probe.faces, probe_faces(48))
    assert found.probe.max_difference(run(model, found.probe.faces)["probabilities"]) < TOLERANCE


def test_the_same_checkpoint_gives_the_same_file(checkpoint: Checkpoint, model: bytes) -> None:
    again = export_model(checkpoint, provenance={"made": "for a test"}).SerializeToString()
    assert again == model


@pytest.mark.parametrize("opset", [20, 23])
def test_other_opsets(opset: int, checkpoint: Checkpoint) -> None:
    model = export_model(checkpoint, opset=opset)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
    assert verify(checkpoint, model.SerializeToString()).max_probability_difference <= TOLERANCE


def test_verify_accepts_the_export(checkpoint: Checkpoint, model: bytes) -> None:
    parity = verify(checkpoint, model)
    assert parity.max_probability_difference <= TOLERANCE
    assert parity.faces == 33


def test_verify_refuses_the_export_of_other_weights(checkpoint: Checkpoint) -> None:
    other = replace(untrained_checkpoint(seed=1), contract=checkpoint.contract)
    with pytest.raises(ModelError, match="answers differently"):
        verify(checkpoint, export_model(other).SerializeToString())


def test_verify_refuses_another_contract(checkpoint: Checkpoint, model: bytes) -> None:
    other = replace(checkpoint, contract=checkpoint.contract.with_temperatures({"fer2013": 2.0}))
    with pytest.raises(ModelError, match="contract is not the checkpoint's"):
        verify(other, model)


def test_verify_refuses_a_probe_that_is_not_its_own(checkpoint: Checkpoint, model: bytes) -> None:
    broken = onnx.load_from_string(model)
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in broken.metadata_props})
    answers = np.roll(metadata.probe.probabilities, 1, axis=0)
    props = replace(metadata, probe=replace(metadata.probe, probabilities=answers)).to_props()
    onnx.helper.set_model_props(broken, props)
    with pytest.raises(ModelError, match="its own probe"):
        verify(checkpoint, broken.SerializeToString())


def test_verify_refuses_what_is_no_model(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match="not a model that onnxruntime can run"):
        verify(checkpoint, b"no model")


def test_weights_that_are_not_finite_are_refused(checkpoint: Checkpoint) -> None:
    state = {**checkpoint.state, "stem.weight": torch.full_like(checkpoint.state["stem.weight"], float("nan"))}
    with pytest.raises(ModelError, match="not finite"):
        export_model(replace(checkpoint, state=state))


def test_probe_faces_differ_from_their_mirror_images_and_transposes() -> None:
    faces = probe_faces(48)
    assert faces.shape == (4, 1, 48, 48)
    assert faces.dtype == np.uint8
    for changed in (faces[:, :, :, ::-1], faces[:, :, ::-1], faces.transpose(0, 1, 3, 2), np.roll(faces, 1, 0)):
        assert (changed != faces).any((1, 2, 3)).all()
    assert np.array_equal(faces, probe_faces(48))
    assert probe_faces(64).shape == (4, 1, 64, 64)


def test_writing_replaces_only_when_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.onnx"
    write_models({target: b"old"})

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelError, match="No space left"):
        write_models({target: b"new"})
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.onnx"]


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        write_models({tmp_path: b"x"})
    with pytest.raises(ModelError, match="does not exist"):
        write_models({tmp_path / "none" / "a.onnx": b"x"})
