"""Augmentation in batches of uint8 tensors in memory, on whatever device they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from fer_live.training.recipes.config import TrainConfig

from .degrade import degrade

__all__ = ["augment", "mix", "mixup"]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Mixed faces (N, 1, S, S), the row each was mixed with (N,), and the share of the original (N,)."""

    faces: Tensor
    partner: Tensor
    share: Tensor


def augment(faces: Tensor, flip: Tensor, config: TrainConfig, generator: torch.Generator, *, clean: bool) -> Tensor:
    """Warp, mirror, light, blur, roughen, degrade and erase a batch.

    Args:
        faces: (N, 1, S, S) uint8.
        flip: (N,) bool, which faces are mirrored.
        config: strengths. One warp does shift, rotation, scale, shear, perspective and mirror, reflecting at the edges.
        generator: source of randomness, on the same device.
        clean: the tail of a training: half the warp, nothing erased or cut out.

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
    if config.shear_deg > 0:
        slope = torch.tan(uniform(-1, 1) * math.radians(config.shear_deg) * strength)
        across, down, move = theta.unbind(2)  # each (N, 2)
        theta = torch.stack([across, down + across * slope[:, None], move], 2)
    grid = functional.affine_grid(theta, [n, 1, size, size], align_corners=False)
    if config.perspective_px > 0:
        moves = torch.rand(n, 4, 2, generator=generator, device=device) * 2 - 1
        grid = _in_perspective(grid, moves * (2 * config.perspective_px / size * strength))
    out = functional.grid_sample(faces.float(), grid, padding_mode="reflection", align_corners=False)
    column = (n, 1, 1, 1)
    gain = 1 + uniform(-config.contrast, config.contrast).view(column)
    offset = 255 * uniform(-config.brightness, config.brightness).view(column)
    mean = out.mean((2, 3), keepdim=True)
    out = ((out - mean) * gain + mean + offset).clamp_(0, 255)
    if config.blur_px > 0:
        out = _blur(out, uniform(0, config.blur_px), config.blur_px)
    if config.noise > 0:
        deviation = 255 * uniform(0, config.noise).view(column)
        out = (out + deviation * torch.randn(out.shape, generator=generator, device=device)).clamp_(0, 255)
    out = degrade(out, config, generator)
    if clean:
        return out
    if config.cutout_px > 0:
        out = _cut_out(out, config.cutout_px, generator)
    return _erase(out, config.erasing, generator)


def _in_perspective(grid: Tensor, moves: Tensor) -> Tensor:
    """Where a sampling grid (N, S, S, 2) looks once the corners of -1..1 have moved by ``moves`` (N, 4, 2)."""
    n, device = len(grid), grid.device
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=device).expand(n, 4, 2)
    (x, y), (u, v) = corners.unbind(2), (corners + moves).unbind(2)  # each (N, 4)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [
        torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 2),
        torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 2),
    ]
    solution = torch.linalg.solve(torch.cat(rows, 1), torch.cat([u, v], 1))  # (N, 8) of a homography whose last is 1
    homography = torch.cat([solution, one[:, :1]], 1).view(n, 3, 3)
    points = torch.cat([grid, torch.ones_like(grid[..., :1])], 3) @ homography.transpose(1, 2)[:, None]
    return points[..., :2] / points[..., 2:]


def _blur(faces: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """Each face blurred by its own Gaussian of ``sigma`` (N,) pixels, at most ``largest``."""
    n, _, size, _ = faces.shape
    radius = max(1, min(math.ceil(3 * largest), size - 1))
    line = torch.arange(-radius, radius + 1, device=faces.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (line / sigma.clamp_min(1e-2).view(n, 1)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)  # (N, 2 * radius + 1)
    padded = functional.pad(faces, (radius,) * 4, mode="reflect").transpose(0, 1)  # faces as channels
    blurred = functional.conv2d(padded, kernel.view(n, 1, 1, -1), groups=n)
    return functional.conv2d(blurred, kernel.view(n, 1, -1, 1), groups=n).transpose(0, 1)


def _cut_out(faces: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Cutout (DeVries & Taylor 2017): a square around a random pixel, cut at the borders, becomes the face's mean."""
    n, _, size, _ = faces.shape
    start = torch.randint(size, (2, n, 1), generator=generator, device=faces.device) - side // 2
    line = torch.arange(size, device=faces.device).view(1, 1, size)
    rows, columns = (line >= start) & (line < start + side)
    hit = rows.view(n, 1, size, 1) & columns.view(n, 1, 1, size)
    return torch.where(hit, faces.mean((2, 3), keepdim=True), faces)


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


def mix(faces: Tensor, config: TrainConfig, generator: torch.Generator) -> Mixed:
    """Each face mixed with another of the batch, by CutMix (Yun et al. 2019) or mixup, as far as they are on.

    Args:
        faces: (N, 1, S, S) float.
        config: its ``cutmix`` is the share of faces into which a rectangle of the other is pasted, its area uniform
            but for what sticks out; mixup, where it is on, mixes the rest.
        generator: source of randomness, on the same device.
    """
    n, _, size, _ = faces.shape
    device = faces.device
    if config.mixup > 0 or config.mixup_share > 0:
        mixed = mixup(faces, config.mixup, generator, fixed_share=config.mixup_share)
    else:
        mixed = Mixed(faces, torch.arange(n, device=device), torch.ones(n, device=device))
    if config.cutmix == 0:
        return mixed
    if config.mixup == 0 and config.mixup_share == 0:
        mixed = replace(mixed, partner=torch.randperm(n, generator=generator, device=device))
    draw = torch.rand(4, n, 1, generator=generator, device=device)
    half = size * draw[0].sqrt() / 2
    line = torch.arange(size, device=device).view(1, size) + 0.5
    rows, columns = ((line - centre * size).abs() < half for centre in draw[1:3])
    pasted = (draw[3] < config.cutmix).view(n, 1, 1, 1)
    hit = rows.view(n, 1, size, 1) & columns.view(n, 1, 1, size)
    cut = torch.where(hit, faces[mixed.partner], faces)
    share = torch.where(pasted.flatten(), 1 - hit.float().mean((1, 2, 3)), mixed.share)
    return Mixed(torch.where(pasted, cut, mixed.faces), mixed.partner, share)


def mixup(faces: Tensor, alpha: float, generator: torch.Generator, *, fixed_share: float = 0.0) -> Mixed:
    """Mix each face with another of the batch (Zhang et al. 2018), shares drawn from Beta(alpha, alpha).

    Args:
        faces: (N, 1, S, S) float.
        alpha: > 0, or any where the share is fixed.
        generator: source of randomness, on the same device.
        fixed_share: of the original, for all faces; 0 draws the shares.
    """
    n = len(faces)
    partner = torch.randperm(n, generator=generator, device=faces.device)
    if fixed_share:
        share = torch.full((n,), fixed_share, device=faces.device)
        weight = share.view(n, 1, 1, 1)
        return Mixed(faces * weight + faces[partner] * (1 - weight), partner, share)
    # torch.distributions takes no generator: seed its draw from ours, so that a resumed run repeats it.
    seed = int(torch.randint(2**31, (1,), generator=generator, device=faces.device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        share = torch.distributions.Beta(alpha, alpha).sample((n,)).to(faces.device)
    share = torch.maximum(share, 1 - share)
    weight = share.view(n, 1, 1, 1)
    return Mixed(faces * weight + faces[partner] * (1 - weight), partner, share)
