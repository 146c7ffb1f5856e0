"""Networks. Each takes normalised faces (N, 1, 48, 48) float and returns one logits tensor (N, C) per head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ResidualNet"]


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al. 2018): (N, C, H, W) scaled by a gate (N, C, 1, 1) computed from its means."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True)
        gate = self.excite(functional.relu(self.squeeze(gate)))
        return x * torch.sigmoid(gate)


class ResidualBlock(nn.Module):
    """Basic residual block (He et al. 2016) with squeeze-excitation before the sum."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.attention = SqueezeExcitation(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.attention(self.norm2(self.conv2(y)))
        return functional.relu(y + self.shortcut(x))


class ResidualNet(nn.Module):
    """A small residual network: strided 3x3 stem (48 -> 24), stages of residual blocks, mean pool, linear heads.

    Args:
        widths: channels of each stage; each stage after the first halves the map.
        blocks: residual blocks a stage.
        dropout: before the heads.
        outputs: number of classes of each head.
    """

    def __init__(self, widths: Sequence[int], blocks: int, dropout: float, outputs: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, widths[0], 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(channels, width, stride))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(channels, n) for n in outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C) of each head."""
        x = functional.relu(self.stem_norm(self.stem(x)))  # (N, widths[0], 24, 24)
        x = self.stages(x)  # (N, widths[-1], 6, 6) for three stages
        x = self.dropout(x.mean((2, 3)))
        return tuple(cast(Tensor, head(x)) for head in self.heads)
