"""Networks by name, their options, and their starting weights."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from fer_live.errors import ModelError

from .conv_net import ConvNet
from .residual import ResidualNet

__all__ = ["FIXED", "initialise", "network_class", "network_options"]

FIXED = {
    "residual": "Its maps shrink by strides, not by pools, and keep their edges",
    "transfer": "Its backbone's own layers are as ImageNet trained them",
}
"""Why a network lacks options that another one has."""


def network_class(name: str) -> type[nn.Module]:
    """The class of a network: ``residual``, ``conv`` or ``transfer``; ModelError for another name."""
    if name == "transfer":
        from .transfer_net import TransferNet  # brings torchvision, which no other network waits for

        return TransferNet
    networks: dict[str, type[nn.Module]] = {"residual": ResidualNet, "conv": ConvNet}
    try:
        return networks[name]
    except KeyError as error:
        raise ModelError(f"unknown network {name!r}; known: {', '.join(networks)}, transfer") from error


def network_options(name: str) -> dict[str, Any]:
    """Options of a network and their defaults, ``inspect.Parameter.empty`` for one that has none.

    Raises:
        ModelError: the name is unknown.
    """
    options = inspect.signature(network_class(name)).parameters.values()
    return {option.name: option.default for option in options if option.kind is inspect.Parameter.KEYWORD_ONLY}


def initialise(network: nn.Module, init: str) -> None:
    """Starting weights: ``default`` leaves torch's, ``xavier`` draws uniformly after Glorot & Bengio 2010 with biases
    of 0, ``imagenet`` loads torchvision's.

    Raises:
        ModelError: there are no ImageNet weights of this network, or they are not to be had.
    """
    if init == "xavier":
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    elif init == "imagenet":
        load = getattr(network, "load_imagenet", None)
        if load is None:
            raise ModelError("this network has no ImageNet weights; start it with --init default or xavier")
        load()
