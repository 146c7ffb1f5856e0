"""The layers of a model whose maps can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .part import Part

__all__ = ["Layer", "layers_of"]

Precision = Literal["float32", "float16", "int8"]

_PREFIX, _SUFFIXES = "network.", ("_quantized", "_half", ".weight")
"""What an export puts around the name of a layer's weights."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with its norm and activation, or a whole block of them.

    ``name``: of the module in the network that was trained. ``tensor``: in the graph. ``shape``: (maps, height, width).
    ``precision``: of the numbers that flow there; where they are 8-bit integers, ``tensor`` is what these stand for.
    """

    name: str
    tensor: str
    shape: tuple[int, int, int]
    precision: Precision


def layers_of(graph: Graph, face: NDArray[np.uint8]) -> tuple[Layer, ...]:
    """The layers at the waists of a graph, the first one first.

    Of the waists between one convolution and the next one, the last whose maps have the first one's shape: so norm and
    activation are in, a pool that makes the maps smaller is not.

    Args:
        graph: of a model.
        face: (1, 1, S, S) uint8, any; its maps tell their shapes.
    """
    waists = graph.waists()
    tensors = [waist.tensor for waist in waists]
    arrays = Part(graph.showing(tensors)).run(tensors, face) if waists else []
    found: list[Layer] = []
    known = 0
    for waist, array in zip(waists, arrays, strict=True):
        if array.ndim != 4 or array.shape[2] * array.shape[3] == 1 or array.dtype not in (np.float32, np.float16):
            continue
        _, channels, height, width = array.shape
        shape = (channels, height, width)
        if found and len(waist.weights) == known:
            if found[-1].shape == shape:
                found[-1] = Layer(found[-1].name, waist.tensor, shape, _precision(graph, waist.tensor, array))
            continue
        name = _name(waist.weights[known:])
        known = len(waist.weights)
        found.append(Layer(name, waist.tensor, shape, _precision(graph, waist.tensor, array)))
    return tuple(found)


def _precision(graph: Graph, tensor: str, array: NDArray[np.generic]) -> Precision:
    if graph.is_rounded(tensor):
        return "int8"
    return "float16" if array.dtype == np.float16 else "float32"


def _name(weights: Sequence[str]) -> str:
    """What the names of the weights of a block's convolutions begin with."""
    parts = [_without_additions(name).split(".") for name in weights]
    common = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*parts, strict=False))]
    return ".".join(common or parts[-1])


def _without_additions(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name.removeprefix(_PREFIX)
