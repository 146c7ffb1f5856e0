"""The pictures of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_live.palette import LABEL_COLOURS
from fer_live.training.evaluation.compare import Comparison, ModelResult
from fer_live.training.evaluation.corruptions import CORRUPTIONS, MOST_POINTS_LOST, Corruption
from fer_live.training.evaluation.metrics import Metrics

from .charts import GRID, INK, SOFT, Chart, Panel

__all__ = ["MOST_MODELS", "charts_of", "letter_of", "model_colour"]

_FIXED_DARK, _FIXED_LIGHT = "#101820", "#fbfdff"  # text on cells that keep their colour in a dark page
# Okabe and Ito (2008) but for black and yellow, which vanish on a dark and on a light page.
_MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
_MARKERS = "osD^vPX"
_DASHES = ("-", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)), (0, (8, 3)), (0, (4, 1, 1, 1, 1, 1)))
"""So that a line still shows under an equal one."""
MOST_MODELS = len(_MODEL_COLOURS)
"""How many models can be told apart in a picture."""


def letter_of(number: int) -> str:
    """What a model is called in pictures: A, B, ..."""
    return chr(ord("A") + number)


def model_colour(number: int) -> str:
    """Colour of a model in pictures, as #rrggbb."""
    return _MODEL_COLOURS[number]


def charts_of(comparison: Comparison) -> list[Chart]:
    """All pictures of a comparison."""
    models = comparison.models
    charts = [Chart("accuracy", "figures", "Accuracy", (_accuracy_panel(comparison),), 1)]
    for key in comparison.split_keys:
        splits = comparison.on(key)
        name = splits[0].result.name
        every = [split.result.fer2013 for split in splits]
        charts += [
            Chart(
                f"recall_{key}",
                "classes",
                f"{name}: recall by class",
                (_recall_panel(f"{name}: recall by class", every),),
                1,
            ),
            Chart(
                f"confusion_{key}",
                "confusion",
                f"{name}: confusion matrix, % of each row, counts below",
                tuple(_confusion_panel(_name(models, number), metrics) for number, metrics in enumerate(every)),
                2,
            ),
            Chart(
                f"reliability_{key}",
                "reliability",
                f"{name}: reliability",
                tuple(
                    _reliability_panel(_name(models, number), split.result.reliability, split.estimates["ece"].value)
                    for number, split in enumerate(splits)
                ),
                3,
            ),
            Chart(f"risk_coverage_{key}", "selective", f"{name}: risk", (_risk_panel(comparison, key),), 1),
        ]
        heads = [(number, split.result.ferplus) for number, split in enumerate(splits)]
        with_head = [(number, metrics) for number, metrics in heads if metrics is not None]
        if with_head:
            title = f"{name}: recall by FER+ class"
            panel = _recall_panel(title, [metrics for _, metrics in with_head], [number for number, _ in with_head])
            charts.append(Chart(f"ferplus_recall_{key}", "ferplus", title, (panel,), 1))
    if models[0].robustness is not None:
        low = min(level.accuracy for m in models for result in _results(m) for level in result.levels)
        high = max(level.accuracy for m in models for result in _results(m) for level in result.levels)
        limits = (10 * math.floor(10 * low), min(102, 5 * math.ceil(20 * high + 0.4)))
        panels = tuple(_robustness_panel(comparison, number, limits) for number in range(len(CORRUPTIONS)))
        title = f"Robustness, PublicTest, n = {models[0].robustness.n:,}"
        charts.append(Chart("robustness", "robustness", title, panels, 3))
    return charts


def _name(models: Sequence[ModelResult], number: int) -> str:
    name = models[number].name
    short = name if len(name) <= 32 else f"...{name[-29:]}"
    return f"{letter_of(number)}  {short}" if len(models) > 1 else short


def _results(model: ModelResult) -> Sequence[Any]:
    return model.robustness.results if model.robustness is not None else ()


def _accuracy_panel(comparison: Comparison) -> Panel:
    keys, models = comparison.split_keys, comparison.models
    rows = len(keys) * len(models)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        ticks = []
        for place, key in enumerate(keys):
            for number, split in enumerate(comparison.on(key)):
                estimate = split.estimates["accuracy"]
                y = place + (number + 1) / (len(models) + 1) - 0.5
                axis.plot([100 * estimate.low, 100 * estimate.high], [y, y], color=model_colour(number), linewidth=1.8)
                axis.plot(100 * estimate.value, y, _MARKERS[number], color=model_colour(number), markersize=6)
                letter = f"{letter_of(number)}  " if len(models) > 1 else ""
                axis.annotate(
                    f"{letter}{100 * estimate.value:.2f}", (100 * estimate.high, y), (5, 0),
                    textcoords="offset points", va="center", fontsize=8,
                )  # fmt: skip
            ticks.append(f"{comparison.on(key)[0].result.name}\nn = {comparison.on(key)[0].result.fer2013.n:,}")
        axis.set_yticks(range(len(keys)), ticks)
        axis.set(ylim=(len(keys) - 0.5, -0.5), xlabel="accuracy, % (95 % bootstrap interval)")
        axis.set_title("Accuracy by split")
        axis.grid(axis="x")
        for line in range(1, len(keys)):
            axis.axhline(line - 0.5, color=GRID, linewidth=0.6)
        axis.margins(x=0.12)

    return Panel("Accuracy by split", (5.2, 0.9 + 0.3 * rows + 0.25 * len(keys)), draw)


def _recall_panel(title: str, every: Sequence[Metrics], numbers: Sequence[int] | None = None) -> Panel:
    """Recall bars of one head's classes with Wilson intervals; ``numbers`` of the models where not all have it."""
    labels = every[0].labels
    of_model = list(range(len(every))) if numbers is None else list(numbers)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        thick = 0.8 / len(every)
        for place, metrics in enumerate(every):
            y = np.arange(len(labels)) + (place - (len(every) - 1) / 2) * thick
            recall = 100 * np.array(metrics.recall)
            interval = 100 * np.array(metrics.recall_interval)
            colours = [_label_colour(label) for label in labels]
            if len(every) > 1:
                colours = [model_colour(of_model[place])] * len(labels)
            axis.barh(y, recall, thick * 0.9, color=colours, edgecolor=SOFT, linewidth=0.4)
            absent = np.isin(labels, metrics.absent)
            interval[absent] = 0  # nothing is known of them: neither bar nor whisker
            spread = np.abs(interval.T - recall)
            axis.errorbar(
                recall[~absent], y[~absent], xerr=spread[:, ~absent], fmt="none", ecolor=INK, elinewidth=1, capsize=2
            )
            for height, value, (_, high), none in zip(y, recall, interval, absent, strict=True):
                shown = "-" if none else f"{value:.0f}"
                text = f"{letter_of(of_model[place])} {shown}" if len(every) > 1 else shown
                axis.annotate(text, (high, height), (4, 0), textcoords="offset points", va="center", fontsize=8)
        counts = [sum(row) for row in every[0].confusion]
        axis.set_yticks(range(len(labels)), [f"{label}\nn = {n:,}" for label, n in zip(labels, counts, strict=True)])
        axis.set(xlim=(0, 108), ylim=(len(labels) - 0.45, -0.55), xlabel="recall, % (95 % Wilson interval)")
        axis.set_xticks(range(0, 101, 20))
        axis.set_title(title)
        axis.grid(axis="x")

    return Panel(title, (5.2, 1.0 + len(labels) * max(0.4, 0.2 * len(every) + 0.1)), draw)


def _label_colour(label: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*LABEL_COLOURS.get(label, (150, 150, 220)))


def _confusion_panel(name: str, metrics: Metrics) -> Panel:
    def draw(figure: Any) -> None:
        counts = np.array(metrics.confusion)
        share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        size = len(counts)
        axis = figure.subplots()
        axis.pcolormesh(share, cmap="Blues", vmin=0, vmax=1, edgecolors="#ffffff", linewidth=0.8)
        for row, column in np.ndindex(*counts.shape):
            colour = _FIXED_LIGHT if share[row, column] > 0.5 else _FIXED_DARK
            middle = column + 0.5
            percent = f"{100 * share[row, column]:.0f}" if counts[row].any() else "-"
            axis.text(middle, row + 0.42, percent, ha="center", va="center", color=colour)
            axis.text(middle, row + 0.78, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=6)
        places = np.arange(size) + 0.5
        axis.set_xticks(places, metrics.labels, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(places, metrics.labels)
        axis.set(ylim=(size, 0), xlabel="answer", ylabel="FER2013's label")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(f"{name}\naccuracy {100 * metrics.accuracy:.2f} %, n = {metrics.n:,}")

    return Panel(f"{name}: confusion matrix", (5.4, 5.0), draw)


def _reliability_panel(name: str, table: Any, ece: float) -> Panel:
    def draw(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
        width = 100 / len(table)
        left = np.arange(len(table)) * width
        used = table[:, 0] > 0
        upper.bar(left[used], 100 * table[used, 2], width * 0.94, align="edge", color="#7fb3d5")
        upper.plot([0, 100], [0, 100], "--", color=SOFT, linewidth=1)
        upper.plot(100 * table[used, 1], 100 * table[used, 2], "o", color=INK, markersize=3.5)
        upper.text(3, 92, "dashed: confidence = accuracy", color=SOFT, fontsize=8)
        upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="right answers, %")
        upper.set_title(f"{name}\nECE {100 * ece:.2f} % (15 equal bins)")
        lower.bar(left, table[:, 0], width * 0.94, align="edge", color=SOFT)
        lower.set(xlabel="confidence (largest probability), %", ylabel="faces")
        upper.grid()

    return Panel(f"{name}: reliability", (4.4, 4.4), draw)


def _risk_panel(comparison: Comparison, key: str) -> Panel:
    splits, models = comparison.on(key), comparison.models
    title = f"{splits[0].result.name}: wrong among the surest"

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        ends = []
        for number, split in enumerate(splits):
            start = max(1, np.searchsorted(split.curve.coverage, 0.02))  # a handful of faces is noise
            colour = model_colour(number)
            line = {"color": colour, "linewidth": 1.8, "linestyle": _DASHES[number]}
            axis.plot(100 * split.curve.coverage[start:], 100 * split.curve.risk[start:], **line)
            if split.point.answered:
                axis.plot(
                    100 * split.point.coverage, 100 * split.point.risk, _MARKERS[number], color=colour, markersize=7
                )
            ends.append((100 * float(split.curve.risk[-1]), number))
        wanted = 100 * comparison.settings.risk
        axis.axhline(wanted, color=SOFT, linestyle="--", linewidth=1)
        axis.annotate(
            f"{wanted:g} % wrong", (0, wanted), (3, 3), textcoords="offset points", color=SOFT, fontsize=8
        )  # fmt: skip
        axis.set(xlim=(0, 100), xlabel="faces that are answered, %", ylabel="wrong among them, %")
        axis.set_ylim(0, max(wanted + 3, 1.12 * max(y for y, _ in ends)))
        axis.set_title(title)
        axis.grid()
        _label_ends(axis, ends, len(models))

    return Panel(title, (5.2, 3.7), draw)


def _robustness_panel(comparison: Comparison, which: int, limits: tuple[float, float]) -> Panel:
    corruption: Corruption = CORRUPTIONS[which]

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        ends = []
        if corruption.target is not None:
            axis.axvline(corruption.target, color=SOFT, linestyle=":", linewidth=1)
        for number, model in enumerate(comparison.models):
            levels = _results(model)[which].levels
            strengths = [level.strength for level in levels]
            accuracy = 100 * np.array([level.accuracy for level in levels])
            low, high = 100 * np.array([level.accuracy_interval for level in levels]).T
            colour = model_colour(number)
            axis.fill_between(strengths, low, high, color=colour, alpha=0.16, linewidth=0)
            line = {"color": colour, "linewidth": 1.6, "linestyle": _DASHES[number]}
            axis.plot(strengths, accuracy, marker=_MARKERS[number], markersize=4, **line)
            if corruption.target is not None:
                floor = accuracy[0] - MOST_POINTS_LOST
                axis.plot(corruption.target, floor, "_", color=colour, markersize=16, markeredgewidth=2)
            ends.append((float(accuracy[-1]), number))
        axis.set(ylim=limits, xlabel=corruption.unit, ylabel="accuracy, %")
        axis.set_xticks([corruption.clean, *corruption.strengths])
        axis.set_xticklabels([f"{value:g}" for value in (corruption.clean, *corruption.strengths)])
        if corruption.strengths[-1] < corruption.clean:
            axis.invert_xaxis()
        if corruption.target is not None:
            note = f"at {corruption.target:g}: lose {MOST_POINTS_LOST:g} points at most"
            axis.set_title(note, loc="right", fontsize=7.5, fontweight="normal", color=SOFT)
        axis.set_title(corruption.title)
        axis.grid(axis="y")
        _label_ends(axis, ends, len(comparison.models))

    return Panel(f"{corruption.title}: accuracy against {corruption.unit}", (4.2, 3.0), draw)


def _label_ends(axis: Any, ends: Sequence[tuple[float, int]], models: int) -> None:
    """Letters of models at their curves' right ends (height, number), pushed apart where they would touch."""
    if models < 2:
        return
    low, high = axis.get_ylim()
    gap = 0.06 * (high - low)
    height = low - gap
    for value, number in sorted(ends):
        height = max(value, height + gap)
        axis.annotate(
            letter_of(number), (1, height), (5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", color=model_colour(number), fontweight="bold", annotation_clip=False,
        )  # fmt: skip
