"""Layers in words, for pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

from fer_live.training.networks.layers import SqueezeExcitation

__all__ = ["contents_of", "family_of", "kind_of"]

_FAMILIES: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("conv", (nn.Conv2d,)),
    ("norm", (nn.BatchNorm1d, nn.BatchNorm2d)),
    ("pool", (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)),
    ("linear", (nn.Linear,)),
    ("dropout", (nn.Dropout,)),
    ("activation", (nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Sigmoid)),
)


def family_of(module: nn.Module) -> str:
    """What a module is at a glance: conv, norm, pool, linear, dropout, activation, block (has layers) or other."""
    for family, types in _FAMILIES:
        if isinstance(module, types):
            return family
    return "block" if list(module.children()) else "other"


def kind_of(module: nn.Module) -> str:
    """A layer or block in a few words, with the numbers that tell it from others of its kind."""
    match module:
        case nn.Conv2d():
            words = [f"conv {_square(module.kernel_size)}"]
            if _one(module.stride) != "1":
                words.append(f"stride {_one(module.stride)}")
            if module.groups > 1:
                depthwise = module.groups == module.in_channels
                words.append("depthwise" if depthwise else f"{module.groups} groups")
            if module.padding in (0, (0, 0)) and _one(module.kernel_size) != "1":
                words.append("no padding")
            return ", ".join(words)
        case nn.MaxPool2d():
            return f"max pool {_square(module.kernel_size)}"
        case nn.AvgPool2d():
            return f"mean pool {_square(module.kernel_size)}"
        case nn.AdaptiveAvgPool2d():
            return "mean over the map"
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return "batch norm"
        case nn.LeakyReLU():
            return f"leaky ReLU {module.negative_slope:g}"
        case nn.Dropout():
            return f"dropout {module.p:g}"
        case nn.Linear():
            return "linear"
        case SqueezeExcitation():
            return "squeeze-excitation"
        case nn.Sequential() if len(module):
            counts = Counter(_class(part) for part in module)
            return " + ".join(f"{count} x {kind}" if count > 1 else kind for kind, count in counts.items())
    return _class(module)


def contents_of(module: nn.Module) -> str:
    """What a block is made of, ``2 convs, 2 norms, 1 attention``; empty for a layer and for attention."""
    counts: Counter[str] = Counter()

    def count(part: nn.Module) -> None:
        if type(part).__name__ == "SqueezeExcitation":
            counts["attention"] += 1
        elif list(part.children()):
            for inner in part.children():
                count(inner)
        else:
            counts[family_of(part)] += 1

    if list(module.children()) and not isinstance(module, SqueezeExcitation):
        count(module)
    shown = [name for name in ("conv", "norm", "linear", "attention") if counts[name]]
    return ", ".join(f"{counts[name]} {name}{'s' if counts[name] > 1 else ''}" for name in shown)


def _class(module: nn.Module) -> str:
    return type(module).__name__.lstrip("_")


def _square(value: Any) -> str:
    """``3 x 3`` of 3 or (3, 3)."""
    high, wide = value if isinstance(value, tuple) else (value, value)
    return f"{high} x {wide}"


def _one(value: Any) -> str:
    """``2`` of 2 or (2, 2)."""
    pair = value if isinstance(value, tuple) else (value, value)
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]} x {pair[1]}"
