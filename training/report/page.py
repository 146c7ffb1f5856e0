"""One self-contained HTML page of a comparison: pictures are SVG within it, nothing is fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fer_live.training.evaluation.compare import Comparison
from fer_live.training.evaluation.corruptions import CORRUPTIONS, MOST_POINTS_LOST, corrupt

from .charts import Chart, panel_svgs
from .drawn_face import drawn_face
from .plots import letter_of, model_colour
from .tables import Table

__all__ = ["render_html"]

_TITLES = {
    "figures": "Figures",
    "pairs": "Which is better?",
    "classes": "By class",
    "confusion": "What is taken for what",
    "reliability": "Does confidence mean what it says?",
    "selective": "Answering only when sure",
    "ferplus": "FER+ labels",
    "robustness": "Robustness",
}


@dataclass(frozen=True, slots=True)
class _Picture:
    """A chart in the page. ``panels``: SVG, data URI of an example or "", its caption. ``folded``: closed at first."""

    title: str
    panels: list[tuple[Markup, str, str]]
    folded: bool


@dataclass(frozen=True, slots=True)
class _Section:
    key: str
    title: str
    tables: list[Table]
    pictures: list[_Picture]


def render_html(comparison: Comparison, tables: Sequence[Table], charts: Sequence[Chart]) -> str:
    """The page, with what stands in ``tables`` and ``charts`` under the sections they name."""
    # StrictUndefined: a figure that the template misspells is an error, not a blank.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = (resources.files(__package__) / "assets" / "report.html.j2").read_text(encoding="utf-8")
    sections = [
        _Section(
            key,
            title,
            [table for table in tables if table.section == key],
            [_picture(chart, comparison.split_keys) for chart in charts if chart.section == key],
        )
        for key, title in _TITLES.items()
    ]
    return environment.from_string(source).render(
        comparison=comparison,
        settings=comparison.settings,
        models=[(letter_of(n), model_colour(n), model) for n, model in enumerate(comparison.models)],
        sections=[section for section in sections if section.tables or section.pictures],
        most_points=MOST_POINTS_LOST,
        robustness=comparison.models[0].robustness,
    )


def _picture(chart: Chart, splits: Sequence[str]) -> _Picture:
    """A chart; where there is one for each split, that of PrivateTest stands open, or else PublicTest's."""
    shown = splits[1] if len(splits) > 1 else splits[0]
    of_split = [key for key in splits if chart.key.endswith(f"_{key}")]
    examples = [_example(number) for number in range(len(CORRUPTIONS))] if chart.section == "robustness" else []
    panels = [
        (Markup(svg), *(examples[number] if examples else ("", ""))) for number, svg in enumerate(panel_svgs(chart))
    ]
    return _Picture(chart.title, panels, bool(of_split) and not chart.key.endswith(f"_{shown}"))


def _example(number: int) -> tuple[str, str]:
    """A drawn face at each strength of a corruption, as a data URI, and what the reader sees there."""
    corruption = CORRUPTIONS[number]
    face = drawn_face()[None]
    strip: list[Any] = [corrupt(corruption, face, value)[0] for value in (corruption.clean, *corruption.strengths)]
    _, coded = cv2.imencode(".png", np.concatenate([np.pad(image, 1, constant_values=255) for image in strip], axis=1))
    return "data:image/png;base64," + base64.b64encode(coded.tobytes()).decode(), corruption.about
