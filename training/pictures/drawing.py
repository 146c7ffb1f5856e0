"""Pictures of what a network learned: filters, maps for faces, and where it looks, as PNGs.

Every ``draw_*`` writes one PNG to a path or an open file, so that a page can hold them without files between.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from .diagram import shape_text
from .filters import FilterBank, strongest
from .layer_text import kind_of
from .saliency import enlarge
from .trace import Call

__all__ = ["Look", "change_text", "draw_feature_maps", "draw_filters", "draw_looks", "draw_units"]

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]
Target = Path | IO[bytes]

_INK, _MUTED, _GAP = "#1f2933", "#52606d", "#e6eef6"
_DPI, _PER_INCH = 130, 88.0

ALL_TILES = 96
"""A layer of at most three inputs shows so many filters, half as many where they are as large as faces."""

ROWS, SLICES, CELLS = 12, 16, 64
"""Of a deeper layer: filters, slices of each, and rows and columns of a 1 x 1 convolution's matrix."""

MAP_COLUMNS, MAP_ROWS = 12, 4
"""Maps in a row; rows where a single face is shown."""

LEAST_CHANGE = 0.01
"""Least change of a probability that may have the strongest colour: next to nothing must not look like a finding."""


@dataclass(frozen=True, slots=True)
class Look:
    """Where a network looks in one face, for one label.

    ``said``: the label with its probability. ``cam``: (h, w) of Grad-CAM, None for a network without maps. ``fall``:
    (S, S), fall of the label's probability, -1..1, where a patch covers it.
    """

    said: str
    cam: Floats | None
    fall: Floats


def draw_filters(target: Target, bank: FilterBank) -> None:
    """The filters of a layer, those of largest L2 norm first.

    All of them (at most :data:`ALL_TILES`) where they have few inputs; else the strongest, a row a filter, with the
    strongest of its slices; 1 x 1 convolutions as a matrix. One scale for the whole picture, symmetric about 0.
    """
    _, inputs, high, wide = bank.weight.shape
    if high * wide == 1:
        _draw_matrix(target, bank)
    elif inputs <= 3:
        _draw_all(target, bank)
    else:
        _draw_strongest(target, bank)


def _draw_all(target: Target, bank: FilterBank) -> None:
    count, inputs, _, _ = bank.weight.shape
    large = bank.weight.shape[-1] >= 20
    rows, _, share = strongest(bank, ALL_TILES // 2 if large else ALL_TILES, inputs)
    columns = max(1, min(len(rows), (8 if large else 12) // inputs))
    lines = -(-len(rows) // columns)
    tiles = np.full((lines * columns, inputs, *bank.weight.shape[2:]), np.nan, np.float32)
    tiles[: len(rows)] = bank.weight[rows]
    mosaic = _Mosaic.of(tiles.reshape(lines, columns * inputs, *bank.weight.shape[2:]))
    shown = f"{_of(len(rows), count)} {'units' if large else 'filters'}, largest L2 norm first{_held(share)}"
    if inputs > 1:
        shown += f"; the {inputs} inputs of each side by side"
    figure, axis = _sheet(bank, f"{shown}; the number is the output channel", mosaic.pixels.shape)
    _show(figure, axis, mosaic.pixels, _scale(bank.weight[rows]), "gray")
    for place, number in enumerate(rows):
        line, column = divmod(place, columns)
        _number(axis, number, mosaic.lefts[column * inputs], mosaic.tops[line])
    figure.savefig(target, format="png", dpi=_DPI)


def _draw_strongest(target: Target, bank: FilterBank) -> None:
    count, inputs, _, _ = bank.weight.shape
    rows, columns, share = strongest(bank, ROWS, SLICES)
    tiles = bank.weight[rows[:, None], columns]
    the = "" if columns.shape[1] == inputs else "the "
    mosaic = _Mosaic.of(tiles)
    shown = (
        f"{_of(len(rows), count)} filters, largest L2 norm first; of each {the}{_of(columns.shape[1], inputs)} input "
        f"slices, largest norm first{_held(share)}; left the filter's number, above each slice its input's"
    )
    figure, axis = _sheet(bank, shown, mosaic.pixels.shape)
    _show(figure, axis, mosaic.pixels, _scale(tiles), "gray")
    for line, number in enumerate(rows):
        y = mosaic.tops[line] + mosaic.tile_hw[0] / 2
        axis.text(-4, y, f"{number}", fontsize=7, color=_MUTED, ha="right", va="center")
        for place, slice_number in enumerate(columns[line]):
            _number(axis, slice_number, mosaic.lefts[place], mosaic.tops[line])
    figure.savefig(target, format="png", dpi=_DPI)


def _draw_matrix(target: Target, bank: FilterBank) -> None:
    count, inputs, _, _ = bank.weight.shape
    matrix = bank.weight[:, :, 0, 0]
    rows = np.argsort(-bank.norms, kind="stable")[:CELLS]
    columns = np.argsort(-np.square(matrix).sum(0), kind="stable")[:CELLS]
    part = matrix[rows[:, None], columns]
    total = float(np.square(matrix).sum())
    share = float(np.square(part).sum()) / total if total else 0.0
    shown = (
        f"weights as a matrix: {_of(len(rows), count)} filters down, {_of(len(columns), inputs)} inputs across, each "
        f"by falling L2 norm{_held(share)}"
    )
    mosaic = np.kron(part, np.ones((8, 8), np.float32))
    figure, axis = _sheet(bank, shown, mosaic.shape)
    _show(figure, axis, mosaic, _scale(part), "RdBu_r")
    figure.savefig(target, format="png", dpi=_DPI)


def draw_feature_maps(target: Target, call: Call, images: Images) -> None:
    """What a layer gives for some faces: a row a face, a column a channel; for one face, several rows of channels.

    The channels whose values differ most from place to place (largest standard deviation, over all faces) come first.
    Each channel has a scale of its own, the same for all faces.

    Args:
        target: the file to write.
        call: of the layer, with an output (N, C, h, w).
        images: the faces (N, S, S).
    """
    maps = call.output.numpy()
    spread = maps.std((2, 3)).mean(0)
    wanted = MAP_COLUMNS * MAP_ROWS if len(images) == 1 else MAP_COLUMNS
    order = np.argsort(-spread, kind="stable")[:wanted]
    low, high = maps.min((0, 2, 3)), maps.max((0, 2, 3))
    scaled = (maps - low[:, None, None]) / np.maximum(high - low, 1e-12)[:, None, None]
    columns = min(MAP_COLUMNS, len(order))
    rows = len(images) if len(images) > 1 else -(-len(order) // columns)
    tile, gap, head = 0.72, 0.05, 0.82
    width = max(5.2, (columns + 1) * (tile + gap) + 0.5)
    step = tile + gap + (0.14 if len(images) == 1 else 0)
    figure = Figure(figsize=(width, head + rows * step + 0.2))
    axis = figure.add_axes((0, 0, 1, 1))
    height = figure.get_figheight()
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.axis("off")
    turn = f", run {call.turn + 1}" if call.turn else ""
    _head(axis, f"{call.name}{turn}: {kind_of(call.module)}, gives {shape_text(call.shape)}")
    told = f"{_of(len(order), len(spread))} channels, those that vary most first; "
    scale = "black to yellow: each channel's least to most" + (" over these faces" if len(images) > 1 else "")
    axis.text(0.15, height - 0.44, f"{told}above each its number; {scale}", fontsize=7.5, color=_MUTED, va="center")

    def place(picture: Any, row: int, column: int, cmap: str, top_value: float) -> tuple[float, float]:
        left, top = 0.15 + column * (tile + gap) + (0.1 if column else 0), height - head - row * step
        extent = (left, left + tile, top - tile, top)
        axis.imshow(picture, cmap=cmap, vmin=0, vmax=top_value, extent=extent, interpolation="nearest", aspect="auto")
        return left, top

    for row in range(rows):
        if row < len(images):
            place(images[row], row, 0, "gray", 255)
        for column in range(columns):
            number = column if len(images) > 1 else row * columns + column
            if number >= len(order):
                continue
            face = row if len(images) > 1 else 0
            left, top = place(scaled[face, order[number]], row, column + 1, "inferno", 1)
            if row == 0 or len(images) == 1:
                axis.text(left, top + 0.02, f"{order[number]}", fontsize=6.5, color=_MUTED, va="bottom")
    axis.set(xlim=(0, width), ylim=(0, height))
    figure.savefig(target, format="png", dpi=_DPI)


def draw_units(target: Target, calls: Sequence[Call], names: Sequence[str]) -> None:
    """What layers without maps give for some faces: a strip a layer, in it a row a face and a column a unit.

    Args:
        target: the file to write.
        calls: of the layers, with outputs (N, units).
        names: of the N faces.
    """
    row, head = 0.16, 0.75
    heights = [max(0.3, row * len(names)) for _ in calls]
    figure = Figure(figsize=(9.2, head + sum(heights) + 0.42 * len(calls)))
    width, height = figure.get_size_inches()
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.axis("off")
    sheet.set(xlim=(0, width), ylim=(0, height))
    _head(sheet, "layers that give numbers in a row, not maps")
    told = "a row a face, a column a unit, in the network's order; black to yellow: the layer's least to most"
    sheet.text(0.15, height - 0.44, told, fontsize=7.5, color=_MUTED, va="center")
    top = height - head
    for call, high in zip(calls, heights, strict=True):
        title = f"{call.name}: {kind_of(call.module)}, gives {shape_text(call.shape)}"
        sheet.text(1.75, top - 0.14, title, fontsize=8, color=_INK, va="center")
        top -= 0.28 + high
        axis = figure.add_axes((1.75 / width, top / height, (width - 1.95) / width, high / height))
        axis.imshow(call.output.numpy(), cmap="inferno", interpolation="nearest", aspect="auto")
        axis.axis("off")
        for number, name in enumerate(names):
            y = top + high * (1 - (number + 0.5) / len(names))
            sheet.text(1.68, y, name, fontsize=6.5, color=_MUTED, ha="right", va="center")
        top -= 0.14
    figure.savefig(target, format="png", dpi=_DPI)


def draw_looks(
    target: Target, title: str, note: str, images: Images, names: Sequence[str], looks: Sequence[Sequence[Look]]
) -> None:
    """Where a network looks: a row a face, and beside it for each label Grad-CAM and occlusion.

    Args:
        target: the file to write.
        title: above the picture.
        note: how it was made, below the title.
        images: the faces (N, S, S).
        names: N, beside each face.
        looks: N times one for each label, as many for each face.
    """
    with_cam = looks[0][0].cam is not None
    tile, gap, label = 1.45, 0.12, 0.36
    per_label = 2 if with_cam else 1
    columns = 1 + per_label * len(looks[0])
    width = max(6.4, 0.25 + columns * (tile + gap) + 0.15 * len(looks[0]) + 0.9)
    lines = textwrap.wrap(note, round(width * 15.5))
    head = 0.5 + 0.16 * len(lines)
    height = head + len(images) * (tile + label) + 0.15
    figure = Figure(figsize=(width, height))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    axis.set(xlim=(0, width), ylim=(0, height))
    _head(axis, title)
    axis.text(0.15, height - 0.38, "\n".join(lines), fontsize=7.5, color=_MUTED, va="top", linespacing=1.3)

    def frame(row: int, column: int, group: int) -> tuple[float, float, tuple[float, float, float, float]]:
        left = 0.15 + column * (tile + gap) + 0.15 * group
        top = height - head - row * (tile + label) - 0.75 * label
        return left, top, (left, left + tile, top - tile, top)

    for row, (image, name) in enumerate(zip(images, names, strict=True)):
        most = max(LEAST_CHANGE, *(float(np.abs(look.fall).max()) for look in looks[row]))
        left, top, extent = frame(row, 0, 0)
        axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest", aspect="auto")
        axis.text(left, top + 0.04, _fitted(name, tile + 0.1, 7.5), fontsize=7.5, color=_INK, va="bottom")
        for group, look in enumerate(looks[row], 1):
            column = 1 + per_label * (group - 1)
            left, top, extent = frame(row, column, group)
            axis.text(left, top + 0.04, look.said, fontsize=7.5, color=_INK, va="bottom", weight="bold")
            if look.cam is not None:
                _overlay_cam(axis, image, look.cam, extent)
                left, _, extent = frame(row, column + 1, group)
            _overlay_fall(axis, image, look.fall, most, extent)
            told = change_text(look.fall)
            below = look.cam is None  # the label stands above the same tile
            axis.text(left, top - tile - 0.03 if below else top + 0.04, told, fontsize=6.5, color=_MUTED,
                      va="top" if below else "bottom")  # fmt: skip
    axis.set(xlim=(0, width), ylim=(0, height))
    high = min(tile, 2.2)
    place = ((width - 0.8) / width, (height - head - 0.75 * label - high) / height, 0.1 / width, high / height)
    bar = figure.add_axes(place)
    _bar(figure, bar, -1, 1, "RdBu").set_ticks([-1, 0, 1], labels=["less\nprobable", "the same", "more\nprobable"])
    figure.savefig(target, format="png", dpi=_DPI)


def change_text(fall: Floats) -> str:
    """The most that covering a place takes from a probability and adds to it, in percentage points.

    Args:
        fall: of the probability, (S, S), -1..1.
    """
    less, more = (_points(100 * float(change.max())) for change in (fall, -fall))
    if less == more == "< 0.1":
        return "< 0.1 points either way"
    unit = "" if less == "never" else " point" if less == "1" else " points"
    first = f"{less}{unit} less"
    if less != "never" or more == "never":
        return f"{first}, {more} more"
    return f"{first}, {more} point{'' if more == '1' else 's'} more"


def _points(change: float) -> str:
    if change <= 0:
        return "never"
    return "< 0.1" if change < 0.1 else f"{change:.0f}" if change >= 9.95 else f"{change:.1f}".removesuffix(".0")


def _fitted(text: str, width: float, size_pt: float, weight: str = "normal") -> str:
    """A text of at most ``width`` inches: cut in the middle where it is longer."""
    font = FontProperties(size=size_pt, weight=weight)

    def is_wide(shown: str) -> bool:
        return bool(TextPath((0, 0), shown, prop=font).get_extents().width > 72 * width)

    shown, kept = text, len(text)
    while is_wide(shown) and kept > 2:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _overlay_cam(axis: Any, image: NDArray[np.uint8], cam: Floats, extent: tuple[float, ...]) -> None:
    large = enlarge(cam[None], image.shape[0])[0]
    heat = large / max(float(large.max()), 1e-12)
    axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    axis.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.8 * heat, extent=extent, aspect="auto")


def _overlay_fall(axis: Any, image: NDArray[np.uint8], fall: Floats, most: float, extent: tuple[float, ...]) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    strength = np.minimum(1, np.abs(fall) / most)
    axis.imshow(-fall, cmap="RdBu", vmin=-most, vmax=most, alpha=0.85 * strength**0.6, extent=extent, aspect="auto")


@dataclass(frozen=True, slots=True)
class _Mosaic:
    """Tiles side by side: ``pixels`` (H, W) with NaN between them, and where in it each row and column begins."""

    pixels: Floats
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    tile_hw: tuple[int, int]

    @classmethod
    def of(cls, tiles: Floats) -> _Mosaic:
        """Tiles (R, C, h, w), enlarged to be seen; rows are further apart than columns, for numbers to stand there."""
        rows, columns, high, wide = tiles.shape
        scale = max(1, 42 // max(high, wide))
        tile_hw = (scale * high, scale * wide)
        across, down = max(2, tile_hw[1] // 12), max(12, tile_hw[0] // 4)
        tops = tuple(down + row * (tile_hw[0] + down) for row in range(rows))
        lefts = tuple(across + column * (tile_hw[1] + across) for column in range(columns))
        pixels = np.full((tops[-1] + tile_hw[0] + across, lefts[-1] + tile_hw[1] + across), np.nan, np.float32)
        for row, column in np.ndindex(rows, columns):
            large = np.kron(tiles[row, column], np.ones((scale, scale), np.float32))
            pixels[tops[row] : tops[row] + tile_hw[0], lefts[column] : lefts[column] + tile_hw[1]] = large
        return cls(pixels, tops, lefts, tile_hw)


def _sheet(bank: FilterBank, shown: str, shape: tuple[int, ...]) -> tuple[Figure, Any]:
    """A figure with title, note and an axis for a mosaic of the given shape, pixels to scale."""
    high, wide = shape[0] / _PER_INCH, shape[1] / _PER_INCH
    width = max(6.2, 0.45 + wide + 1.0)
    lines = textwrap.wrap("; ".join(part for part in (bank.about, shown) if part), round(width * 15.5))
    head = 0.62 + 0.16 * len(lines)
    figure = Figure(figsize=(width, head + max(high, 0.9) + 0.15))
    height = figure.get_figheight()
    title = figure.add_axes((0, 0, 1, 1))
    title.axis("off")
    title.set(xlim=(0, width), ylim=(0, height))
    count, inputs, rows, columns = bank.weight.shape
    _head(title, f"{bank.name}: {bank.kind}, weights {count} x {inputs} x {rows} x {columns}")
    title.text(0.15, height - 0.38, "\n".join(lines), fontsize=7.5, color=_MUTED, va="top", linespacing=1.3)
    axis = figure.add_axes((0.45 / width, (height - head - high) / height, wide / width, high / height))
    axis.axis("off")
    return figure, axis


def _show(figure: Figure, axis: Any, mosaic: Floats, most: float, cmap: str) -> None:
    colours = colormaps[cmap].with_extremes(bad=_GAP)
    axis.imshow(mosaic, cmap=colours, vmin=-most, vmax=most, interpolation="nearest", aspect="auto")
    box = axis.get_position()
    width, height = figure.get_size_inches()
    bar_height = min(box.height, 2.2 / height)
    bar = figure.add_axes((box.x1 + 0.12 / width, box.y1 - bar_height, 0.1 / width, bar_height))
    _bar(figure, bar, -most, most, cmap)


def _bar(figure: Figure, axis: Any, low: float, high: float, cmap: str) -> Any:
    bar = figure.colorbar(ScalarMappable(Normalize(low, high), cmap), cax=axis)
    bar.outline.set(edgecolor=_MUTED, linewidth=0.5)
    axis.tick_params(labelsize=6.5, colors=_MUTED)
    return bar


def _head(axis: Any, title: str) -> None:
    height = axis.get_ylim()[1]
    axis.text(0.15, height - 0.2, title, fontsize=10, weight="bold", color=_INK, va="center")


def _number(axis: Any, number: int, left: float, top: float) -> None:
    axis.text(left, top - 1, f"{number}", fontsize=5.5, color=_MUTED, va="bottom", ha="left")


def _scale(weight: Floats) -> float:
    return float(np.abs(weight).max()) or 1.0


def _of(shown: int, count: int) -> str:
    return f"all {count}" if shown == count else f"{shown} of {count}"


def _held(share: float) -> str:
    return "" if share > 0.9995 else f" ({100 * share:.0f} % of the layer's squared weights)"
