"""The report of a comparison: report.json, report.md, report.html and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_live.errors import SinkError
from fer_live.files import make_folder, replacing, system_errors_as
from fer_live.training.evaluation.compare import Comparison, ModelResult, SplitFigures
from fer_live.training.evaluation.corruptions import CORRUPTIONS

from .charts import write_png
from .page import render_html
from .plots import charts_of, letter_of
from .tables import Table, tables_of

__all__ = ["figures_of", "write_report"]


def write_report(folder: Path, comparison: Comparison) -> None:
    """Write ``report.json`` (every figure), ``report.md``, ``report.html`` (one file, no outside reference) and PNGs.

    Raises:
        SinkError: the folder can't be made or written to.
    """
    make_folder(folder)
    charts, tables = charts_of(comparison), tables_of(comparison)
    names = [model.name for model in comparison.models]
    footer = "\n".join(f"{letter_of(number)}  {name}" for number, name in enumerate(names)) if len(names) > 1 else ""
    with system_errors_as(SinkError, folder):
        figures = json.dumps(figures_of(comparison), indent=1, allow_nan=False)
        _write(folder / "report.json", figures + "\n")
        _write(folder / "report.md", _markdown(comparison, tables))
        _write(folder / "report.html", render_html(comparison, tables, charts))
        for chart in charts:
            write_png(folder, chart, footer)


def figures_of(comparison: Comparison) -> dict[str, Any]:
    """Every figure of a comparison as JSON values: shares 0..1, losses of robustness in points."""
    return {
        **comparison.about,
        "settings": asdict(comparison.settings),
        "view": comparison.models[0].evaluation.view,
        "models": [_model(model) for model in comparison.models],
        "pairs": [
            {
                "first": comparison.models[pair.first].name,
                "second": comparison.models[pair.second].name,
                "split": pair.split,
                "differences": {name: asdict(estimate) for name, estimate in pair.differences.items()},
                "mcnemar": {**asdict(pair.test), "holm_p": pair.holm_p},
            }
            for pair in comparison.pairs
        ],
    }


def _model(model: ModelResult) -> dict[str, Any]:
    robustness = None
    if model.robustness is not None:
        robustness = asdict(model.robustness)
        for corruption, result in zip(CORRUPTIONS, robustness["results"], strict=True):
            result.update(title=corruption.title, unit=corruption.unit, target=corruption.target)
    return {
        "name": model.name,
        **model.about,
        "runtime": model.evaluation.runtime,
        "splits": {figures.result.key: _split(figures) for figures in model.splits},
        "training": _split(model.training) if model.training is not None else None,
        "robustness": robustness,
    }


def _split(figures: SplitFigures) -> dict[str, Any]:
    result, ferplus = figures.result, figures.ferplus_estimates
    return {
        "name": result.name,
        "fer2013": asdict(result.fer2013),
        "intervals": {name: asdict(estimate) for name, estimate in figures.estimates.items()},
        "ferplus_majority": asdict(result.ferplus) if result.ferplus else None,
        "ferplus_intervals": {name: asdict(value) for name, value in ferplus.items()} if ferplus else None,
        "reliability_bins": result.reliability.tolist(),
        "risk_coverage": {
            "area": figures.curve.area,
            **_thinned(figures.curve.coverage, risk=figures.curve.risk, threshold=figures.curve.threshold),
        },
        "operating_point": asdict(figures.point),
    }


def _thinned(coverage: NDArray[np.float64], **others: NDArray[np.float64]) -> dict[str, list[float]]:
    """A curve at every hundredth of coverage, or at all its points where they are fewer."""
    picked = np.unique(np.clip(np.searchsorted(coverage, np.linspace(0.01, 1, 100)), 0, len(coverage) - 1))
    return {"coverage": coverage[picked].tolist(), **{name: values[picked].tolist() for name, values in others.items()}}


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _markdown(comparison: Comparison, tables: Sequence[Table]) -> str:
    lines = ["# Evaluation", "", *markdown_figures(comparison, tables), ""]
    for model in comparison.models:
        lines.append(f"- model: {model.name}, {_flat(model.about)}")
    for name, value in comparison.about.items():
        lines.append(f"- {name}: {_flat(value)}")
    return "\n".join(lines) + "\n"


def markdown_figures(comparison: Comparison, tables: Sequence[Table]) -> list[str]:
    """Lines of Markdown: how it was measured, and the tables."""
    models, settings = comparison.models, comparison.settings
    lines = [
        f"FER2013, {models[0].evaluation.view}; {'; '.join(dict.fromkeys(m.evaluation.runtime for m in models))}. "
        f"Intervals are 95 %: by {settings.resamples:,} bootstrap resamples (seed {settings.seed}), of recalls and "
        "risks Wilson's. ECE with 15 equal bins of confidence.",
    ]
    for table in tables:
        lines += ["", f"{table.title}:", "", *_markdown_table(table)]
    return lines


def _markdown_table(table: Table) -> list[str]:
    rules = ["---" if number < table.words else "---:" for number in range(len(table.columns))]
    return [f"| {' | '.join(row)} |" for row in (table.columns, rules, *table.rows)]


def _flat(value: Any) -> str:
    """The plain values of a mapping as words; of anything else the value itself."""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} {part}" for key, part in value.items() if isinstance(part, str | int | float))
