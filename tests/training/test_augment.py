from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_live.training.augment import augment, mixup
from fer_live.training.data import Fer2013
from fer_live.training.recipes import TrainConfig

STILL = TrainConfig(erasing=0, shift_px=0, rotation_deg=0, scale=0, brightness=0, contrast=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def faces(synthetic: Fer2013) -> torch.Tensor:
    return torch.from_numpy(synthetic.images[:32]).unsqueeze(1)


def flips(value: bool, n: int = 32) -> torch.Tensor:
    return torch.full((n,), value)


def test_shape_type_and_range(faces: torch.Tensor) -> None:
    config = replace(TrainConfig(), brightness=1, contrast=1, erasing=1, rotation_deg=180)
    out = augment(faces, torch.arange(32) % 2 == 0, config, generator(), clean=False)
    assert out.shape == faces.shape
    assert out.dtype == torch.float32
    assert 0 <= float(out.min()) <= float(out.max()) <= 255


def test_no_strength_leaves_the_faces_alone(faces: torch.Tensor) -> None:
    out = augment(faces, flips(False), STILL, generator(), clean=False)
    assert torch.allclose(out, faces.float(), atol=0.02)


def test_a_flip_is_the_mirror_image(faces: torch.Tensor) -> None:
    out = augment(faces, flips(True), STILL, generator(), clean=False)
    assert torch.allclose(out, faces.float().flip(3), atol=0.02)


def test_the_same_generator_gives_the_same_faces(faces: torch.Tensor) -> None:
    one, two, other = (augment(faces, flips(False), TrainConfig(), generator(seed), clean=False) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_shift_rotation_and_scale_stay_within_their_limits() -> None:
    dots = torch.zeros(400, 1, 48, 48, dtype=torch.uint8)
    dots[:, :, 22:26, 22:26] = 255
    line = torch.arange(48) + 0.5
    config = replace(STILL, shift_px=4)
    out = augment(dots, flips(False, 400), config, generator(), clean=False)[:, 0]
    mass = out.sum((1, 2))
    x, y = (out.sum(1) * line).sum(1) / mass, (out.sum(2) * line).sum(1) / mass
    for centre in (x, y):
        assert 3.5 < float((centre - 24).abs().max()) < 4.1
    area = augment(dots, flips(False, 400), replace(STILL, scale=0.15), generator(), clean=False).sum((1, 2, 3)) / 255
    assert 4**2 / 1.15**2 * 0.9 < float(area.min()) < float(area.max()) < 4**2 * 1.15**2 * 1.1


def test_the_clean_tail_warps_half_and_erases_nothing(faces: torch.Tensor) -> None:
    erased = augment(faces, flips(False), replace(STILL, erasing=1), generator(), clean=False)
    assert ((erased - faces.float()).abs() > 1).any((1, 2, 3)).all()
    clean = augment(faces, flips(False), replace(STILL, erasing=1), generator(), clean=True)
    assert torch.allclose(clean, faces.float(), atol=0.02)


def test_an_erased_rectangle_is_2_to_20_per_cent_of_the_face() -> None:
    flat = torch.full((300, 1, 48, 48), 128, dtype=torch.uint8)
    out = augment(flat, flips(False, 300), replace(STILL, erasing=1), generator(), clean=False)
    share = ((out - 128).abs() > 0.5).float().mean((1, 2, 3))
    assert float(share.max()) < 0.24
    assert 0.05 < float(share.mean()) < 0.15


def test_mixup_mixes_with_the_partner_it_names(faces: torch.Tensor) -> None:
    x = faces.float()
    mixed = mixup(x, 0.4, generator())
    share = mixed.share.view(-1, 1, 1, 1)
    assert torch.allclose(mixed.faces, x * share + x[mixed.partner] * (1 - share), atol=1e-3)
    assert 0.5 <= float(mixed.share.min()) <= float(mixed.share.max()) <= 1
    assert sorted(mixed.partner.tolist()) == list(range(32))


def test_mixup_is_repeatable_and_leaves_the_global_generator_alone(faces: torch.Tensor) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two = mixup(faces.float(), 0.2, generator(7)), mixup(faces.float(), 0.2, generator(7))
    assert torch.equal(one.faces, two.faces)
    assert np.array_equal(before.numpy(), torch.get_rng_state().numpy())
