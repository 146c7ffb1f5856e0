"""Degradations as a camera, distance and a codec make them, in batches on whatever device the faces are.

What training shows of what :mod:`~fer_live.training.evaluation.corruptions` measures, in torch and with a strength for
each face: smeared by motion, dark and noisy, small, coded as JPEG. Faces are (N, 1, S, S) float32, 0..255, strengths
(N,).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from fer_live.training.recipes.config import TrainConfig

__all__ = ["degrade", "jpeg", "low_light", "shrink", "smear"]

_BLOCK = 8
# Luminance quantisation of ITU-T T.81, table K.1, which libjpeg and OpenCV scale by quality.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def degrade(faces: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Each face with probability ``config.degrade_share`` smeared, likewise darkened, shrunk, coded: in that order.

    Args:
        faces: (N, 1, S, S) float32, 0..255.
        config: the largest strengths, drawn uniformly from none up to them; one that is 0 draws nothing.
        generator: source of randomness, on the same device.
    """
    n, _, size, _ = faces.shape

    def uniform() -> Tensor:
        return torch.rand(n, generator=generator, device=faces.device)

    def for_some(degraded: Tensor) -> Tensor:
        return torch.where((uniform() < config.degrade_share).view(n, 1, 1, 1), degraded, faces)

    if config.motion_px > 0:
        length, angle = uniform() * config.motion_px, uniform() * math.pi
        faces = for_some(smear(faces, length, angle, config.motion_px))
    if config.low_light > 0:
        faces = for_some(low_light(faces, uniform() * config.low_light, generator))
    if config.shrink > 0:
        smallest = max(1, round(size * (1 - config.shrink)))
        side = smallest + (uniform() * (size - smallest)).round()
        faces = for_some(shrink(faces, side.long(), smallest))
    if config.jpeg > 0:
        faces = for_some(jpeg(faces, 100 * (1 - uniform() * config.jpeg)))
    return faces


def smear(faces: Tensor, length_px: Tensor, angle: Tensor, longest_px: float) -> Tensor:
    """The mean along a straight path of ``length_px`` at ``angle`` (radians); up to 1 pixel leaves a face as it is."""
    n = len(faces)
    radius = max(1, min(math.ceil(longest_px / 2), faces.shape[-1] - 1))
    line = torch.arange(-radius, radius + 1, device=faces.device, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    cos, sin = torch.cos(angle).view(n, 1, 1), torch.sin(angle).view(n, 1, 1)
    along, across = (x * cos + y * sin).abs(), (y * cos - x * sin).abs()
    kernel = (length_px.view(n, 1, 1) / 2 + 0.5 - along).clamp(0, 1) * (1 - across).clamp_min(0)
    kernel = kernel / kernel.sum((1, 2), keepdim=True)  # (N, 2 * radius + 1, 2 * radius + 1)
    padded = functional.pad(faces, (radius,) * 4, mode="replicate").transpose(0, 1)  # faces as channels
    smeared = functional.conv2d(padded, kernel[:, None], groups=n).transpose(0, 1)
    return torch.where((length_px > 1).view(n, 1, 1, 1), smeared, faces)


def low_light(faces: Tensor, stops: Tensor, generator: torch.Generator) -> Tensor:
    """``stops`` halvings of the light with the noise that a small sensor has then.

    As :func:`~fer_live.training.evaluation.corruptions.low_light`: linear light by gamma 2.2, a full well of 1,000
    electrons, read noise of 5; the shot noise is normal with Poisson's variance here.
    """
    electrons = 1000 * (faces / 255) ** 2.2 / 2 ** stops.view(-1, 1, 1, 1)
    noise = torch.randn(faces.shape, generator=generator, device=faces.device) * (electrons + 25).sqrt()
    return 255 * ((electrons + noise).clamp(0, 1000) / 1000) ** (1 / 2.2)


def shrink(faces: Tensor, side_px: Tensor, smallest_px: int) -> Tensor:
    """Down to ``side_px`` (N,) int64 pixels a side by area and up again bilinearly; S leaves a face as it is.

    Args:
        faces: (N, 1, S, S).
        side_px: ``smallest_px``..S.
        smallest_px: how small it can get.
    """
    there_and_back = _resamplers(faces.shape[-1], smallest_px, faces.device)[side_px - smallest_px]  # (N, S, S)
    return (there_and_back.transpose(1, 2) @ faces[:, 0] @ there_and_back)[:, None]


@lru_cache(maxsize=8)
def _resamplers(size: int, smallest: int, device: torch.device) -> Tensor:
    """For each side ``smallest``..``size`` the (S, S) matrix that makes a row of pixels small and large again."""
    edges = torch.arange(size + 1, dtype=torch.float32)
    matrices = []
    for side in range(smallest, size + 1):
        bounds = torch.arange(side + 1, dtype=torch.float32) * size / side
        overlap = torch.minimum(edges[1:, None], bounds[None, 1:]) - torch.maximum(edges[:-1, None], bounds[None, :-1])
        down = overlap.clamp_min(0) * side / size  # (S, side), by area
        up = functional.interpolate(torch.eye(side)[None], size, mode="linear", align_corners=False)[0]  # (side, S)
        matrices.append(down @ up)
    return torch.stack(matrices).to(device)


def jpeg(faces: Tensor, quality: Tensor) -> Tensor:
    """What JPEG of ``quality`` (N,) 1..100, as libjpeg counts, leaves of grey faces whose side is a multiple of 8.

    The whole loss of a baseline JPEG: each block's discrete cosine transform rounded to the steps of ITU-T T.81. What
    is coded thereafter is lossless and left out; libjpeg's integer transform differs by about a grey level.
    """
    n, _, size, _ = faces.shape
    transform, table = _cosines(faces.device)
    percent = torch.where(quality < 50, 5000 / quality.clamp_min(1), 200 - 2 * quality)
    steps = ((table * percent.view(n, 1, 1) + 50) / 100).floor().clamp(1, 255)  # (N, 8, 8)
    steps = steps.view(n, 1, 1, _BLOCK, _BLOCK)
    count = size // _BLOCK
    blocks = (faces[:, 0] - 128).view(n, count, _BLOCK, count, _BLOCK).transpose(2, 3)  # (N, rows, columns, 8, 8)
    coded = (transform @ blocks @ transform.T / steps).round() * steps
    back = (transform.T @ coded @ transform).transpose(2, 3).reshape(n, 1, size, size)
    return (back + 128).clamp(0, 255)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> tuple[Tensor, Tensor]:
    """The orthonormal DCT of 8 samples, (8, 8), and the quantisation table, (8, 8)."""
    k = torch.arange(_BLOCK, dtype=torch.float64)
    transform = torch.cos(math.pi / _BLOCK * (k[None, :] + 0.5) * k[:, None]) * math.sqrt(2 / _BLOCK)
    transform[0] /= math.sqrt(2)
    return transform.float().to(device), torch.tensor(_LUMINANCE, dtype=torch.float32, device=device)
