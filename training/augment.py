"""Augmentation in batches of uint8 tensors in memory, on whatever device they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .recipes import TrainConfig

__all__ = ["augment", "mixup"]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Mixed faces (N, 1, S, S), the row each was mixed with (N,), and the share of the original (N,)."""

    faces: Tensor
    partner: Tensor
    share: Tensor


def augment(faces: Tensor, flip: Tensor, config: TrainConfig, generator: torch.Generator, *, clean: bool) -> Tensor:
    """Warp, mirror, light and erase a batch.

    Args:
        faces: (N, 1, S, S) uint8.
        flip: (N,) bool, which faces are mirrored.
        config: strengths. One affine warp does shift, rotation, scale and mirror, reflecting at the edges.
        generator: source of randomness, on the same device.
        clean: the tail of a training: half the warp, no erasing.

    Returns:
        (N, 1, S, S) float32 in 0..255.
    """
    n, _, size, _ = faces.shape
    device = faces.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator, device=device) * (high - low) + low

    strength = 0.5 if clean else 1.0
    angle = uniform(-1, 1) * math.radians(config.rotation_deg) * strength
    zoom = torch.exp(uniform(-1, 1) * math.log1p(config.scale) * strength)
    shift = 2 * config.shift_px / size * strength
    mirror = torch.where(flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(-shift, shift)], 1),
            torch.stack([sin * mirror, cos, uniform(-shift, shift)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, [n, 1, size, size], align_corners=False)
    out = functional.grid_sample(faces.float(), grid, padding_mode="reflection", align_corners=False)
    column = (n, 1, 1, 1)
    gain = 1 + uniform(-config.contrast, config.contrast).view(column)
    offset = 255 * uniform(-config.brightness, config.brightness).view(column)
    mean = out.mean((2, 3), keepdim=True)
    out = ((out - mean) * gain + mean + offset).clamp_(0, 255)
    return out if clean else _erase(out, config.erasing, generator)


def _erase(faces: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Random erasing (Zhong et al. 2020): a rectangle of 2..20 % of the area becomes one random grey."""
    n, _, size, _ = faces.shape
    device = faces.device
    draw = torch.rand(6, n, generator=generator, device=device)
    area = (0.02 + 0.18 * draw[0]) * size * size
    aspect = torch.exp((draw[1] * 2 - 1) * math.log(3))
    height, width = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    top, left = draw[2] * (size - height).clamp_min(0), draw[3] * (size - width).clamp_min(0)
    line = torch.arange(size, device=device).view(1, size)
    rows = (line >= top[:, None]) & (line < (top + height)[:, None])
    columns = (line >= left[:, None]) & (line < (left + width)[:, None])
    hit = (draw[4] < probability).view(n, 1, 1, 1) & rows.view(n, 1, size, 1) & columns.view(n, 1, 1, size)
    return torch.where(hit, draw[5].view(n, 1, 1, 1) * 255, faces)


def mixup(faces: Tensor, alpha: float, generator: torch.Generator) -> Mixed:
    """Mix each face with another of the batch (Zhang et al. 2018), shares drawn from Beta(alpha, alpha).

    Args:
        faces: (N, 1, S, S) float.
        alpha: > 0.
        generator: source of randomness, on the same device.
    """
    n = len(faces)
    partner = torch.randperm(n, generator=generator, device=faces.device)
    # torch.distributions takes no generator: seed its draw from ours, so that a resumed run repeats it.
    seed = int(torch.randint(2**31, (1,), generator=generator, device=faces.device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        share = torch.distributions.Beta(alpha, alpha).sample((n,)).to(faces.device)
    share = torch.maximum(share, 1 - share)
    weight = share.view(n, 1, 1, 1)
    return Mixed(faces * weight + faces[partner] * (1 - weight), partner, share)
