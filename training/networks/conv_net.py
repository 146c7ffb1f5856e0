"""Stacks of convolutions with a fully connected head: the networks that the reports built by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from .layers import (
    NORMS,
    EdgeChannel,
    attention_layer,
    classifier_layers,
    normed_activation,
    ordered,
)
from .option_values import odd_kernels, on_or_off, one_of, per_layer, resized, scaled_widths, whole_numbers

__all__ = ["ConvNet"]

SIDE = 48
POOLS = ("max", "average", "conv")
PADDINGS = ("same", "valid")


class ConvNet(nn.Module):
    """Convolutions in a row, some followed by a pool, then fully connected layers and linear heads.

    Each convolution has a bias and is followed by its activation and norm, then attention, pool and dropout, as far as
    it has them. Convolutions are counted from 1. Where an option takes a list it wants one value for each of its
    layers, and a single value counts for all.

    Args:
        outputs: number of classes of each head.
        widths: channels of each convolution; none for a feedforward net.
        kernels: side of each convolution's kernel, odd.
        padding: of each convolution, ``same`` or ``valid``.
        norm: batch norm ``before`` or ``after`` the activation, or ``none``.
        norm_at: the convolutions with a norm; None for all of them.
        pools: the convolutions that a pool of 2 x 2 follows.
        pool: of each pool: ``max``, ``average``, or ``conv``, a 3 x 3 convolution of stride 2 (Springenberg et al.
            2015) with activation and norm.
        dropout: after each pool.
        mean_pool: average the last map instead of flattening it.
        hidden: sizes of the fully connected layers before the heads.
        head_norm: norm of those, as ``norm``.
        head_dropout: see :func:`~fer_live.training.networks.layers.classifier_layers`.
        activation: ``relu`` or ``leaky_relu``.
        attention: after each convolution, ``se`` or ``none``.
        edges: whether the first layer also sees the face's edges.
        depth: number of convolutions where it is not that of ``widths``: the first so many of them, or the last one
            and the pool that follows it repeated.
        width_factor: what all widths are multiplied by.
    """

    def __init__(
        self,
        outputs: Sequence[int],
        *,
        widths: Sequence[int],
        kernels: int | Sequence[int] = 3,
        padding: str | Sequence[str] = "same",
        norm: str = "after",
        norm_at: Sequence[int] | None = None,
        pools: Sequence[int] = (),
        pool: str | Sequence[str] = "max",
        dropout: float | Sequence[float] = 0.0,
        mean_pool: bool = False,
        hidden: int | Sequence[int] = (),
        head_norm: str = "none",
        head_dropout: float | Sequence[float] = 0.0,
        activation: str = "relu",
        attention: str = "none",
        edges: bool = False,
        depth: int | None = None,
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        channels_of = scaled_widths(widths, width_factor)
        given = len(channels_of)
        numbers = [number + 1 for number in resized(given, depth)]  # which of the convolutions that were given
        kernels, padding = odd_kernels(kernels, given), per_layer("padding", padding, given)
        pools, norm_at = whole_numbers("pools", pools), None if norm_at is None else whole_numbers("norm_at", norm_at)
        pool, dropout = per_layer("pool", pool, len(pools)), per_layer("dropout", dropout, len(pools))
        for name, of in (("pools", pools), ("norm_at", norm_at or ())):
            if any(number > given for number in of):
                raise ValueError(f"{name} must be convolutions 1..{given}, found {list(of)}")
        one_of("norm", norm, NORMS)
        self.edges = EdgeChannel() if on_or_off("edges", edges) else nn.Identity()
        blocks: list[nn.Module] = []
        channels, side = 2 if edges else 1, SIDE
        for number in numbers:
            width = channels_of[number - 1]
            kernel, pad = kernels[number - 1], one_of("padding", padding[number - 1], PADDINGS)
            normed = norm if norm_at is None or number in norm_at else "none"
            parts: list[tuple[str, nn.Module]] = [
                ("conv", nn.Conv2d(channels, width, kernel, padding=kernel // 2 if pad == "same" else 0)),
                *normed_activation(activation, normed, lambda width=width: nn.BatchNorm2d(width)),  # type: ignore[misc]
                ("attention", attention_layer(attention, width)),
            ]
            side -= 0 if pad == "same" else kernel - 1
            if number in pools:
                place = pools.index(number)
                parts += _pool(pool[place], width, activation, normed)
                side = (side + 1) // 2 if pool[place] == "conv" else side // 2
                parts.append(("dropout", nn.Dropout(dropout[place]) if dropout[place] else nn.Identity()))
            if side < 1:
                raise ValueError(f"nothing is left of the map after {len(blocks) + 1} convolutions: too many pools")
            blocks.append(nn.Sequential(ordered(parts)))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1) if on_or_off("mean_pool", mean_pool) else nn.Identity()
        features = channels * (1 if mean_pool else side * side)
        self.classifier, features, rate = classifier_layers(features, hidden, activation, head_norm, head_dropout)
        self.dropout = nn.Dropout(rate)
        self.heads = nn.ModuleList(nn.Linear(features, n) for n in outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C) of each head."""
        x = self.pool(self.blocks(self.edges(x)))  # (N, width, side, side)
        x = self.dropout(self.classifier(x.flatten(1)))
        return tuple(cast(Tensor, head(x)) for head in self.heads)


def _pool(kind: str, width: int, activation: str, norm: str) -> list[tuple[str, nn.Module]]:
    if one_of("pool", kind, POOLS) == "max":
        return [("pool", nn.MaxPool2d(2))]
    if kind == "average":
        return [("pool", nn.AvgPool2d(2))]
    parts = normed_activation(activation, norm, lambda: nn.BatchNorm2d(width))
    return [("pool", nn.Conv2d(width, width, 3, 2, 1)), *((f"pool_{name}", layer) for name, layer in parts)]
