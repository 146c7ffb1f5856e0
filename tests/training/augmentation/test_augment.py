import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_live.training.augmentation.augment import _blur, _in_perspective, augment, mix, mixup
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.recipes.registry import TrainConfig

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


def centres(faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    line = torch.arange(48) + 0.5
    mass = faces[:, 0].sum((1, 2))
    return (faces[:, 0].sum(1) * line).sum(1) / mass, (faces[:, 0].sum(2) * line).sum(1) / mass


def dots(x: int, y: int, n: int = 300) -> torch.Tensor:
    faces = torch.zeros(n, 1, 48, 48, dtype=torch.uint8)
    faces[:, :, y - 2 : y + 2, x - 2 : x + 2] = 255
    return faces


def test_a_shear_moves_what_is_off_the_middle_sideways() -> None:
    out = augment(dots(24, 8), flips(False, 300), replace(STILL, shear_deg=20), generator(), clean=False)
    x, y = centres(out)
    limit = 16 * math.tan(math.radians(20))
    assert 0.9 * limit < float((x - 24).abs().max()) < 1.05 * limit
    assert float((y - 8).abs().max()) < 0.2


def test_perspective_moves_corners_within_their_limit() -> None:
    out = augment(dots(3, 3), flips(False, 300), replace(STILL, perspective_px=3), generator(), clean=False)
    x, y = centres(out.where(out > 60, 0))
    for centre in (x, y):
        assert 1 < float((centre - 3).abs().max()) < 6
    half = augment(dots(3, 3), flips(False, 300), replace(STILL, perspective_px=3), generator(), clean=True)
    assert float((half - dots(3, 3)).abs().mean()) < float((out - dots(3, 3)).abs().mean())


def test_perspective_maps_corners_to_their_new_places() -> None:
    moves = torch.tensor([[[0.1, 0.0], [0.0, -0.2], [0.05, 0.1], [-0.1, 0.1]]])
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    found = _in_perspective(corners.view(1, 2, 2, 2), moves).view(4, 2)
    assert torch.allclose(found, corners + moves[0], atol=1e-5)


def test_a_blur_keeps_the_mean_and_spreads_a_dot() -> None:
    faces = dots(24, 24)
    out = _blur(faces.float(), torch.full((300,), 1.5), 1.5)
    assert torch.allclose(out.mean((1, 2, 3)), faces.float().mean((1, 2, 3)), rtol=1e-3)
    line = torch.arange(48) + 0.5
    spread = (out[0, 0].sum(0) * (line - 24) ** 2).sum() / out[0, 0].sum()
    assert float(spread) == pytest.approx(1.5**2 + (4**2 - 1) / 12, rel=0.02)
    assert torch.allclose(_blur(faces.float(), torch.zeros(300), 1.5), faces.float(), atol=1e-3)


def test_each_face_has_its_own_blur(faces: torch.Tensor) -> None:
    sigma = torch.linspace(0, 2, 32)
    out = _blur(faces.float(), sigma, 2.0)
    for number in (0, 15, 31):
        alone = _blur(faces[number : number + 1].float(), sigma[number : number + 1], 2.0)
        assert torch.allclose(out[number : number + 1], alone, atol=1e-3)


def test_noise_is_as_strong_as_it_says() -> None:
    flat = torch.full((400, 1, 48, 48), 128, dtype=torch.uint8)
    out = augment(flat, flips(False, 400), replace(STILL, noise=0.1), generator(), clean=False)
    deviation = out.std((1, 2, 3))
    assert 24 < float(deviation.max()) < 27
    assert float(deviation.min()) < 1


def test_a_square_is_cut_out_of_every_face(faces: torch.Tensor) -> None:
    flat = torch.arange(48, dtype=torch.uint8).view(1, 1, 1, 48).expand(300, 1, 48, 48).contiguous()
    out = augment(flat, flips(False, 300), replace(STILL, cutout_px=8), generator(), clean=False)
    cut = (out - 23.5).abs() < 1e-3
    area = cut.sum((1, 2, 3))
    assert int(area.max()) == 64
    assert int(area.min()) >= 16  # a quarter is left at a corner


def test_a_fixed_share_mixes_all_faces_alike(faces: torch.Tensor) -> None:
    mixed = mixup(faces.float(), 0.0, generator(), fixed_share=0.7)
    assert torch.equal(mixed.share, torch.full((32,), 0.7))
    assert torch.allclose(mixed.faces, 0.7 * faces.float() + 0.3 * faces.float()[mixed.partner])


def test_cutmix_pastes_a_rectangle_of_the_partner_it_names(faces: torch.Tensor) -> None:
    x = faces.float() + torch.arange(32.0).view(-1, 1, 1, 1) * 1000  # so that every pixel tells whose it is
    mixed = mix(x, TrainConfig(mixup=0, cutmix=1), generator())
    own = (mixed.faces == x).float().mean((1, 2, 3))
    others = mixed.partner != torch.arange(32)
    assert torch.allclose(mixed.share[others], own[others])
    assert bool(((mixed.faces == x) | (mixed.faces == x[mixed.partner])).all())
    assert len(mixed.share.unique()) > 16


def test_cutmix_is_for_a_share_of_the_faces_and_mixup_for_the_rest() -> None:
    x = torch.rand(1000, 1, 48, 48, generator=generator()) * 255
    half = mix(x, TrainConfig(mixup=0, cutmix=0.5), generator())
    assert 0.4 < float((half.faces != x).any(3).any(2).float().mean()) < 0.55
    both = mix(x, TrainConfig(mixup_share=0.75, cutmix=0.5), generator())
    untouched = (both.faces == x).float().mean((1, 2, 3)) > 0
    assert torch.all(both.share[~untouched] <= 0.75)
    assert 0.4 < float((both.share == 0.75).float().mean()) < 0.6


def test_without_cutmix_mix_is_mixup(faces: torch.Tensor) -> None:
    one, two = mix(faces.float(), TrainConfig(mixup=0.3), generator(3)), mixup(faces.float(), 0.3, generator(3))
    assert torch.equal(one.faces, two.faces) and torch.equal(one.share, two.share)
