"""The residual network of recipe ``residual``.

Every network takes normalised faces (N, 1, 48, 48) float and returns one logits tensor (N, C) per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from .layers import (
    NORMS,
    EdgeChannel,
    activation_layer,
    attention_layer,
    classifier_layers,
)
from .option_values import odd_kernels, on_or_off, one_of, resized, scaled_widths

__all__ = ["ResidualNet"]

_MOST_BLOCKS = 100


class ResidualBlock(nn.Module):
    """Basic residual block (He et al. 2016) with channel attention before the sum."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        *,
        kernel: int = 3,
        norm: str = "before",
        activation: str = "relu",
        attention: str = "se",
    ) -> None:
        super().__init__()
        bias = norm == "none"
        self.norm_after = norm == "after"
        self.conv1 = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=bias)
        self.norm1 = _norm(norm, channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, kernel, 1, kernel // 2, bias=bias)
        self.norm2 = _norm(norm, channels_out)
        self.attention = attention_layer(attention, channels_out)
        self.activation = activation_layer(activation)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=bias), _norm(norm, channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = _normed(self.conv1(x), self.norm1, self.activation, self.norm_after)
        y = self.attention(self.norm2(self.conv2(y)))
        return cast(Tensor, self.activation(y + self.shortcut(x)))


class ResidualNet(nn.Module):
    """A small residual network: strided stem (48 -> 24), stages of residual blocks, mean pool, linear heads.

    Args:
        outputs: number of classes of each head.
        widths: channels of each stage; each stage after the first halves the map.
        blocks: residual blocks a stage.
        dropout: of the last maps' means.
        kernels: side of each stage's kernels, odd; the stem has the first's. A single one counts for all.
        norm: batch norm ``before`` or ``after`` the activation of the stem and of each block's first convolution, or
            ``none`` anywhere, and biases instead. A block's second norm stands before its sum either way.
        hidden: sizes of the fully connected layers before the heads.
        head_norm: batch norm of those, ``before`` or ``after`` the activation, or ``none``.
        head_dropout: see :func:`~fer_live.training.networks.layers.classifier_layers`.
        activation: ``relu`` or ``leaky_relu``.
        attention: ``se`` or ``none``.
        edges: whether the stem also sees the face's edges.
        depth: number of stages where it is not that of ``widths``: the first so many of them, or the last one repeated.
        width_factor: what all widths are multiplied by.
    """

    def __init__(
        self,
        outputs: Sequence[int],
        *,
        widths: Sequence[int],
        blocks: int,
        dropout: float,
        kernels: int | Sequence[int] = 3,
        norm: str = "before",
        hidden: int | Sequence[int] = (),
        head_norm: str = "none",
        head_dropout: float | Sequence[float] = 0.0,
        activation: str = "relu",
        attention: str = "se",
        edges: bool = False,
        depth: int | None = None,
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        # Each takes time and memory before any weight is looked at.
        if not isinstance(blocks, int) or not 0 <= blocks <= _MOST_BLOCKS:
            raise ValueError(f"blocks must be 0 to {_MOST_BLOCKS}, found {blocks}")
        one_of("norm", norm, NORMS)
        channels_of = scaled_widths(widths, width_factor)
        kernels = odd_kernels(kernels, len(channels_of))
        sizes = [(channels_of[number], kernels[number]) for number in resized(len(channels_of), depth)]
        if not sizes:
            raise ValueError("widths must have at least one stage, found none")
        channels, kernel = sizes[0]
        self.edges = EdgeChannel() if on_or_off("edges", edges) else nn.Identity()
        self.norm_after = norm == "after"
        self.stem = nn.Conv2d(2 if edges else 1, channels, kernel, 2, kernel // 2, bias=norm == "none")
        self.stem_norm = _norm(norm, channels)
        self.activation = activation_layer(activation)
        stages: list[nn.Module] = []
        for stage, (width, kernel) in enumerate(sizes):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(
                    ResidualBlock(
                        channels, width, stride, kernel=kernel, norm=norm, activation=activation, attention=attention
                    )
                )
                channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.classifier, features, rate = classifier_layers(channels, hidden, activation, head_norm, head_dropout)
        self.head_dropout = nn.Dropout(rate)
        self.heads = nn.ModuleList(nn.Linear(features, n) for n in outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C) of each head."""
        x = _normed(self.stem(self.edges(x)), self.stem_norm, self.activation, self.norm_after)
        x = self.stages(x)  # (N, widths[0], 24, 24) to (N, widths[-1], 6, 6) for three stages
        x = self.head_dropout(self.classifier(self.dropout(x.mean((2, 3)))))
        return tuple(cast(Tensor, head(x)) for head in self.heads)


def _norm(norm: str, channels: int) -> nn.Module:
    return nn.Identity() if norm == "none" else nn.BatchNorm2d(channels)


def _normed(x: Tensor, norm: nn.Module, activation: nn.Module, after: bool) -> Tensor:
    return cast(Tensor, norm(activation(x)) if after else activation(norm(x)))
