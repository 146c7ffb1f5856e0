from dataclasses import replace
from pathlib import Path

import numpy as np

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.data.options import MIN_GROUP
from fer_live.realtime.data.schema import as_markdown, columns_for, group_columns_for, rows_of
from fer_live.realtime.datatypes import Doubt

KINDS = {"integer": int, "number": float, "text": str, "truth": bool}


def test_a_row_has_a_value_of_its_kind_in_every_column(seen) -> None:
    columns = columns_for(FER2013_LABELS)
    assert len({column.name for column in columns}) == len(columns)
    result = seen(1.25, 30, {1: ("happy", 0.9, None), 7: ("sad", 0.4, Doubt.BLURRED)})
    rows = rows_of(result, now_s=10.5)
    assert len(rows) == 2
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            assert type(value) is KINDS[column.kind] or (value is None and column.may_be_empty), column
    first, second = (dict(zip([column.name for column in columns], row, strict=True)) for row in rows)
    assert (first["time_s"], first["frame"], first["track"], second["track"]) == (1.25, 30, 1, 7)
    assert (first["shown_label"], first["uncertain"], first["uncertain_why"]) == ("happy", False, None)
    assert (second["shown_label"], second["uncertain"], second["uncertain_why"]) == ("sad", True, "blurred")
    assert first["smoothed_happy"] == 0.9 and first["latency_ms"] == 500.0
    assert first["raw_label"] == max(FER2013_LABELS, key=lambda label: first[f"raw_{label}"])
    assert [second[f"{side}_px"] for side in ("left", "top", "right", "bottom")] == [
        round(float(value), 2) for value in result.faces.xyxy[1]
    ]


def test_no_faces_no_rows(seen) -> None:
    assert rows_of(seen(0.0, 0, {}), 11.0) == []


def test_numbers_that_json_does_not_know_are_left_empty(seen) -> None:
    result = seen(0.0, 0, {1: ("happy", 0.9, None)})
    faces = replace(result.faces, score=np.array([np.nan], np.float32))
    names = [column.name for column in columns_for(FER2013_LABELS)]
    row = dict(zip(names, rows_of(replace(result, faces=faces), 11.0)[0], strict=True))
    assert row["detector_score"] is None and row["left_px"] is not None


def test_the_documented_tables_are_the_schema() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "data.md").read_text("utf-8")
    assert as_markdown(columns_for(FER2013_LABELS)) in documented
    known = len(columns_for(FER2013_LABELS))
    for more in ({"compared": True}, {"calibrated": True}):
        assert as_markdown(columns_for(FER2013_LABELS, **more)[known:]) in documented
    assert as_markdown(group_columns_for(FER2013_LABELS, MIN_GROUP)) in documented
