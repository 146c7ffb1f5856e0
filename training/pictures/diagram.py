"""A picture of a network: its steps from the face to the heads, with the shape that each gives and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from fer_live.contract import Contract

from .layer_text import contents_of, family_of, kind_of
from .trace import Call, readable_calls, trace

__all__ = ["MAX_STEPS", "Step", "diagram_steps", "draw_diagram", "shape_text"]

MAX_STEPS = 40
"""More steps than this don't fit a page: whole blocks are drawn then."""

_INK, _MUTED, _RULE = "#1f2933", "#52606d", "#c5ccd3"
_CENTRE, _BESIDE = 3.9, (2.42, 5.42)
"""Where the boxes have their middles; where lines run that leave the chain, and that come back to it. In inches."""

_COLOURS = {
    "input": "#e4e7eb",
    "conv": "#bcd9f5",
    "block": "#bcd9f5",
    "norm": "#eceff2",
    "activation": "#eceff2",
    "dropout": "#eceff2",
    "reshape": "#eceff2",
    "other": "#eceff2",
    "pool": "#cdebd6",
    "linear": "#fbe0b8",
    "head": "#f6c3c0",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the diagram.

    ``family``: gives the colour. ``name``: in the network, empty for what is no module. ``kind``: in words.
    ``inside``: what a block is made of. ``shape``: of the output, without the batch. ``parameters``: trainable
    numbers, those of a module that runs again counted at its first run. ``of``: the rows whose outputs it takes,
    counted from 0; two of a sum.
    """

    family: str
    name: str
    kind: str
    inside: str
    shape: tuple[int, ...]
    parameters: int
    of: tuple[int, ...] = ()


def diagram_steps(network: nn.Module, contract: Contract, limit: int = MAX_STEPS) -> list[Step]:
    """The steps of a network: the face, then layers or blocks, then a head for each of the contract's.

    Args:
        network: in evaluation mode, on the CPU.
        contract: of the network.
        limit: see :func:`~fer_live.training.pictures.trace.readable_calls`.
    """
    calls = trace(network, torch.zeros(1, 1, contract.size, contract.size))
    steps = [Step("input", "", "face, normalised", "", (1, contract.size, contract.size), 0)]
    heads = {f"heads.{number}": head for number, head in enumerate(contract.heads)}
    row_of: dict[tuple[int, int], int] = {}  # what was given, and by which row
    aside: int | None = None  # the row whose output waits for that of a path beside it
    for call in readable_calls(network, calls, limit):
        last = len(steps) - 1
        before, given = steps[-1].shape, call.input_shape[1:]
        source = row_of.get(call.took, last)
        if len(before) == 3 and len(given) == 1:  # done by the network itself, not by a module
            flat = given[0] == before[0] * before[1] * before[2]
            steps.append(Step("reshape", "", "flatten" if flat else "mean over the map", "", given, 0, (last,)))
            source = last + 1
        elif call.took not in row_of and last and before == given:  # so is this
            both, kind = ((last,), "sum with the block's input") if aside is None else ((last, aside), "sum")
            steps.append(Step("reshape", "", kind, "", given, 0, both))
            source, aside = last + 1, None
        elif source != last and call.name not in heads:
            aside = last
        if call.name in heads:
            labels = heads[call.name].labels
            step = _step(call, "head", f"linear: {heads[call.name].name}, {len(labels)} labels", source)
        else:
            step = _step(call, family_of(call.module), kind_of(call.module), source)
        row_of[call.gave] = len(steps)
        steps.append(step)
    return steps


def _step(call: Call, family: str, kind: str, source: int) -> Step:
    own = sum(parameter.numel() for parameter in call.module.parameters()) if call.turn == 0 else 0
    return Step(family, call.name, kind, contents_of(call.module), call.shape, own, (source,))


def shape_text(shape: tuple[int, ...]) -> str:
    """``64 x 24 x 24``."""
    return " x ".join(map(str, shape))


def draw_diagram(target: Path | IO[bytes], title: str, network: nn.Module, contract: Contract) -> None:
    """Draw the diagram as a PNG; boxes are as wide as the maps that they give are high.

    Args:
        target: the file to write.
        title: above the picture.
        network: as in :func:`diagram_steps`.
        contract: of the network.
    """
    steps = diagram_steps(network, contract)
    height, top = 0.34, 1.15
    figure = Figure(figsize=(8.6, top + height * len(steps) + 0.15))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 8.6), ylim=(0, figure.get_figheight()))
    axis.axis("off")
    total = sum(step.parameters for step in steps)
    largest = max(step.parameters for step in steps)
    y = figure.get_figheight() - 0.3
    axis.text(0.2, y, title, fontsize=12, weight="bold", color=_INK, va="center")
    about = f"{total:,} parameters; the smaller the map that a layer gives, the narrower its box"
    axis.text(0.2, y - 0.27, about, fontsize=8, color=_MUTED, va="center")
    for x, text, side in (
        (0.2, "layer", "left"),
        (5.55, "gives: channels x height x width", "left"),
        (8.4, "parameters", "right"),
    ):
        axis.text(x, y - 0.58, text, fontsize=8, color=_MUTED, ha=side, va="center")
    axis.plot([0.2, 8.4], [y - 0.7] * 2, color=_RULE, linewidth=0.8)
    y -= 0.9
    for number, step in enumerate(steps):
        _draw_step(axis, step, y, contract.size, largest)
        if step.family != "head" or steps[number - 1].family != "head":
            for turn, source in enumerate(step.of):
                _draw_line(axis, y, number - source, height, _BESIDE[turn])
        y -= height
    figure.savefig(target, format="png", dpi=130)


def _draw_line(axis: Any, y: float, rows: int, height: float, beside: float) -> None:
    """From the box so many rows above to the one at ``y``: straight, or round the boxes between, at ``beside``."""
    if rows == 1:
        xs, ys = [_CENTRE, _CENTRE], [y + 0.13, y + height - 0.13]
    else:
        above = y + rows * height
        xs, ys = [_CENTRE, beside, beside, _CENTRE], [above, above, y, y]
    axis.plot(xs, ys, color=_MUTED, linewidth=0.8, zorder=0)


def _draw_step(axis: Any, step: Step, y: float, size: int, largest: int) -> None:
    centre, widest = _CENTRE, 2.8
    side = step.shape[-1] if len(step.shape) == 3 else 1
    width = 1.95 + (widest - 1.95) * side / size
    box = FancyBboxPatch(
        (centre - width / 2, y - 0.12),
        width,
        0.24,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=_COLOURS[step.family],
        edgecolor="none",
    )
    axis.add_patch(box)
    kind = step.kind if not step.inside else f"{step.kind} ({step.inside})"
    axis.text(centre, y, kind, fontsize=7.5 if len(kind) < 36 else 6, color=_INK, ha="center", va="center")
    axis.text(0.2, y, step.name or "input" * (step.family == "input"), fontsize=7.5, color=_MUTED, va="center")
    axis.text(5.55, y, shape_text(step.shape), fontsize=8, color=_INK, va="center")
    if step.parameters:
        axis.text(8.4, y, f"{step.parameters:,}", fontsize=8, color=_INK, ha="right", va="center")
        bar = 0.65 * step.parameters / largest
        axis.plot([6.95, 6.95 + bar], [y, y], color=_COLOURS[step.family], linewidth=6, solid_capstyle="butt")
