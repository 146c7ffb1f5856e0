"""The tables of a comparison, as text cells: the same for the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fer_live.training.evaluation.compare import Comparison, SplitFigures
from fer_live.training.evaluation.corruptions import CORRUPTIONS, MOST_POINTS_LOST, Corruption
from fer_live.training.evaluation.metrics import Metrics
from fer_live.training.evaluation.robustness import Level
from fer_live.training.evaluation.significance import Estimate

from .plots import letter_of

__all__ = ["Table", "short_name", "tables_of"]


@dataclass(frozen=True, slots=True)
class Table:
    """``section``: which part of a report it belongs to. The first ``words`` columns are text, the rest figures."""

    section: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def tables_of(comparison: Comparison) -> list[Table]:
    """All tables that have something in them; of one model without the column that names it."""
    tables = [_figures(comparison), _pairs(comparison), *_classes(comparison), _selective(comparison)]
    tables += [_ferplus(comparison), _targets(comparison), _strengths(comparison)]
    return [_without_model(table, len(comparison.models)) for table in tables if table.rows]


def _without_model(table: Table, models: int) -> Table:
    """A table of one model without the column that names it."""
    if models > 1 or "model" not in table.columns:
        return table
    drop = table.columns.index("model")
    cut = tuple(row[:drop] + row[drop + 1 :] for row in table.rows)
    return Table(table.section, table.title, table.columns[:drop] + table.columns[drop + 1 :], cut, table.words - 1)


def short_name(comparison: Comparison, number: int) -> str:
    """A model in a table: its letter, as in the pictures, and its name."""
    name = comparison.models[number].name
    return f"{letter_of(number)} {name}" if len(comparison.models) > 1 else name


def _figures(comparison: Comparison) -> Table:
    columns = ("accuracy %", "95 %", "macro-F1 %", "95 %", "balanced %", "NLL", "Brier", "ECE-15 %", "95 %")
    rows = [
        (
            split.result.name,
            name,
            f"{split.result.fer2013.n:,}",
            _percent(split.estimates["accuracy"].value),
            _interval(split.estimates["accuracy"]),
            _percent(split.estimates["macro_f1"].value),
            _interval(split.estimates["macro_f1"]),
            _percent(split.estimates["balanced_accuracy"].value),
            f"{split.estimates['nll'].value:.3f}",
            f"{split.estimates['brier'].value:.3f}",
            _percent(split.estimates["ece"].value),
            _interval(split.estimates["ece"]),
            _percent(split.estimates["accuracy_at_70"].value),
        )
        for name, split in (*_by_split(comparison), *_training(comparison))
    ]
    return Table("figures", "Figures", ("split", "model", "n", *columns, "surest 70 % %"), tuple(rows), 2)


def _by_split(comparison: Comparison) -> Iterator[tuple[str, SplitFigures]]:
    for key in comparison.split_keys:
        for number, split in enumerate(comparison.on(key)):
            yield short_name(comparison, number), split


def _training(comparison: Comparison) -> Iterator[tuple[str, SplitFigures]]:
    for number, model in enumerate(comparison.models):
        if model.training is not None:
            yield short_name(comparison, number), model.training


def _pairs(comparison: Comparison) -> Table:
    names = {split.result.key: split.result.name for split in comparison.models[0].splits}
    columns = ("split", "models", "accuracy, points", "95 %", "macro-F1, points", "95 %", "only first right",
               "only second right", "exact p", "mid-p", "mid-p, Holm")  # fmt: skip
    rows = [
        (
            names[pair.split],
            f"{letter_of(pair.first)} - {letter_of(pair.second)}",
            f"{100 * pair.differences['accuracy'].value:+.2f}",
            _interval(pair.differences["accuracy"], sign=True),
            f"{100 * pair.differences['macro_f1'].value:+.2f}",
            _interval(pair.differences["macro_f1"], sign=True),
            f"{pair.test.only_first:,}",
            f"{pair.test.only_second:,}",
            _p(pair.test.exact_p),
            _p(pair.test.mid_p),
            _p(pair.holm_p),
        )
        for pair in comparison.pairs
    ]
    return Table("pairs", "Differences of two models on the same images", columns, tuple(rows), 2)


def _classes(comparison: Comparison) -> list[Table]:
    columns = ("class", "model", "n", "precision %", "recall %", "95 %", "F1 %")
    tables = []
    for key in comparison.split_keys:
        result = comparison.on(key)[0].result
        absent = result.fer2013.absent
        left_out = f" (no image of {', '.join(absent)}: means over classes leave that out)" if absent else ""
        rows = _class_rows(comparison, key)
        tables.append(Table("classes", f"{result.name}, by class{left_out}", columns, rows, 2))
    return tables


def _class_rows(comparison: Comparison, key: str) -> tuple[tuple[str, ...], ...]:
    every = [split.result.fer2013 for split in comparison.on(key)]
    return tuple(
        (label, short_name(comparison, number), *_class_cells(metrics, place))
        for place, label in enumerate(every[0].labels)
        for number, metrics in enumerate(every)
    )


def _class_cells(metrics: Metrics, place: int) -> tuple[str, ...]:
    if metrics.labels[place] in metrics.absent:
        return ("0", "-", "-", "-", "-")
    low, high = metrics.recall_interval[place]
    return (
        f"{sum(metrics.confusion[place]):,}",
        _percent(metrics.precision[place]),
        _percent(metrics.recall[place]),
        f"{100 * low:.1f}-{100 * high:.1f}",
        _percent(metrics.f1[place]),
    )


def _selective(comparison: Comparison) -> Table:
    wanted = f"{100 * comparison.settings.risk:g}"
    columns = ("split", "model", "threshold", "answered %", "wrong among them %", "95 %", "mean risk (AURC) %")
    rows = [
        (
            split.result.name,
            name,
            f"{split.point.threshold:.3f}" if split.point.threshold <= 1 else "none",
            _percent(split.point.coverage),
            _percent(split.point.risk) if split.point.answered else "-",
            f"{100 * split.point.risk_interval[0]:.1f}-{100 * split.point.risk_interval[1]:.1f}",
            _percent(split.curve.area),
        )
        for name, split in _by_split(comparison)
    ]
    title = f"Answers with at most {wanted} % wrong, the threshold chosen on PublicTest"
    return Table("selective", title, columns, tuple(rows), 2)


def _ferplus(comparison: Comparison) -> Table:
    columns = ("split", "model", "n", "accuracy %", "95 %", "macro-F1 %", "NLL", "ECE-15 %")
    lacking = {
        f"{split.result.name} has none of {', '.join(split.result.ferplus.absent)}": None
        for _, split in _by_split(comparison)
        if split.result.ferplus is not None and split.result.ferplus.absent
    }
    left_out = f"; means over classes leave out those without images: {', '.join(lacking)}" if lacking else ""
    rows = [
        (
            split.result.name,
            name,
            f"{split.result.ferplus.n:,}",
            _percent(found["accuracy"].value),
            _interval(found["accuracy"]),
            _percent(found["macro_f1"].value),
            f"{found['nll'].value:.3f}",
            _percent(found["ece"].value),
        )
        for name, split in _by_split(comparison)
        if split.result.ferplus is not None and (found := split.ferplus_estimates) is not None
    ]
    return Table("ferplus", f"FER+ majority labels (8 classes{left_out})", columns, tuple(rows), 2)


def _levels(comparison: Comparison) -> Iterator[tuple[Corruption, int, tuple[Level, ...], bool | None]]:
    """Corruption, model, its levels (clean first) and whether the target is met, corruption by corruption."""
    for place, corruption in enumerate(CORRUPTIONS):
        for number, model in enumerate(comparison.models):
            if model.robustness is not None:
                result = model.robustness.results[place]
                yield corruption, number, result.levels, result.target_met


def _targets(comparison: Comparison) -> Table:
    columns = ("target", "model", "clean %", "accuracy %", "points lost", "95 %", f"at most {MOST_POINTS_LOST:g}")
    rows = []
    for corruption, number, levels, met in _levels(comparison):
        for level in levels:
            if level.strength == corruption.target:
                rows.append(
                    (
                        f"{corruption.title}, {corruption.unit}: {level.strength:g}",
                        short_name(comparison, number),
                        _percent(levels[0].accuracy),
                        _percent(level.accuracy),
                        f"{level.lost_points.value:.2f}",
                        f"{level.lost_points.low:.2f} to {level.lost_points.high:.2f}",
                        "met" if met else "missed",
                    )
                )
    return Table("targets", "Robustness: targets, PublicTest", columns, tuple(rows), 2)


def _strengths(comparison: Comparison) -> Table:
    columns = ("corruption", "unit", "model", "strength: accuracy % (points lost)")
    rows = [
        (
            corruption.title,
            corruption.unit,
            short_name(comparison, number),
            ", ".join(
                f"{level.strength:g}: {100 * level.accuracy:.1f} ({level.lost_points.value:.1f})"
                for level in levels[1:]
            ),
        )
        for corruption, number, levels, _ in _levels(comparison)
    ]
    return Table("robustness", "Robustness: all strengths, PublicTest", columns, tuple(rows), 4)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _interval(estimate: Estimate, *, sign: bool = False) -> str:
    if sign:
        return f"{100 * estimate.low:+.2f} to {100 * estimate.high:+.2f}"
    return f"{100 * estimate.low:.1f}-{100 * estimate.high:.1f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
