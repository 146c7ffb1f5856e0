"""Heat maps against PyTorch's Grad-CAM, and maps against the trained network's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.errors import ContractError, ModelError
from fer_live.export.half import to_half
from fer_live.realtime.explain.explainer import Explainer, Method
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.evaluation.logits import normalise
from fer_live.training.pictures.saliency import enlarge, grad_cam, last_conv_stage
from fer_live.training.pictures.trace import trace

METHODS = {
    "residual": Method.CAM,
    "mean pool": Method.CAM,
    "connected head": Method.GRAD_CAM,
    "edges": Method.GRAD_CAM,
    "torchvision": Method.GRAD_CAM,
}


def crops(n: int = 4) -> np.ndarray:
    """(n, 1, 48, 48) of smooth noise, as different from each other as faces are and more."""
    coarse = np.random.default_rng(3).integers(0, 256, (n, 6, 6)).astype(np.uint8)
    return np.stack([np.kron(face, np.ones((8, 8), np.uint8))[None] for face in coarse])


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    if not a.any() or not b.any():
        return float(a.any() == b.any())  # nothing speaks for the label: both must say so
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("name", METHODS)
def test_the_heat_map_is_pytorchs_grad_cam(name: str, exported: Callable[[str], Path]) -> None:
    path = exported(name)
    explainer, checkpoint = Explainer(path), load_checkpoint(path.with_suffix(".pt"))
    assert explainer.method is METHODS[name]
    network, faces = checkpoint.network().eval(), crops()
    stage = last_conv_stage(trace(network, normalise(torch.from_numpy(faces), checkpoint.contract)))
    assert stage is not None
    alike = []
    for label in (0, 3, 6):
        expected = enlarge(grad_cam(network, faces[:, 0], checkpoint.contract, [label] * len(faces), stage), 48)
        alike += [likeness(explainer.heat(face[None], label), cam) for face, cam in zip(faces, expected, strict=True)]
    assert np.median(alike) > 0.999
    assert np.mean(np.array(alike) > 0.9) > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_the_last_layers_maps_are_the_networks_own(name: str, exported: Callable[[str], Path]) -> None:
    path = exported(name)
    explainer, checkpoint = Explainer(path), load_checkpoint(path.with_suffix(".pt"))
    network, face = checkpoint.network().eval(), crops(1)
    calls = trace(network, normalise(torch.from_numpy(face), checkpoint.contract))
    for layer in explainer.layers:
        maps = explainer.maps(face, layer)
        assert maps.shape == layer.shape and maps.dtype == np.float32
        assert any(
            call.shape == layer.shape and np.allclose(call.output[0].numpy(), maps, rtol=1e-3, atol=1e-3)
            for call in calls
        )


def test_layers_are_named_as_in_the_trained_network(exported: Callable[[str], Path]) -> None:
    for name, expected in {
        "residual": ["stem", "stages.0", "stages.1", "stages.2"],
        "connected head": ["blocks.0.conv", "blocks.1.conv", "blocks.2.conv"],
    }.items():
        assert [layer.name for layer in Explainer(exported(name)).layers] == expected


@pytest.mark.data
def test_int8_and_half_look_where_float32_does(fer2013_arrays: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    half.write_bytes(to_half(onnx.load(asset_path(MODEL)), {}).SerializeToString())
    models = [Explainer(path) for path in (asset_path(MODEL), half, asset_path(MODEL_INT8))]
    assert [explainer.method for explainer in models] == [Method.CAM] * 3
    assert [{layer.precision for layer in explainer.layers} for explainer in models] == [
        {"float32"},
        {"float16"},
        {"int8"},
    ]
    assert len({tuple((layer.name, layer.shape) for layer in explainer.layers) for explainer in models}) == 1
    faces = fer2013_arrays[0][:12, None]
    for other, least in zip(models[1:], (0.999, 0.95), strict=True):
        alike = [
            likeness(models[0].heat(face[None], label), other.heat(face[None], label))
            for face in faces
            for label in range(7)
        ]
        assert np.median(alike) > least


@pytest.mark.parametrize("name", [*METHODS, "no maps"])
def test_heat_is_from_0_to_1_and_the_same_again(name: str, exported: Callable[[str], Path]) -> None:
    explainer = Explainer(exported(name))
    for label, face in enumerate(crops()):
        heat = explainer.heat(face[None], label)
        assert heat.shape == (48, 48) and heat.dtype == np.float32
        assert heat.min() >= 0 and heat.max() in (0.0, 1.0)
        np.testing.assert_array_equal(explainer.heat(face[None], label), heat)


def test_a_network_without_maps_is_hot_where_it_is_sensitive(exported: Callable[[str], Path], tmp_path: Path) -> None:
    """Weights of a feedforward net that see only the upper left quarter."""
    model = onnx.load(exported("no maps"))
    first = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 2 and 48 * 48 in tensor.dims)
    weights = onnx.numpy_helper.to_array(first).copy()
    seen = np.zeros((48, 48), np.float32)
    seen[:24, :24] = 1
    weights *= seen.ravel() if weights.shape[1] == 48 * 48 else seen.ravel()[:, None]
    first.CopyFrom(onnx.numpy_helper.from_array(weights, first.name))
    path = tmp_path / "quarter.onnx"
    path.write_bytes(model.SerializeToString())
    explainer = Explainer(path)
    assert explainer.method is Method.OCCLUSION and explainer.layers == ()
    heats = np.stack([explainer.heat(face[None], label) for face in crops() for label in range(7)])
    assert heats.any() and not heats[:, 40:].any() and not heats[:, :, 40:].any()


def test_what_does_not_fit_is_refused(exported: Callable[[str], Path]) -> None:
    explainer, other = Explainer(exported("residual")), Explainer(exported("connected head"))
    with pytest.raises(ValueError, match=r"crop must be \(1, 1, 48, 48\) uint8, found \(48, 48\) uint8"):
        explainer.heat(np.zeros((48, 48), np.uint8), 0)
    with pytest.raises(ValueError, match="label must be 0 to 6, found 7"):
        explainer.heat(crops(1), 7)
    with pytest.raises(ValueError, match="no layer 'blocks"):
        explainer.maps(crops(1), other.layers[0])


def test_bad_files_are_told(tmp_path: Path, exported: Callable[[str], Path]) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match=r"model\.onnx: can't be read: No such file"):
        Explainer(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"model\.onnx: onnxruntime cannot load it"):
        Explainer(path)
    with pytest.raises(ModelError, match="the file was replaced since it was opened"):
        Explainer(exported("residual"), sha256="0" * 64)
    model = onnx.load(exported("residual"))
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ContractError, match=r"model\.onnx: the model's metadata lacks"):
        Explainer(path)
