"""What ``fer-train --list`` and ``--describe`` show: the recipes with their sizes, and one network layer by layer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fer_live.training.networks.registry import network_options

from .config import TrainConfig
from .recipe import Recipe, build_model
from .summary import summarise

__all__ = ["LIST_COLUMNS", "describe", "list_rows", "recipes_page", "write_graph"]

LIST_COLUMNS = ("recipe", "parameters", "MACs", "source", "reported %", "what it is")


def list_rows(recipes: Sequence[Recipe]) -> list[tuple[str, ...]]:
    """Cells of :data:`LIST_COLUMNS`, a row a recipe; parameters and MACs as whole numbers."""
    rows: list[tuple[str, ...]] = []
    for recipe in recipes:
        summary = summarise(recipe.model, recipe.contract())
        sizes = f"{summary.parameters}", f"{summary.macs}"
        rows.append((recipe.name, *sizes, recipe.source, recipe.reported or "-", recipe.about))
    return rows


def describe(recipe: Recipe) -> str:
    """A recipe as text: where it comes from, its layers with shapes, parameters and MACs, its options and training."""
    summary = summarise(recipe.model, recipe.contract())
    lines = [f"{recipe.name}: {recipe.about}", f"source: {recipe.source}"]
    if recipe.reported:
        in_per_cent = " in %" if any(map(str.isdigit, recipe.reported)) else ""
        lines.append(f"reported{in_per_cent}: {recipe.reported}")
    if recipe.reconstructed:
        lines.append(f"chosen here, not in the source: {recipe.reconstructed}")
    cells = [("layer", "kind", "output", "parameters", "MACs")]
    cells += [
        (layer.name, layer.kind, " x ".join(map(str, layer.shape)), _count(layer.parameters), _count(layer.macs))
        for layer in summary.layers
    ]
    cells.append(("all", "", "", f"{summary.parameters:,}", f"{summary.macs:,}"))
    size = recipe.contract().size
    lines += ["", f"input: faces 1 x {size} x {size}, normalised", *_aligned(cells)]
    lines += ["", f"network {recipe.model.name} (--set key=value):"]
    for name, default in network_options(recipe.model.name).items():
        lines.append(f"  {name}={_text(recipe.model.arguments.get(name, default))}")
    lines += ["", "training, where it differs from fer-train's defaults:"]
    defaults = asdict(TrainConfig())
    changed = {name: value for name, value in asdict(recipe.train).items() if value != defaults[name]}
    lines += [f"  {_option(name, value)}" for name, value in changed.items()] or ["  nothing"]
    return "\n".join(lines)


def write_graph(recipe: Recipe, folder: Path) -> None:
    """Write the network as a graph that TensorBoard shows."""
    from torch.utils.tensorboard import SummaryWriter

    contract = recipe.contract()
    network = build_model(recipe.model, contract).eval()
    with warnings.catch_warnings(), SummaryWriter(str(folder)) as writer:
        warnings.simplefilter("ignore")  # TensorBoard's tracer is deprecated, and there is no other
        writer.add_graph(network, torch.zeros(1, 1, contract.size, contract.size))


def recipes_page(recipes: Sequence[Recipe]) -> str:
    """``docs/recipes.md``: the table of ``fer-train --list``, and what was chosen here, as Markdown."""
    lines = [
        "# Recipes",
        "",
        "Every recipe can be trained (`fer-train --recipe NAME`), evaluated, exported and run live.",
        "`fer-train --describe NAME` shows its layers and options. The column *reported* has the reports' own figures:",
        "accuracy in % on PrivateTest unless a cell says otherwise. Not all of them were measured fairly;",
        "[results](results.md) says why. MACs are multiply-adds of convolutions and linear layers for one face.",
        "",
        "This page is generated: `python -m fer_live.training.recipes.describe > docs/recipes.md`.",
        "",
        f"| {' | '.join(LIST_COLUMNS)} |",
        "|---|---:|---:|---|---|---|",
    ]
    for row in list_rows(recipes):
        name, parameters, macs, *rest = row
        lines.append(f"| {' | '.join([f'`{name}`', f'{int(parameters):,}', f'{int(macs):,}', *rest])} |")
    lines += ["", "## Chosen here", "", "What the reports don't say and was chosen for these recipes:", ""]
    reasons: dict[str, list[str]] = {}
    for recipe in recipes:
        if recipe.reconstructed:
            reasons.setdefault(recipe.reconstructed, []).append(f"`{recipe.name}`")
    lines += [f"- {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns two spaces apart, the last two to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number >= len(widths) - 2 else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _option(name: str, value: Any) -> str:
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {_text(value)}"


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"


def _text(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) if len(value) > 1 else str(list(value))
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    from .registry import RECIPES

    print(recipes_page(tuple(RECIPES.values())), end="")
