"""What the options of a network may be; ValueError, with the option's name, for anything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard, TypeVar, cast

__all__ = ["odd_kernels", "on_or_off", "one_of", "per_layer", "resized", "scaled_widths", "whole_numbers"]

_Value = TypeVar("_Value")

_MOST_LAYERS = 100


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """``value``, once it is sure that it is one of the choices; ValueError otherwise."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, found {value!r}")
    return value


def per_layer(name: str, value: _Value | Sequence[_Value], layers: int) -> list[_Value]:
    """One value for each layer: a single one repeated, or a list of just as many; ValueError otherwise."""
    single = isinstance(value, str) or not isinstance(value, Sequence)
    values = [cast(_Value, value)] * layers if single else list(cast(Sequence[_Value], value))
    if len(values) != layers:
        raise ValueError(f"{name} has {len(values)} values for {layers} layers; give one for all, or one for each")
    return values


def resized(layers: int, depth: int | None) -> list[int]:
    """Which of so many layers, 0 the first, a network of ``depth`` has: the first ones, or the last one repeated.

    Raises:
        ValueError: there are no layers, or ``depth``, where it is not None, is not 1 to 100.
    """
    numbers = list(range(layers))
    if depth is None:
        return numbers
    # Each takes time and memory before any weight is looked at.
    if not _is_whole(depth) or not 1 <= depth <= _MOST_LAYERS or not numbers:
        raise ValueError(f"depth must be 1 to {_MOST_LAYERS}, in a network with convolutions, found {depth}")
    return (numbers + [numbers[-1]] * depth)[:depth]


def whole_numbers(name: str, value: object) -> list[int]:
    """``value``, once it is sure that it is a list of whole numbers from 1 on; ValueError otherwise."""
    if _is_whole(value):
        raise ValueError(f"{name} must be a list, [{value}] for a single value, found {value}")
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not all(_is_whole(number) and number >= 1 for number in listed):
        raise ValueError(f"{name} must be whole numbers from 1 on, found {_shown(value)}")
    return cast(list[int], listed)


def scaled_widths(widths: object, factor: object) -> list[int]:
    """The channels ``widths`` of each layer times ``factor``, 1 at least; ValueError for what they can't be."""
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < math.inf:
        raise ValueError(f"width_factor must be a number above 0, found {_shown(factor)}")
    return [max(1, round(width * factor)) for width in whole_numbers("widths", widths)]


def odd_kernels(kernels: int | Sequence[int], layers: int) -> list[int]:
    """The side of each layer's kernels, odd, so that they have a middle; ValueError otherwise."""
    sides = per_layer("kernels", kernels, layers)
    for side in sides:
        if not _is_whole(side) or side < 1 or side % 2 == 0:
            raise ValueError(f"kernels must be odd, found {_shown(side)}")
    return sides


def on_or_off(name: str, value: object) -> bool:
    """``value``, once it is sure that it is true or false and no word that means either; ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, found {_shown(value)}")
    return value


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)
