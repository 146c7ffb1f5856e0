"""The trace file: its form, and that it tells the run as it was."""

import json
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_live.errors import SinkError
from fer_live.realtime import trace as module
from fer_live.realtime.datatypes import Faces
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, make_frame
from fer_live.realtime.trace import Trace

STAGES = ("read", "detect", "classify", "smooth", "draw", "write")
FACE = Faces(np.array([[20, 10, 60, 50]], np.float32), np.ones(1, np.float32), np.array([[40, 30, 40, 0]], np.float32))


def read(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text("utf-8"))
    assert set(document) == {"displayTimeUnit", "traceEvents"}
    events: list[dict[str, Any]] = document["traceEvents"]
    for event in events:
        assert event["ph"] in ("M", "X", "i", "C") and isinstance(event["name"], str)
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int) and isinstance(event["args"], dict)
        assert event["ph"] == "M" or event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0
        if event["ph"] == "i":
            assert event["s"] == "t"
        if event["ph"] == "C":
            assert all(isinstance(value, int | float) for value in event["args"].values())
    return events


def frames_of(event: dict[str, Any]) -> list[int]:
    args = event["args"]
    return [args["frame"]] if "frame" in args else args["frames"]


def traced(path: Path, count: int, **failing: Any) -> None:
    frames = [make_frame(96, 64, index, index / 25) for index in range(count)]
    with Trace(path) as trace:
        sink = ListSink(needs_pixels=True, **failing)
        detector = FakeDetector(FACE)
        Pipeline(ListSource(frames), detector, FakeClassifier(), [sink], observers=[trace], detect_every=1).run()


def test_every_stage_of_every_frame_is_there_in_order(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("an older one")
    traced(path, 20)
    assert list(tmp_path.iterdir()) == [path]
    events = read(path)
    for frame in range(20):
        mine = {event["name"]: event for event in events if event["ph"] == "X" and frame in frames_of(event)}
        assert set(mine) == set(STAGES)
        for before, after in pairwise(STAGES):
            assert mine[before]["ts"] + mine[before]["dur"] <= mine[after]["ts"] + 0.01
    assert [event["args"]["ms"] for event in events if event["name"] == "age"].__len__() == 20
    assert {event["name"] for event in events if event["ph"] == "C"} >= {"queue: detect", "queue: classify", "age"}


def test_threads_have_names_and_never_do_two_things_at_once(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    traced(path, 20)
    events = read(path)
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert set(names.values()) == {"fer-live read", "fer-live detect", "fer-live classify", "fer-live write"}
    for thread in names:
        work = sorted((event["ts"], event["dur"]) for event in events if event["ph"] == "X" and event["tid"] == thread)
        assert work
        for (begin, lasted), (then, _) in pairwise(work):
            assert begin + lasted <= then + 0.01


def test_drops_are_told(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    frames = [make_frame(96, 64, index, index / 25) for index in range(200)]
    source = ListSource(frames)
    source.info = replace(source.info, is_live=True)
    with Trace(path) as trace:
        summary = Pipeline(source, FakeDetector(), FakeClassifier(), [ListSink()], observers=[trace]).run()
    lost = [event["args"]["frame"] for event in read(path) if event["ph"] == "i"]
    assert len(lost) == summary.dropped and len(set(lost)) == len(lost)


def test_written_where_the_run_fails(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with pytest.raises(RuntimeError, match="boom"):
        traced(path, 20, error=RuntimeError("boom"), error_at=12)
    assert [frame for event in read(path) if event["name"] == "write" for frame in frames_of(event)] == list(range(12))


def test_a_long_run_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 50)
    path = tmp_path / "trace.json"
    with Trace(path) as trace:
        begin_s = time.perf_counter()
        for index in range(200):
            trace.worked("detect", (index,), begin_s + index, begin_s + index + 1)
    assert [frames_of(event)[0] for event in read(path) if event["ph"] == "X"] == list(range(150, 200))


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "trace.json"):
        with pytest.raises(SinkError, match=path.name):
            Trace(path)


def test_an_error_on_its_way_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(RuntimeError, match="boom"), Trace(folder / "trace.json") as trace:
        trace.dropped(0)
        folder.rmdir()
        raise RuntimeError("boom")
    folder.mkdir()
    with pytest.raises(SinkError, match=r"trace\.json"), Trace(folder / "trace.json"):
        folder.rmdir()


def test_a_run_that_never_began_leaves_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("of another day")
    with pytest.raises(RuntimeError, match="before the first frame"), Trace(path):
        raise RuntimeError("before the first frame")
    assert path.read_text() == "of another day" and list(tmp_path.iterdir()) == [path]
