"""An evaluation of a model on FER2013's test splits, and its report: table, JSON, Markdown and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_live.errors import DataError, SinkError

from .data import Fer2013, Usage
from .evaluate import Metrics, calibration_bins, compute_metrics
from .ferplus import ferplus_majority
from .files import make_folder, system_errors_as
from .plots import draw_confusion, draw_reliability
from .predictors import Predictor, mirror_averaged

__all__ = [
    "CLASS_COLUMNS",
    "SPLIT_COLUMNS",
    "Evaluation",
    "SplitResult",
    "class_rows",
    "evaluate",
    "split_rows",
    "write_report",
]

SPLIT_COLUMNS = (
    "split", "n", "accuracy %", "95 %", "macro-F1 %", "balanced %", "NLL", "Brier", "ECE-15 %", "best 70 % %", "FER+ %",
)  # fmt: skip
CLASS_COLUMNS = ("class", "n", "precision %", "recall %", "95 %", "F1 %")


@dataclass(frozen=True, slots=True)
class SplitResult:
    """One split: figures of the FER2013 head, and of the FER+ head on the images with a FER+ majority (or None).

    ``reliability``: (15, 3), see :func:`~fer_live.training.evaluate.calibration_bins`.
    """

    key: str
    name: str
    fer2013: Metrics
    ferplus: Metrics | None
    reliability: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results by split, and how they were made. ``view``: "single view" or "mirror-averaged"."""

    splits: tuple[SplitResult, ...]
    view: str
    runtime: str


def evaluate(predict: Predictor, dataset: Fer2013, *, with_private: bool, mirror: bool) -> Evaluation:
    """Evaluate a model on PublicTest and, if wanted, on PrivateTest, standard and dedup.

    Raises:
        DataError: the data set has no image of a split.
    """
    wanted = [("public", "PublicTest", dataset.rows(Usage.PublicTest))]
    if with_private:
        wanted += [
            ("private", "PrivateTest (standard)", dataset.rows(Usage.PrivateTest)),
            ("private_dedup", "PrivateTest (dedup)", dataset.dedup_private_rows()),
        ]
    for _, name, rows in wanted:
        if not len(rows):
            raise DataError(f"the data set has no image of {name}; the official fer2013.csv has")
    rows = np.unique(np.concatenate([rows for _, _, rows in wanted]))
    images = dataset.images[rows]
    heads = mirror_averaged(predict, images) if mirror else predict(images)
    results = [
        _result(key, name, dataset, of, [head[np.searchsorted(rows, of)] for head in heads], predict)
        for key, name, of in wanted
    ]
    return Evaluation(tuple(results), "mirror-averaged" if mirror else "single view", predict.runtime)


def _result(
    key: str,
    name: str,
    dataset: Fer2013,
    rows: NDArray[np.int64],
    heads: Sequence[NDArray[np.float32]],
    predict: Predictor,
) -> SplitResult:
    truth = dataset.expression[rows]
    ferplus = None
    names = [head.name for head in predict.contract.heads]
    if "ferplus" in names:
        number = names.index("ferplus")
        majority = ferplus_majority(dataset.votes[rows])
        if (majority >= 0).any():
            labels = predict.contract.heads[number].labels
            ferplus = compute_metrics(heads[number][majority >= 0], majority[majority >= 0], labels)
    figures = compute_metrics(heads[0], truth, predict.contract.labels)
    return SplitResult(key, name, figures, ferplus, calibration_bins(heads[0], truth))


def split_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Cells of :data:`SPLIT_COLUMNS`, a row a split."""
    return [
        (
            split.name,
            f"{split.fer2013.n:,}",
            _percent(split.fer2013.accuracy),
            _interval(split.fer2013.accuracy_interval),
            _percent(split.fer2013.macro_f1),
            _percent(split.fer2013.balanced_accuracy),
            f"{split.fer2013.nll:.3f}",
            f"{split.fer2013.brier:.3f}",
            _percent(split.fer2013.ece),
            _percent(split.fer2013.accuracy_at_70),
            f"{_percent(split.ferplus.accuracy)} (n {split.ferplus.n:,})" if split.ferplus else "-",
        )
        for split in evaluation.splits
    ]


def class_rows(metrics: Metrics) -> list[tuple[str, ...]]:
    """Cells of :data:`CLASS_COLUMNS`, a row a class."""
    counts = [sum(row) for row in metrics.confusion]
    columns = (metrics.labels, counts, metrics.precision, metrics.recall, metrics.recall_interval, metrics.f1)
    return [
        (label, f"{n:,}", _percent(precision), _percent(recall), _interval(interval), _percent(f1))
        for label, n, precision, recall, interval, f1 in zip(*columns, strict=True)
    ]


def write_report(folder: Path, evaluation: Evaluation, about: Mapping[str, Any]) -> None:
    """Write ``metrics.json``, ``report.md``, and a confusion matrix and a reliability diagram for each split.

    Args:
        folder: made if need be.
        evaluation: the figures.
        about: model, data, versions, date and hardware, JSON values.

    Raises:
        SinkError: the folder can't be made or written to.
    """
    make_folder(folder)
    figures = {
        split.key: {
            "name": split.name,
            "fer2013": asdict(split.fer2013),
            "ferplus_majority": asdict(split.ferplus) if split.ferplus else None,
            "reliability_bins": split.reliability.tolist(),
        }
        for split in evaluation.splits
    }
    value = {**about, "view": evaluation.view, "runtime": evaluation.runtime, "splits": figures}
    with system_errors_as(SinkError, folder):
        (folder / "metrics.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(_markdown(evaluation, about), encoding="utf-8")
        for split in evaluation.splits:
            title = f"{split.name}, {evaluation.view}"
            draw_confusion(folder / f"confusion_{split.key}.png", title, split.fer2013)
            draw_reliability(folder / f"reliability_{split.key}.png", title, split.reliability, split.fer2013.ece)


def _markdown(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    lines = [
        f"FER2013, {evaluation.view}; {evaluation.runtime}. Intervals are 95 % Wilson intervals; ECE with 15 bins; the "
        "last column is the second head's accuracy on FER+ majority labels (8 classes).",
        "",
        *_markdown_table(SPLIT_COLUMNS, split_rows(evaluation)),
    ]
    for split in evaluation.splits:
        lines += ["", f"{split.name}, by class:", "", *_markdown_table(CLASS_COLUMNS, class_rows(split.fer2013))]
    lines.append("")
    for name, value in about.items():
        flat = value if isinstance(value, Mapping) else {"": value}
        parts = (f"{key} {part}".strip() for key, part in flat.items() if isinstance(part, str | int | float))
        lines.append(f"- {name}: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}"
