"""Charts that are drawn once and written twice: as a PNG with all panels, and as an SVG a panel for an HTML page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = ["GRID", "INK", "SOFT", "Chart", "Panel", "panel_svgs", "write_png"]

INK, SOFT, GRID = "#1f2933", "#66727f", "#d3d9df"
_TOKENS = {INK: "var(--ink)", SOFT: "var(--soft)", GRID: "var(--grid)"}
"""Text, minor text and grid lines: in a page they take the page's own colours, light or dark."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its title, its size in inches, and what draws it on a (sub)figure."""

    title: str
    size_in: tuple[float, float]
    draw: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels that belong together. ``key``: the PNG's name; ``section``: which part of a report it belongs to."""

    key: str
    section: str
    title: str
    panels: tuple[Panel, ...]
    columns: int


def write_png(folder: Path, chart: Chart, footer: str = "") -> None:
    """Draw a chart as ``folder / key.png``, with lines of text below it."""
    columns = min(chart.columns, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    width, height = chart.panels[0].size_in
    # A wide panel's title fits above it; several narrow ones need a common one.
    with matplotlib.rc_context(_style("white")):
        foot = 0.2 * len(footer.splitlines())
        head = 0.35 if len(chart.panels) > 1 else 0.0
        figure = Figure(figsize=(columns * width, rows * height + foot + head), layout="constrained")
        if head:
            figure.suptitle(chart.title, fontsize=11, fontweight="bold")
        for place, panel in zip(_places(figure, rows, columns), chart.panels, strict=False):
            panel.draw(place)
        if foot:
            figure.supxlabel(footer, fontsize=8, ha="left", x=0.02, linespacing=1.5)
        figure.savefig(folder / f"{chart.key}.png", dpi=120)


def panel_svgs(chart: Chart) -> Iterator[str]:
    """Each panel as an ``<svg>`` element for an HTML page: no outside reference, the page's own text colours."""
    for number, panel in enumerate(chart.panels):
        prefix = f"{chart.key}-{number}"
        with matplotlib.rc_context({**_style("none"), "svg.hashsalt": prefix}):
            figure = Figure(figsize=panel.size_in, layout="constrained")
            panel.draw(figure)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        yield _for_page(text.getvalue(), prefix, panel.title, panel.size_in)


def _for_page(svg: str, prefix: str, title: str, size_in: tuple[float, float]) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{label}" style="max-width:{96 * size_in[0]:.0f}px">'
    svg = head + svg[svg.index(">") + 1 :]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg).replace("xlink:href", "href")
    svg = re.sub(r"(font: [^;\"]*?px) '[^;\"]*", r"\1 system-ui, sans-serif", svg)
    for colour, token in _TOKENS.items():
        svg = svg.replace(colour, token)
    return svg


def _style(background: str) -> Any:
    return {
        "svg.fonttype": "none", "figure.facecolor": background, "savefig.facecolor": background,
        "axes.facecolor": "none", "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": SOFT,
        "axes.titlecolor": INK, "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK,
        "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "axes.titlesize": 10,
        "axes.titleweight": "bold", "axes.titlelocation": "left", "figure.constrained_layout.h_pad": 0.06,
    }  # fmt: skip


def _places(figure: Figure, rows: int, columns: int) -> list[Any]:
    return list(figure.subfigures(rows, columns, squeeze=False).ravel())
