"""Two models that read the same faces."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_live.bundled import MODEL, asset_path
from fer_live.contract import FER2013_LABELS
from fer_live.realtime.cli import command
from fer_live.realtime.data.comparison import Comparison
from fer_live.realtime.data.schema import NO_CHANGE, columns_for
from fer_live.realtime.datatypes import Expressions, Predictions, Result
from fer_live.realtime.testing.fakes import make_frame, make_result

CLIP = Path(__file__).parents[3] / "samples" / "astronaut.mp4"


def test_each_answer_counts_once_and_pairs_are_told() -> None:
    comparison = Comparison(FER2013_LABELS, "other.onnx", "00")
    assert comparison.line() == "nothing to compare with other.onnx"
    comparison.write(make_result(make_frame(64, 48)))
    assert comparison.agreement is None
    rng, said = np.random.default_rng(1), []
    for _ in range(30):
        n = int(rng.integers(0, 4))
        pair = [Expressions.of(Predictions(rng.dirichlet(np.ones(7), n).astype(np.float32), FER2013_LABELS))] * 1
        pair.append(Expressions.of(Predictions(rng.dirichlet(np.ones(7), n).astype(np.float32), FER2013_LABELS)))
        fresh = rng.random(n) < 0.5
        pair = [Expressions(e.raw, e.smoothed, e.shown, e.doubts, fresh) for e in pair]
        said += [tuple(FER2013_LABELS[e.shown[row]] for e in pair) for row in np.flatnonzero(fresh)]
        faces = make_result(make_frame(64, 48)).faces
        faces = type(faces)(np.zeros((n, 4), np.float32), np.zeros(n, np.float32), np.zeros((n, 4), np.float32))
        result = Result(make_frame(64, 48), faces, np.arange(n), pair[0], {}, other=pair[1])
        comparison.write(result)
    counted = Counter(said)
    same = sum(count for (one, other), count in counted.items() if one == other)
    document = comparison.as_document()
    assert (document["answers"], document["agreement"]) == (len(said), round(same / len(said), 4))
    pairs = {(entry["label"], entry["other_label"]): entry["answers"] for entry in document["disagreements"]}
    assert pairs == {pair: count for pair, count in counted.items() if pair[0] != pair[1]}
    assert list(pairs.values()) == sorted(pairs.values(), reverse=True)
    assert f"of {len(said)} answers" in comparison.line()


def test_a_real_clip_is_read_by_both_and_disagreements_can_be_found(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    arguments = ["--video", str(CLIP), "--save", str(table), "--compare", str(asset_path(MODEL)), "--calibrate", "2"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == [each.name for each in columns_for(FER2013_LABELS, compared=True, calibrated=True)]
    fresh = [row for row in rows if row["fresh"] == "true"]
    agree = [row["raw_label"] == row["other_label"] for row in fresh]
    comparison = json.loads((tmp_path / "rows.csv.manifest.json").read_text())["comparison"]
    assert comparison["answers"] == len(fresh) > 10
    assert comparison["agreement"] == round(sum(agree) / len(agree), 4)
    assert f"agrees on {100 * sum(agree) / len(agree):.1f} % of" in done.output
    for row in fresh:
        others = [float(row[f"other_p_{label}"]) for label in FER2013_LABELS]
        assert FER2013_LABELS[int(np.argmax(others))] == row["other_label"] and abs(sum(others) - 1) < 1e-4
        # int8 and float32 of the same network
        assert max(abs(p - float(row[f"raw_{label}"])) for p, label in zip(others, FER2013_LABELS, strict=True)) < 0.2
    # The neutral is known after two seconds, and not before.
    for row in rows:
        learned = float(row["time_s"]) >= 2.0 - 1e-6
        assert (row["change_label"] != "") == learned
        assert (row["change_happy"] != "") == learned
        assert row["change_label"] in ("", NO_CHANGE, *FER2013_LABELS)


def test_without_the_options_nothing_is_added(tmp_path: Path) -> None:
    table = tmp_path / "rows.jsonl"
    done = CliRunner().invoke(command, ["--video", str(CLIP), "--save", str(table)], catch_exceptions=False)
    row = json.loads(table.read_text().splitlines()[0])
    assert list(row) == [each.name for each in columns_for(FER2013_LABELS)]
    assert "agree" not in done.output
    assert json.loads((tmp_path / "rows.jsonl.manifest.json").read_text())["comparison"] is None


@pytest.mark.parametrize("file", ["missing.onnx", "checkpoint.pt"])
def test_what_cannot_be_compared_is_told_before_anything_is_written(file: str, tmp_path: Path) -> None:
    from fer_live.errors import ModelError

    (tmp_path / "checkpoint.pt").write_bytes(b"")
    arguments = ["--video", str(CLIP), "--save", str(tmp_path / "rows.csv"), "--compare", str(tmp_path / file)]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, ModelError) and file in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_calibration_and_groups_do_not_go_together(tmp_path: Path) -> None:
    arguments = ["--video", str(CLIP), "--save", str(tmp_path / "rows.csv"), "--aggregate-only", "--calibrate", "5"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2 and "leave it out with --aggregate-only" in done.output
