"""The picture of a search: its trials in order, and each option against what it gave."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from fer_live.files import replacing

from .space import Dimension

__all__ = ["draw_study"]

_INK, _ACCENT, _MUTED, _BEST = "#1f2933", "#2667a8", "#c5ccd3", "#d1495b"
_FOR_IMPORTANCE = 8
"""Finished trials below which importances would only be noise."""


def draw_study(
    path: Path, study: optuna.Study, trials: Sequence[FrozenTrial], space: Sequence[Dimension], title: str
) -> None:
    """PublicTest accuracy of ``trials`` of the study with the best so far, and a panel for each option.

    The file is replaced when the new picture is complete.
    """
    done, pruned, failed = (
        [trial for trial in trials if trial.state == state]
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    )
    columns = 4 if len(space) == 4 or len(space) > 6 else min(3, len(space))
    rows = math.ceil(len(space) / columns)
    figure = Figure(figsize=(12, 3.6 + 2.9 * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, columns, height_ratios=[1.25] + [1] * rows)
    history = figure.add_subplot(grid[0, :])
    _draw_history(history, done, pruned, failed)
    shares = _importances(study, done)
    low, high = history.get_ylim()
    for number, of in enumerate(space):
        axis = figure.add_subplot(grid[1 + number // columns, number % columns])
        _draw_option(axis, of, done, pruned)
        axis.set_ylim(low, high)
        axis.set_title(of.name if of.name not in shares else f"{of.name}  (importance {100 * shares[of.name]:.0f} %)")
        if number % columns == 0:
            axis.set_ylabel("PublicTest accuracy, %")
    for axis in figure.axes:
        axis.grid(color=_MUTED, linewidth=0.5, alpha=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}\nbelow: each option against the accuracy, later trials darker", color=_INK, fontsize=11)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=120)


def _draw_history(
    axis: Axes, done: Sequence[FrozenTrial], pruned: Sequence[FrozenTrial], failed: Sequence[FrozenTrial]
) -> None:
    values = [_percent(trial) for trial in done]
    if done:
        numbers = [trial.number for trial in done]
        last = max(trial.number for trial in (*done, *pruned, *failed))
        best = np.maximum.accumulate(values)
        axis.step([*numbers, last], [*best, best[-1]], where="post", color=_ACCENT, linewidth=1.5, label="best so far")
        axis.plot(numbers, values, "o", color=_ACCENT, markersize=6, label="finished")
        top = int(np.argmax(values))
        axis.plot(numbers[top], values[top], "*", color=_BEST, markersize=13, linestyle="none", label="best")
        axis.annotate(
            f"{values[top]:.2f} %",
            (numbers[top], values[top]),
            (0, 10),
            textcoords="offset points",
            ha="center",
            color=_BEST,
        )
    cut = [trial for trial in pruned if trial.value is not None]
    if cut:
        axis.plot([t.number for t in cut], [_percent(t) for t in cut], "x", color=_INK, markersize=6, label="pruned")
    axis.margins(x=0.04, y=0.14)
    if failed:
        bottom = axis.get_ylim()[0]
        axis.plot(
            [trial.number for trial in failed],
            [bottom] * len(failed),
            "v",
            color=_INK,
            markersize=7,
            clip_on=False,
            label="failed (no accuracy)",
        )
        axis.set_ylim(bottom=bottom)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="trial", ylabel="PublicTest accuracy, %")
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderaxespad=0.2)


def _draw_option(axis: Axes, of: Dimension, done: Sequence[FrozenTrial], pruned: Sequence[FrozenTrial]) -> None:
    """The option's values against the accuracy: later trials are darker, the best is a star."""
    distribution = of.distribution
    if isinstance(distribution, CategoricalDistribution):
        axis.set_xticks(range(len(distribution.choices)), [_label(choice) for choice in distribution.choices])
        axis.set_xlim(-0.5, len(distribution.choices) - 0.5)
        longest = max(len(_label(choice)) for choice in distribution.choices)
        if longest * len(distribution.choices) > 36:
            axis.tick_params("x", labelrotation=25, labelsize=8)
    elif distribution.log:
        axis.set_xscale("log")
        axis.set_xlim(distribution.low / 1.15, distribution.high * 1.15)
    else:
        margin = 0.04 * (distribution.high - distribution.low)
        axis.set_xlim(distribution.low - margin, distribution.high + margin)
        if isinstance(distribution, IntDistribution):
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    cut = [trial for trial in pruned if trial.value is not None]
    axis.plot([_place(of, trial) for trial in cut], [_percent(trial) for trial in cut], "x", color=_INK, markersize=5)
    if not done:
        return
    places, values = [_place(of, trial) for trial in done], [_percent(trial) for trial in done]
    axis.scatter(
        places, values, c=np.linspace(0.3, 1, len(done)), cmap="Blues", vmin=0, vmax=1, s=36, edgecolors=_ACCENT
    )
    top = int(np.argmax(values))
    axis.plot(places[top], values[top], "*", color=_BEST, markersize=13)


def _importances(study: optuna.Study, done: Sequence[FrozenTrial]) -> dict[str, float]:
    """Share of each option among all by PED-ANOVA (Watanabe et al. 2023); nothing where there is too little to tell."""
    if len(done) < _FOR_IMPORTANCE or len({trial.value for trial in done}) < 2:
        return {}
    return optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())


def _place(of: Dimension, trial: FrozenTrial) -> float:
    """Where the trial stands on the option's axis; among choices beside the middle, each trial a little elsewhere."""
    value: Any = trial.params[of.name]
    if not isinstance(of.distribution, CategoricalDistribution):
        return float(value)
    beside = (trial.number * 0.618 % 1 - 0.5) * 0.3
    return of.distribution.choices.index(value) + beside


def _percent(trial: FrozenTrial) -> float:
    return math.nan if trial.value is None else 100 * trial.value


def _label(choice: Any) -> str:
    if isinstance(choice, str) and choice.startswith("["):
        return "-".join(map(str, json.loads(choice))) or "none"
    return str(choice).lower() if isinstance(choice, bool) else str(choice)
