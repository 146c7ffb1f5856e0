"""The columns of rows, the one place that says what they mean: headers, types and docs/data.md are made from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Doubt, Result

__all__ = ["NO_CHANGE", "Column", "Row", "Value", "as_markdown", "columns_for", "group_columns_for", "rows_of"]

Kind = Literal["integer", "number", "text", "truth"]
Value = int | float | str | bool | None
Row = tuple[Value, ...]

_TIME_DIGITS, _PIXEL_DIGITS, _SHARE_DIGITS, _MS_DIGITS, _NAT_DIGITS = 6, 2, 6, 3, 4
"""Decimals that are kept: of a microsecond, a hundredth of a pixel; float32 probabilities have no more."""


NO_CHANGE = "none"
"""In ``change_label``."""


@dataclass(frozen=True, slots=True)
class Column:
    """``unit``: of its numbers, "" where there is none. ``may_be_empty``: whether a row may have no value in it."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    may_be_empty: bool = False


def columns_for(labels: Sequence[str], *, compared: bool = False, calibrated: bool = False) -> tuple[Column, ...]:
    """The columns of a row about a face on a frame, in order, for a model with these labels.

    Args:
        labels: the model's.
        compared: with those of another model.
        calibrated: with those of the change from the face's neutral.
    """
    doubts = ", ".join(f'"{doubt}"' for doubt in Doubt)
    return (
        Column("time_s", "number", "s", "when the frame is shown, by the container; live, since the first frame"),
        Column("frame", "integer", "", "the frame's index, from 0; missing ones were dropped, or passed while paused"),
        Column("track", "integer", "", "the same number for the same face across frames"),
        Column("left_px", "number", "px", "left edge of the face's box in the video as displayed; may lie outside"),
        Column("top_px", "number", "px", "top edge; 0 is the top of the frame"),
        Column("right_px", "number", "px", "right edge"),
        Column("bottom_px", "number", "px", "bottom edge"),
        Column("detector_score", "number", "0..1", "how sure the detector was when it last saw the face"),
        *(Column(f"raw_{each}", "number", "0..1", f'probability of "{each}", newest answer') for each in labels),
        *(Column(f"smoothed_{each}", "number", "0..1", f'probability of "{each}", smoothed') for each in labels),
        Column("raw_label", "text", "", "the most probable label of the model's newest answer"),
        Column("shown_label", "text", "", "the label shown on the face in the video, smoothed over time"),
        Column("uncertain", "truth", "", "whether the face is marked uncertain; do not rely on shown_label then"),
        Column("uncertain_why", "text", "", f"the first reason that applies: {doubts}", may_be_empty=True),
        Column("fresh", "truth", "", "whether the model classified the face on this very frame"),
        Column(
            "latency_ms", "number", "ms", "from the source's delivery of the frame to this row; differs from run to run"
        ),
        *(_other_columns(labels) if compared else ()),
        *(_change_columns(labels) if calibrated else ()),
    )


def _other_columns(labels: Sequence[str]) -> tuple[Column, ...]:
    return (
        *(Column(f"other_p_{each}", "number", "0..1", f"raw_{each} of the other model") for each in labels),
        Column("other_label", "text", "", "raw_label of the other model"),
        Column("other_shown_label", "text", "", "shown_label of the other model"),
    )


def _change_columns(labels: Sequence[str]) -> tuple[Column, ...]:
    nats = "change from the face's neutral, log-ratio"
    told = f'the label that gained enough to be shown, else "{NO_CHANGE}"; empty while the neutral is learned'
    return (
        *(Column(f"change_{each}", "number", "nats", f'"{each}": {nats}', may_be_empty=True) for each in labels),
        Column("change_label", "text", "", told, may_be_empty=True),
    )


def group_columns_for(labels: Sequence[str], min_group: int) -> tuple[Column, ...]:
    """The columns of a row about a group in a stretch of time, a bin, in order.

    Args:
        labels: the model's.
        min_group: how many faces at least must be in sight at once on a frame that counts.
    """
    counted = f"on frames with at least {min_group} faces"
    shares = (
        Column(f"share_{each}", "number", "0..1", f'share of faces with "{each}", not uncertain', True)
        for each in labels
    )
    return (
        Column("time_s", "number", "s", "start of the bin"),
        Column("end_s", "number", "s", "end of the bin, where the next one starts"),
        Column("frames", "integer", "", "frames analysed in it"),
        Column(
            "group_frames", "integer", "", f"those with at least {min_group} faces, on which the columns below rest"
        ),
        Column("suppressed", "truth", "", "whether there were none, so that nothing is reported"),
        Column("faces_mean", "number", "", f"mean number of faces in sight {counted}", may_be_empty=True),
        Column("faces_max", "integer", "", f"largest number of faces in sight {counted}", may_be_empty=True),
        *shares,
        Column("share_uncertain", "number", "0..1", "share of faces marked uncertain; all shares add up to 1", True),
    )


def rows_of(result: Result, now_s: float) -> list[Row]:
    """A row a face of ``result``, values in the order of :func:`columns_for`; no number is infinite or NaN.

    What another model says and what has changed are there where the result has it.

    Args:
        result: what was found in a frame.
        now_s: the present, by ``time.perf_counter``.
    """
    if not len(result.faces):
        return []
    said = result.expressions
    labels = said.raw.labels
    frame = (_rounded(result.frame.time_s, _TIME_DIGITS), result.frame.index)
    latency_ms = _rounded(1e3 * (now_s - result.grabbed_s), _MS_DIGITS)
    columns = zip(
        result.track_ids.tolist(),
        _lists(result.faces.xyxy, _PIXEL_DIGITS),
        _lists(result.faces.score[:, None], _SHARE_DIGITS),
        _lists(said.raw.probabilities, _SHARE_DIGITS),
        _lists(said.smoothed.probabilities, _SHARE_DIGITS),
        said.raw.probabilities.argmax(axis=1).tolist(),
        said.shown.tolist(),
        said.doubts,
        said.fresh.tolist(),
        _others(result),
        _changes(result),
        strict=True,
    )
    return [
        (
            *frame,
            track,
            *box,
            *score,
            *raw,
            *smoothed,
            labels[likeliest],
            labels[shown],
            doubt is not None,
            None if doubt is None else str(doubt),
            fresh,
            latency_ms,
            *others,
            *changes,
        )
        for track, box, score, raw, smoothed, likeliest, shown, doubt, fresh, others, changes in columns
    ]


def _others(result: Result) -> Sequence[Row]:
    other = result.other
    if other is None:
        return [()] * len(result.faces)
    labels, raw = other.raw.labels, other.raw.probabilities
    columns = zip(_lists(raw, _SHARE_DIGITS), raw.argmax(axis=1).tolist(), other.shown.tolist(), strict=True)
    return [(*row, labels[likeliest], labels[shown]) for row, likeliest, shown in columns]


def _changes(result: Result) -> Sequence[Row]:
    changes, labels = result.changes, result.expressions.raw.labels
    if changes is None:
        return [()] * len(result.faces)
    columns = zip(_lists(changes.nats, _NAT_DIGITS), changes.shown.tolist(), changes.left_s.tolist(), strict=True)
    return [
        (*nats, None if left_s > 0 else labels[shown] if shown >= 0 else NO_CHANGE) for nats, shown, left_s in columns
    ]


def as_markdown(columns: Sequence[Column]) -> str:
    """The columns as a table for the documentation."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in columns:
        kind = column.kind + (", may be empty" if column.may_be_empty else "")
        lines.append(f"| `{column.name}` | {kind} | {column.unit} | {column.meaning} |")
    return "\n".join(lines)


def _lists(values: NDArray[np.float32], digits: int) -> list[list[float | None]]:
    lists: list[list[float | None]] = np.round(values.astype(np.float64), digits).tolist()
    if np.isfinite(values).all():
        return lists
    return [[value if value is not None and math.isfinite(value) else None for value in row] for row in lists]


def _rounded(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
