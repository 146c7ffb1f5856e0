"""The list of recipes as a person reads it on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click

__all__ = ["listing"]

_INDENT = "  "
_FIGURES = 25
"""Characters that the reported figures may be folded to before a column is left out."""
_BESIDE = 60
"""Least characters that are left for it to stand in the recipe's own line."""


def listing(rows: Sequence[Sequence[str]], width: int) -> str:
    """A line or two a recipe, below headings of their sources.

    Args:
        rows: cells of :data:`~fer_live.training.recipes.describe.LIST_COLUMNS`.
        width: of the terminal, characters. Where there is little, multiply-adds are left out, then parameters.
    """
    names = max(len(row[0]) for row in rows)
    reported = max(len(row[4]) for row in rows)
    sizes = [(f"{int(row[1]):,}", f"{int(row[2]):,}") for row in rows]
    heads = ("parameters", "MACs")
    wide = [2 + max(map(len, column)) for column in zip(heads, *sizes, strict=True)]
    kept = next(
        kept for kept in (2, 1, 0) if not kept or names + sum(wide[:kept]) + 2 + min(reported, _FIGURES) < width
    )
    left = names + sum(wide[:kept]) + 2
    beside = width - left - reported - 2 >= _BESIDE
    title = "recipe".ljust(names) + "".join(map(str.rjust, heads[:kept], wide)) + "  reported %"
    lines = [title.ljust(left + reported + 2) + "what it is" if beside else title]
    source = ""
    for row, numbers in zip(rows, sizes, strict=True):
        name, _, _, of, told, about = row
        if of != source:
            source = of
            lines += ["", *(click.style(line, underline=True) for line in _fold(of, width))]
        first = click.style(name.ljust(names), bold=True) + "".join(map(str.rjust, numbers[:kept], wide))
        figures = _fold(told, max(10, width - left))
        if beside:
            folded = _fold(about, width - left - reported - 2)
            lines.append(f"{first}  {figures[0].ljust(reported)}  {folded[0]}".rstrip())
            lines += [" " * (left + reported + 2) + line for line in folded[1:]]
            continue
        lines.append(f"{first}  {figures[0]}")
        lines += [" " * left + line for line in figures[1:]]
        lines += [_INDENT + line for line in _fold(about, width - len(_INDENT))]
    return "\n".join(lines)


def _fold(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)
