"""A trained network as the start of a wider one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .registry import network_options

__all__ = ["can_widen", "widen"]

_MAY_DIFFER = frozenset({"widths", "dropout"})


def can_widen(name: str, narrow: Mapping[str, Any], wide: Mapping[str, Any]) -> bool:
    """Whether :func:`widen` takes a network of options ``narrow`` to one of options ``wide``.

    It does for the residual network, where no stage gets narrower and nothing else differs but the dropout.
    """
    if name != "residual":
        return False
    before, after = ({**network_options(name), **options} for options in (narrow, wide))
    if any(before[option] != after[option] for option in before.keys() - _MAY_DIFFER):
        return False
    return len(before["widths"]) == len(after["widths"]) and all(map(int.__le__, before["widths"], after["widths"]))


@torch.no_grad()
def widen(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a network the weights of a narrower one; it answers as that one does.

    In the spirit of Net2Net (Chen et al. 2016). New channels keep the random weights that they have; the weights by
    which the trained ones and the heads read them begin at zero and learn.

    Args:
        network: the wider one, with its own starting weights; changed in place.
        state: of the narrower one, with the same names; no tensor is larger than the wider one's along any axis.
    """
    for name, own in network.state_dict().items():
        trained = state[name]
        if trained.ndim > 1:  # (outputs, inputs, …)
            own[: trained.shape[0], trained.shape[1] :] = 0
        own[tuple(slice(size) for size in trained.shape)] = trained
