"""Layers that the networks share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .option_values import one_of, per_layer, whole_numbers

__all__ = [
    "EdgeChannel",
    "SqueezeExcitation",
    "activation_layer",
    "attention_layer",
    "classifier_layers",
    "does_nothing",
    "normed_activation",
    "ordered",
]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(),
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
}
NORMS = ("none", "before", "after")
ATTENTIONS = ("none", "se")


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al. 2018): (N, C, H, W) scaled by a gate (N, C, 1, 1) computed from its means."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, inner, 1)
        self.excite = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The gated maps, (N, C, H, W)."""
        gate = x.mean((2, 3), keepdim=True)
        gate = self.excite(functional.relu(self.squeeze(gate)))
        return x * torch.sigmoid(gate)


class EdgeChannel(nn.Module):
    """Faces (N, 1, H, W) with their edges as a second channel: length of the Sobel gradient, (N, 2, H, W).

    It stands inside the network, so the contract and the exported graph's input are those of any other.
    """

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        self.register_buffer("kernels", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Face and edges, (N, 2, H, W)."""
        gradient = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), self.kernels.to(x.dtype))
        length = torch.sqrt(gradient.square().sum(1, keepdim=True) + 1e-6)  # no infinite slope at 0
        return torch.cat([x, length], 1)


def activation_layer(name: str) -> nn.Module:
    """``relu``, or ``leaky_relu`` with a slope of 0.01; ValueError for another name."""
    return ACTIVATIONS[one_of("activation", name, tuple(ACTIVATIONS))]()


def attention_layer(name: str, channels: int) -> nn.Module:
    """``none`` or ``se``, squeeze-excitation; ValueError for another name."""
    return SqueezeExcitation(channels) if one_of("attention", name, ATTENTIONS) == "se" else nn.Identity()


def normed_activation(activation: str, norm: str, layer: Callable[[], nn.Module]) -> list[tuple[str, nn.Module]]:
    """An activation with a batch norm (made by ``layer``) before it, after it or not at all."""
    parts = [("activation", activation_layer(activation))]
    where = one_of("norm", norm, NORMS)
    if where != "none":
        parts.insert(0 if where == "before" else 1, ("norm", layer()))
    return parts


def classifier_layers(
    features: int, hidden: int | Sequence[int], activation: str, norm: str, dropout: float | Sequence[float]
) -> tuple[nn.Module, int, float]:
    """The fully connected part before the heads: (N, features) to (N, hidden[-1]).

    Args:
        features: length of what comes in.
        hidden: sizes of the layers, each a linear layer, activation and norm; may be empty, or one number.
        activation: see :func:`activation_layer`.
        norm: batch norm ``before`` or ``after`` each activation, or ``none``.
        dropout: before each linear layer and, last, before the heads; a single number leaves the first out where
            there is a hidden layer.

    Returns:
        The layers, what they give, and the dropout before the heads.
    """
    hidden = whole_numbers("hidden", [hidden] if isinstance(hidden, int) else hidden)
    if isinstance(dropout, Sequence):
        rates: list[float] = per_layer("head_dropout", list(dropout), len(hidden) + 1)
    else:
        rates = [0.0, *[dropout] * len(hidden)] if hidden else [dropout]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (size, rate) in enumerate(zip(hidden, rates, strict=False), 1):
        if rate:
            layers[f"dropout{number}"] = nn.Dropout(rate)
        layers[f"linear{number}"] = nn.Linear(features, size)
        for name, layer in normed_activation(activation, norm, lambda size=size: nn.BatchNorm1d(size)):  # type: ignore[misc]
            layers[f"{name}{number}"] = layer
        features = size
    return nn.Sequential(layers), features, rates[-1]


def does_nothing(layer: nn.Module) -> bool:
    """Whether a layer, a module without others in it, always gives what it takes."""
    return isinstance(layer, nn.Identity | nn.Sequential) or (isinstance(layer, nn.Dropout) and layer.p == 0)


def ordered(parts: Sequence[tuple[str, nn.Module]]) -> OrderedDict[str, nn.Module]:
    """Named layers for ``nn.Sequential``, those that do nothing left out."""
    return OrderedDict((name, layer) for name, layer in parts if not isinstance(layer, nn.Identity))
