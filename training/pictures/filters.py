"""The learned filters of a network, and which of them to show when there are more than a reader can take in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .layer_text import kind_of
from .trace import trace

__all__ = ["FilterBank", "filter_banks", "strongest"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FilterBank:
    """The filters of one layer.

    ``weight``: (filters, inputs, h, w) float32. ``kind``: the layer in words. ``about``: what was done to the weights
    to make them images, empty where nothing was.
    """

    name: str
    kind: str
    weight: Floats
    about: str = ""

    @property
    def norms(self) -> Floats:
        """L2 norm of each filter, (filters,)."""
        return np.asarray(np.sqrt(np.square(self.weight).sum((1, 2, 3))), np.float32)


def filter_banks(network: nn.Module, size: int) -> list[FilterBank]:
    """The filters of every convolution in the order they run; of a network without, its first linear layer's.

    A first convolution whose inputs are all the same, grey copied to RGB, is shown as what it is to a grey face: the
    sum over its inputs. A linear layer on the face itself is shown as images of the face's size.

    Args:
        network: in evaluation mode, on the CPU.
        size: side of its faces, pixels.
    """
    faces = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    same = _reads_the_same_thrice(network, faces)
    banks: list[FilterBank] = []
    for call in trace(network, faces):
        if isinstance(call.module, nn.Conv2d) and call.turn == 0:
            weight = call.module.weight.detach().float().numpy()
            if call.name == same:
                weight = weight.sum(1, keepdims=True)
            about = "its equal inputs summed, as a grey face meets them" if call.name == same else ""
            banks.append(FilterBank(call.name, kind_of(call.module), weight, about))
    if banks:
        return banks
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and layer.in_features % (size * size) == 0:
            weight = layer.weight.detach().float().numpy().reshape(layer.out_features, -1, size, size)
            return [FilterBank(name, kind_of(layer), weight, f"no convolutions: weights as {size} x {size} images")]
    return []


def _reads_the_same_thrice(network: nn.Module, faces: torch.Tensor) -> str | None:
    """Name of the first convolution, if all its inputs, more than one, are the same."""
    found: list[tuple[str, bool]] = []

    def look(name: str, inputs: tuple[torch.Tensor, ...]) -> None:
        channels = inputs[0]
        found.append((name, channels.shape[1] > 1 and bool((channels == channels[:, :1]).all())))

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: look(name, inputs))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            network(faces)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0][0] if found and found[0][1] else None


def strongest(bank: FilterBank, filters: int, inputs: int) -> tuple[NDArray[np.intp], NDArray[np.intp], float]:
    """The filters of largest L2 norm, and of each its input slices of largest norm.

    Args:
        bank: of one layer.
        filters: most filters wanted.
        inputs: most slices of each wanted.

    Returns:
        (F,) filter numbers and (F, I) input numbers, both by falling norm, and the share 0..1 of the layer's squared
        weights that these slices hold.
    """
    rows = np.argsort(-bank.norms, kind="stable")[:filters]
    energy = np.square(bank.weight).sum((2, 3))  # (filters, inputs)
    columns = np.argsort(-energy[rows], axis=1, kind="stable")[:, :inputs]
    total = float(energy.sum())
    share = float(np.take_along_axis(energy[rows], columns, 1).sum()) / total if total else 0.0
    return rows, columns, share
