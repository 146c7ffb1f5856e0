"""Rows about groups tell nothing of a single face."""

import json
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.cli import command
from fer_live.realtime.data.options import DataOptions, Groups
from fer_live.realtime.data.outputs import DataOutputs
from fer_live.realtime.data.rows import GroupRows
from fer_live.realtime.datatypes import Doubt, SourceInfo
from fer_live.realtime.run_options import RunOptions

Face = tuple[str, Doubt | None]
face = st.tuples(st.sampled_from(FER2013_LABELS), st.sampled_from([None, *Doubt]))


def rows(seen, frames: list[list[Face]], groups: Groups, fps: float = 10) -> list[dict]:
    maker = GroupRows(FER2013_LABELS, groups)
    names = [column.name for column in maker.columns]
    made = []
    for index, faces in enumerate(frames):
        result = seen(index / fps, index, {track: (label, 0.9, doubt) for track, (label, doubt) in enumerate(faces)})
        made += maker.of(result, 11.0)
    return [dict(zip(names, row, strict=True)) for row in [*made, *maker.rest()]]


def test_a_bin_in_figures(seen) -> None:
    three: list[Face] = [("happy", None), ("happy", None), ("sad", Doubt.BLURRED)]
    four: list[Face] = [*three, ("neutral", None)]
    first, second = rows(seen, [three] * 5 + [four] * 4 + [[("fear", None)]] + [three[:2]] * 3, Groups(1.0, 3))
    assert (first["time_s"], first["end_s"], first["frames"], first["group_frames"]) == (0.0, 1.0, 10, 9)
    assert (first["faces_mean"], first["faces_max"], first["suppressed"]) == (round(31 / 9, 2), 4, False)
    assert first["share_happy"] == round(18 / 31, 2) and first["share_uncertain"] == round(9 / 31, 2)
    assert first["share_fear"] == 0  # of the one face that was alone
    assert second["suppressed"] and (second["frames"], second["group_frames"], second["time_s"]) == (3, 0, 1.0)
    assert {name for name, value in second.items() if value is None} >= {"faces_mean", "faces_max", "share_happy"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(face, max_size=6), max_size=40), st.integers(1, 5), st.sampled_from([0.1, 0.5, 1.0, 7.0]))
def test_nothing_is_told_of_too_few(seen, frames: list[list[Face]], least: int, bin_s: float) -> None:
    """Whatever fewer faces than enough show, the rows are the same."""
    groups = Groups(bin_s, least)
    made = rows(seen, frames, groups)
    others = [faces if len(faces) >= least else [("angry", None)] * (least - 1) for faces in frames]
    assert rows(seen, others, groups) == made
    assert sum(row["frames"] for row in made) == len(frames)
    for row in made:
        shares = [value for name, value in row.items() if name.startswith("share_")]
        assert len(shares) == len(FER2013_LABELS) + 1
        if row["suppressed"]:
            assert shares == [None] * len(shares) and row["faces_mean"] is None and row["group_frames"] == 0
        else:
            assert sum(shares) == pytest.approx(1, abs=0.05) and row["faces_mean"] >= least
    begins = [row["time_s"] for row in made]
    assert begins == sorted(set(begins))


def test_time_that_jumps(seen) -> None:
    maker = GroupRows(FER2013_LABELS, Groups(1.0, 1))
    times = [0.0, 0.5, 5.2, 5.1, 2.0, 6.0]
    made = [row for index, time_s in enumerate(times) for row in maker.of(seen(time_s, index, {}), 11.0)]
    assert [(row[0], row[2]) for row in [*made, *maker.rest()]] == [(0.0, 2), (5.0, 3), (6.0, 1)]
    assert maker.rest() == []


def test_the_manifest_says_it_and_nothing_of_expressions(seen, tmp_path: Path) -> None:
    options = DataOptions((tmp_path / "a.csv", tmp_path / "a.parquet"), groups=Groups(0.4, 2))
    info = SourceInfo("clip.mp4", (96, 64), None, None, is_live=False)
    with DataOutputs(options, FER2013_LABELS, info, None, {}) as outputs:
        for index in range(10):
            for sink in outputs.sinks:
                sink.write(seen(index / 10, index, {1: ("happy", 0.9, None)}))
        for sink in outputs.sinks:
            sink.finish()
        outputs.end(interrupted=False)
    manifest = json.loads((tmp_path / "a.csv.manifest.json").read_text())
    assert manifest["aggregate_only"] == {"bin_s": 0.4, "min_group": 2}
    assert manifest["counts"]["faces"] == 10
    assert not {"faces_uncertain", "share_uncertain", "faces_classified"} & set(manifest["counts"])
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 4 and lines[1] == "0.0,0.4,4,0,true" + "," * (2 + len(FER2013_LABELS) + 1)


def options_of(*arguments: str) -> RunOptions:
    return RunOptions.taken_from(
        {
            name: value
            for name, value in command.make_context("fer-live", list(arguments)).params.items()
            if name not in ("window", "debug")
        }
    )


def test_what_goes_together() -> None:
    asked = ["--video", "x.mp4", "--save", "a.csv"]
    assert options_of(*asked).data.groups is None
    assert options_of(*asked, "--aggregate-only").data.groups == Groups(1.0, 3)
    assert options_of(*asked, "--aggregate-only", "--bin", "5", "--min-group", "4").data.groups == Groups(5.0, 4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--save", "a.csv", "--aggregate-only", "--events", "a.vtt"], "--events tells of single faces"),
        (["--out", "a.mp4", "--aggregate-only"], "needs --save"),
        (["--save", "a.csv", "--bin", "2"], "--bin goes with --aggregate-only"),
        (["--save", "a.csv", "--min-group", "2"], "--min-group goes with"),
        (["--save", "a.csv", "--aggregate-only", "--bin", "0"], "not in the range"),
        (["--save", "a.csv", "--aggregate-only", "--min-group", "0"], "not in the range"),
    ],
)
def test_what_does_not(arguments: list[str], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        options_of("--video", "x.mp4", *arguments)
