from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from fer_live.training.augmentation.degrade import degrade, jpeg, low_light, shrink, smear
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.evaluation.corruptions import CORRUPTIONS, corrupt
from fer_live.training.recipes.config import TrainConfig

STRENGTHS = {"motion_px": 7.0, "low_light": 4.0, "shrink": 0.6, "jpeg": 0.8}
OFF = TrainConfig(degrade_share=1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def faces(synthetic: Fer2013) -> torch.Tensor:
    return torch.from_numpy(synthetic.images[:32]).unsqueeze(1).float()


def test_no_strength_leaves_faces_alone_and_draws_nothing(faces: torch.Tensor) -> None:
    source = generator()
    assert torch.equal(degrade(faces, OFF, source), faces)
    assert torch.equal(source.get_state(), generator().get_state())


def test_strengths_of_nothing(faces: torch.Tensor) -> None:
    n = len(faces)
    assert torch.allclose(smear(faces, torch.ones(n), torch.linspace(0, 3, n), 7), faces, atol=1e-3)
    assert torch.allclose(shrink(faces, torch.full((n,), 48), 20), faces, atol=1e-3)
    assert float((jpeg(faces, torch.full((n,), 100.0)) - faces).abs().max()) < 3  # steps of 1 in the transform


@pytest.mark.parametrize("name", STRENGTHS)
def test_shape_type_range_and_randomness(name: str, faces: torch.Tensor) -> None:
    config = replace(OFF, **{name: STRENGTHS[name]})
    out = degrade(faces, config, generator())
    assert out.shape == faces.shape and out.dtype == torch.float32
    assert 0 <= float(out.min()) and float(out.max()) <= 255.01
    assert torch.equal(out, degrade(faces, config, generator()))
    assert not torch.equal(out, degrade(faces, config, generator(1)))
    same = degrade(faces[:1].expand(32, -1, -1, -1), config, generator())
    assert len({face.numpy().tobytes() for face in same}) > 16  # each face has its own strength
    some = degrade(faces[:1].expand(400, -1, -1, -1), replace(config, degrade_share=0.25), generator())
    assert 0.1 < float((some != faces[:1]).any(3).any(2).float().mean()) < 0.32


@pytest.mark.parametrize("quality", [10, 30, 50, 75])
def test_jpeg_is_libjpegs(quality: int, faces: torch.Tensor) -> None:
    expected = [
        cv2.imdecode(cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
        for face in faces[:, 0].numpy().astype(np.uint8)
    ]
    found = jpeg(faces, torch.full((len(faces),), float(quality)))[:, 0].round().numpy()
    difference = np.abs(found - np.stack(expected))
    assert difference.mean() < 0.5
    assert np.abs(np.stack(expected) - faces[:, 0].numpy()).mean() > 4 * difference.mean()


def test_shrinking_is_the_live_engines(faces: torch.Tensor) -> None:
    corruption = next(entry for entry in CORRUPTIONS if entry.title == "Face size" or entry.key in ("size", "shrink"))
    images = faces[:, 0].numpy().astype(np.uint8)
    expected = corrupt(corruption, images, 24).astype(float)
    found = shrink(faces, torch.full((len(faces),), 24), 20)[:, 0].numpy()
    assert np.abs(found - expected).mean() < 0.25 * np.abs(images - expected).mean()


def test_a_smear_spreads_a_dot_along_its_angle() -> None:
    dot = torch.zeros(2, 1, 48, 48)
    dot[:, :, 24, 24] = 255
    out = smear(dot, torch.tensor([7.0, 7.0]), torch.tensor([0.0, torch.pi / 2]), 9)
    assert torch.allclose(out.sum((1, 2, 3)), dot.sum((1, 2, 3)))
    assert torch.allclose(out[0, 0, 24, 21:28], torch.full((7,), 255 / 7))
    assert torch.allclose(out[0, 0], out[1, 0].T, atol=1e-4)


def test_less_light_is_darker_and_noisier() -> None:
    grey = torch.full((3, 1, 48, 48), 180.0)
    out = low_light(grey, torch.tensor([0.0, 2.0, 4.0]), generator())
    means = out.mean((1, 2, 3))
    assert torch.allclose(means, 180 * 2.0 ** (-torch.tensor([0.0, 2.0, 4.0]) / 2.2), atol=4)
    deviation = out.std((1, 2, 3)) / means
    assert deviation[0] < deviation[1] < deviation[2]
