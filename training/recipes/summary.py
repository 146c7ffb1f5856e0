"""The layers of a network with what they give and cost, found by running it on torch's meta device: no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fer_live.contract import Contract
from fer_live.errors import ModelError
from fer_live.training.networks.layers import does_nothing

from .recipe import ModelSpec, build_model

__all__ = ["Layer", "Summary", "layer_of", "summarise"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. ``shape`` is of its output without the batch; ``macs`` are multiply-adds for one face."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A network's layers in the order they run, but those that do nothing, and what it has and costs as a whole.

    ``parameters`` are the trainable numbers. ``macs`` are the multiply-adds of convolutions and linear layers for one
    face, without biases, norms and activations.
    """

    layers: tuple[Layer, ...]
    parameters: int
    macs: int


def summarise(spec: ModelSpec, contract: Contract) -> Summary:
    """Run the network once without arithmetic and write down its layers.

    Raises:
        ModelError: the network can't be built or run on faces of the contract's size.
    """
    with torch.device("meta"):
        network = build_model(spec, contract).eval()
        faces = torch.empty(1, 1, contract.size, contract.size)
    layers: list[Layer] = []
    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: layers.append(layer_of(name, module, output)))
        for name, module in network.named_modules()
        if not list(module.children()) and not does_nothing(module)
    ]
    try:
        with torch.no_grad():
            network(faces)
    except RuntimeError as error:
        raise ModelError(f"network {spec.name!r} with {dict(spec.arguments)} does not run: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Summary(tuple(layers), parameters, sum(layer.macs for layer in layers))


def layer_of(name: str, module: nn.Module, output: Tensor) -> Layer:
    """One layer of a network, from its output for one face."""
    macs = 0
    if isinstance(module, nn.Conv2d):
        macs = output[0].numel() * module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        macs = output[0].numel() * module.in_features
    own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    return Layer(name, type(module).__name__.lstrip("_"), tuple(output.shape[1:]), own, macs)
