"""The residual network of recipe ``residual``.

Every network takes normalised faces (N, 1, 48, 48) float and returns one logits tensor (N, C) per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from .layers import EdgeChannel, activation_layer, attention_layer

__all__ = ["ResidualNet"]

_MOST_BLOCKS = 100


class ResidualBlock(nn.Module):
    """Basic residual block (He et al. 2016) with channel attention before the sum."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, activation: str, attention: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.attention = attention_layer(attention, channels_out)
        self.activation = activation_layer(activation)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.activation(self.norm1(self.conv1(x))))
        y = self.attention(self.norm2(self.conv2(y)))
        return cast(Tensor, self.activation(y + self.shortcut(x)))


class ResidualNet(nn.Module):
    """A small residual network: strided 3x3 stem (48 -> 24), stages of residual blocks, mean pool, linear heads.

    Args:
        outputs: number of classes of each head.
        widths: channels of each stage; each stage after the first halves the map.
        blocks: residual blocks a stage.
        dropout: before the heads.
        activation: ``relu`` or ``leaky_relu``.
        attention: ``se`` or ``none``.
        edges: whether the stem also sees the face's edges.
    """

    def __init__(
        self,
        outputs: Sequence[int],
        *,
        widths: Sequence[int],
        blocks: int,
        dropout: float,
        activation: str = "relu",
        attention: str = "se",
        edges: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= blocks <= _MOST_BLOCKS:  # each takes time and memory before any weight is looked at
            raise ValueError(f"blocks must be 0 to {_MOST_BLOCKS}, found {blocks}")
        self.edges = EdgeChannel() if edges else nn.Identity()
        self.stem = nn.Conv2d(2 if edges else 1, widths[0], 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.activation = activation_layer(activation)
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(channels, width, stride, activation, attention))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(channels, n) for n in outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C) of each head."""
        x = self.activation(self.stem_norm(self.stem(self.edges(x))))  # (N, widths[0], 24, 24)
        x = self.stages(x)  # (N, widths[-1], 6, 6) for three stages
        x = self.dropout(x.mean((2, 3)))
        return tuple(cast(Tensor, head(x)) for head in self.heads)
