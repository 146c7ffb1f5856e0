"""What every module of a network gives for some faces, in the order they run, and which of them a reader should see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fer_live.training.networks.layers import does_nothing

__all__ = ["Call", "readable_calls", "trace"]

_WHOLE = ("SqueezeExcitation", "MBConv")
"""Modules that are one step to a reader, whatever is in them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one module.

    ``name``: of the module in its network. ``turn``: 0 for the first run of a module that runs more than once.
    ``output``: (N, ...), a copy, so that no later layer that works in place changes it. ``input_shape``: (N, ...).
    ``took``, ``gave``: which numbers came in and went out: those of two calls are equal where the one took what the
    other gave, or a view of it.
    """

    name: str
    module: nn.Module
    turn: int
    input_shape: tuple[int, ...]
    output: Tensor
    took: tuple[int, int]
    gave: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output, without the batch."""
        return tuple(self.output.shape[1:])

    @property
    def is_map(self) -> bool:
        """Whether the output is (N, C, H, W) with more than one place to look at."""
        return self.output.ndim == 4 and self.output.shape[2] * self.output.shape[3] > 1


def trace(network: nn.Module, x: Tensor) -> list[Call]:
    """Run a network and write down what its modules give.

    Args:
        network: in evaluation mode.
        x: its input, (N, 1, S, S) float32.

    Returns:
        A call for each run of each module but the network itself, in the order in which they end: a block after
        its layers. Modules that give no single tensor are left out.
    """
    calls: list[Call] = []
    turns: Counter[str] = Counter()
    took: dict[str, tuple[int, int]] = {}
    alive: list[Tensor] = []  # so that no place in memory is used twice

    def take(name: str, inputs: tuple[Tensor, ...]) -> None:
        took[name] = _numbers(inputs[0])  # before a layer that works in place changes them

    def remember(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor):
            shape, copy = tuple(inputs[0].shape), output.detach().clone()
            calls.append(Call(name, module, turns[name], shape, copy, took[name], _numbers(output)))
            turns[name] += 1
            alive.extend((inputs[0], output))

    hooks: list[RemovableHandle] = []
    for name, module in network.named_modules():
        if name:
            hooks += [
                module.register_forward_pre_hook(lambda _, inputs, name=name: take(name, inputs)),
                module.register_forward_hook(lambda module, i, output, name=name: remember(name, module, i, output)),
            ]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _numbers(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor's numbers lie, and how often they were changed in place; a view's are the same."""
    return tensor.untyped_storage().data_ptr(), tensor._version


def readable_calls(network: nn.Module, calls: Sequence[Call], limit: int) -> list[Call]:
    """The steps that a reader should see: single layers, or whole blocks and stages where those were too many.

    The network is opened level by level as long as no more than ``limit`` steps are seen; its first level is always
    shown. Layers that do nothing are left out.

    Args:
        network: that was traced.
        calls: its :func:`trace`.
        limit: most steps wanted.
    """
    modules = dict(network.named_modules())
    layers = [call for call in calls if _is_layer(call) and not does_nothing(call.module)]
    best: list[Call] = []
    for depth in range(1, 1 + max((call.name.count(".") + 1 for call in layers), default=0)):
        steps = _at_depth(modules, calls, layers, depth)
        if best and len(steps) > limit:
            break
        best = steps
    return best


def _is_layer(call: Call) -> bool:
    return not list(call.module.children())


def _at_depth(modules: dict[str, nn.Module], calls: Sequence[Call], layers: Sequence[Call], depth: int) -> list[Call]:
    by_name: dict[str, list[Call]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    steps: list[Call] = []
    shown: Counter[str] = Counter()
    open_block = ""
    for layer in layers:
        name = _seen_as(modules, layer.name, depth)
        if name != layer.name and name == open_block:
            continue
        open_block = name if name != layer.name else ""
        runs = by_name.get(name, [layer])
        steps.append(runs[min(shown[name], len(runs) - 1)])
        shown[name] += 1
    return steps


def _seen_as(modules: dict[str, nn.Module], name: str, depth: int) -> str:
    """The module of the given depth that a layer is in; deeper where that is a mere list, which never runs itself."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        prefix = ".".join(parts[:end])
        whole = type(modules[prefix]).__name__ in _WHOLE
        if whole or (end >= depth and not isinstance(modules[prefix], nn.ModuleList)):
            return prefix
    return name
