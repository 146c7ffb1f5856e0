"""``--save`` and ``--events`` as a user gives them, each run a process of its own."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet
import pympi
import pytest
import webvtt

from fer_live import __version__
from fer_live.bundled import MODEL_INT8, SHA256
from fer_live.realtime.testing.clips import repeat_clip
from fer_live.realtime.testing.fakes import make_clip

PROGRAM = Path(sys.executable).with_name("fer-live")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT | variables,
        check=False,
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def manifest_of(path: Path) -> dict:
    return json.loads(path.with_name(f"{path.name}.manifest.json").read_text())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, frames=20, size_wh=(160, 120), fps=25)
    return path


@pytest.mark.data
def test_a_real_clip_in_every_format(shared_media: Callable[[str], Path], tmp_path: Path) -> None:
    clip, again = shared_media("neutral_to_smile_360p.mp4"), tmp_path / "again.csv"
    names = ["faces.csv", "faces.jsonl", "faces.parquet"], ["e.vtt", "e.srt", "e.eaf", "e.csv"]
    saves = [each for name in names[0] for each in ("--save", tmp_path / name)]
    events = [each for name in names[1] for each in ("--events", tmp_path / name)]
    done = run("--video", clip, "--device", "cpu", *saves, *events)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.startswith("72 frames, 72 faces in 1 tracks") and "faces.csv" in done.stdout
    files = [tmp_path / name for name in names[0] + names[1]]
    assert sorted(tmp_path.iterdir()) == sorted(
        files + [path.with_name(f"{path.name}.manifest.json") for path in files]
    )

    rows = rows_of(tmp_path / "faces.csv")
    lines = [json.loads(line) for line in (tmp_path / "faces.jsonl").read_text().splitlines()]
    table = pyarrow.parquet.read_table(tmp_path / "faces.parquet").to_pylist()
    assert len(rows) == len(lines) == len(table) == 72
    for row, line, entry in zip(rows, lines, table, strict=True):
        for each in (row, line, entry):
            each.pop("latency_ms")
        assert line == entry
        assert {name: "" if value is None else json.dumps(value).strip('"') for name, value in line.items()} == row
    assert [entry["frame"] for entry in table] == list(range(72))
    assert table[0]["shown_label"] == "neutral" and table[-1]["shown_label"] == "happy"

    (caption,) = webvtt.read(tmp_path / "e.vtt")
    ((onset, offset, label),) = pympi.Eaf(str(tmp_path / "e.eaf")).get_annotation_data_for_tier("face 1")
    (event,) = rows_of(tmp_path / "e.csv")
    assert label == event["Behavior"] == "happy" and "happy" in caption.text
    first = next(entry for entry in table if entry["shown_label"] == "happy")
    assert onset / 1000 == pytest.approx(first["time_s"], abs=1e-3) == float(event["Start (s)"])
    assert offset == 2400 and caption.end == "00:00:02.400"

    manifest = manifest_of(tmp_path / "faces.parquet")
    assert manifest["output"] == "faces.parquet" and manifest["exit_state"] == "complete"
    assert manifest["fer_live"] == __version__ and manifest["options"]["detector"] == "yunet"
    assert (manifest["model"]["file"], manifest["model"]["sha256"]) == (MODEL_INT8, SHA256[MODEL_INT8])
    counts = manifest["counts"]
    assert (counts["frames_read"], counts["frames_with_faces"], counts["faces"], counts["tracks"]) == (72, 72, 72, 1)
    assert counts["faces_classified"] == sum(entry["fresh"] for entry in table)
    assert manifest["started_utc"] < manifest["ended_utc"]

    # With a video beside it: frames are copied then, else lent by the decoder.
    video = tmp_path / "again.mp4"
    assert run("--video", clip, "--device", "cpu", "--save", again, "--out", video).returncode == 0
    twice = rows_of(again)
    for row in twice:
        row.pop("latency_ms")
    assert twice == rows


def test_frames_without_faces_are_counted(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    done = run("--video", clip, "--model", tiny_model, "--save", tmp_path / "a.csv", "--out", tmp_path / "a.mp4")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.csv.manifest.json", "a.mp4"]
    assert (tmp_path / "a.csv").read_text().startswith("time_s,frame,track,") and rows_of(tmp_path / "a.csv") == []
    manifest = manifest_of(tmp_path / "a.csv")
    assert manifest["counts"]["frames_analysed"] == 20 and manifest["counts"]["faces"] == 0
    assert manifest["counts"]["share_uncertain"] is None
    assert manifest["model"]["sha256"] == sha256(tiny_model.read_bytes()).hexdigest()


def test_help_shows_how() -> None:
    assert "\n  fer-live --video clip.mp4 --save faces.csv --events expressions.vtt\n" in run("--help").stdout


@pytest.mark.data
def test_rows_for_a_pipe(shared_media: Callable[[str], Path], tmp_path: Path) -> None:
    done = run("--video", shared_media("neutral_to_smile_360p.mp4"), "--device", "cpu", "--save", "-")
    assert done.returncode == 0
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(72))
    assert done.stderr.startswith("72 frames, ")


BAD = {
    "suffix": (["--save", "x.txt"], 2, [".csv, .jsonl or .parquet", "- for JSON Lines"]),
    "events' suffix": (["--events", "x.ass"], 2, [".vtt, .srt, .eaf or .csv"]),
    "twice": (["--save", "x.csv", "--events", "./x.csv"], 2, ["x.csv", "--save and --events"]),
    "standard output twice": (["--save", "-", "--save", "-"], 2, ["--save and --save"]),
    "no folder": (["--save", "none/x.csv"], 1, ["there is no folder none"]),
    "a folder": (["--events", "folder.vtt"], 1, ["is a folder"]),
    "the input": (["--save", "clip.csv"], 1, ["clip.csv: is the input"]),
    "the input's link": (["--events", "link.csv"], 1, ["link.csv: is the input"]),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_before_anything_is_written(
    case: str, clip: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.vtt").mkdir()
    (tmp_path / "clip.csv").write_bytes(clip.read_bytes())
    (tmp_path / "link.csv").symlink_to("clip.csv")
    before = sorted(tmp_path.rglob("*"))
    arguments, code, words = BAD[case]
    done = run("--video", "clip.csv", "--model", tiny_model, *arguments)
    assert done.returncode == code and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fer-live: error: ") and all(word in line for word in words), line
    assert sorted(tmp_path.rglob("*")) == before


def test_parquet_without_pyarrow(clip: Path, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "pyarrow.py").write_text("raise ModuleNotFoundError(name='pyarrow')")
    arguments = ("--video", clip, "--model", tiny_model, "--save", tmp_path / "x.parquet")
    done = run(*arguments, PYTHONPATH=str(tmp_path / "blocked"), PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1
    assert done.stderr == "fer-live: error: this needs pyarrow: pip install 'fer-live[data]'\n"
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    path = tmp_path_factory.mktemp("clips") / "long.mkv"
    repeat_clip(clip, path, 6000)
    return path


def interrupted(number: int, part: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A run that gets a signal once the partial file is there."""
    process = subprocess.Popen(
        [PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    until_s = time.monotonic() + 120  # before, a signal would meet imports
    while not (part.exists() and part.stat().st_size) and process.poll() is None and time.monotonic() < until_s:
        time.sleep(0.01)
    process.send_signal(number)
    out, told = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, out, told)


def test_ctrl_c_completes_the_data(endless: Path, tmp_path: Path, tiny_model: Path) -> None:
    saves = ("--save", tmp_path / "a.csv", "--save", tmp_path / "a.parquet", "--events", tmp_path / "a.vtt")
    done = interrupted(signal.SIGINT, tmp_path / "a.partial.csv", "--video", endless, "--model", tiny_model, *saves)
    assert done.returncode == 130, done.stderr
    assert not list(tmp_path.glob("*partial*"))
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == len(rows_of(tmp_path / "a.csv"))
    assert list(webvtt.read(tmp_path / "a.vtt")) == []
    manifest = manifest_of(tmp_path / "a.csv")
    assert manifest["exit_state"] == "interrupted" and 0 < manifest["counts"]["frames_analysed"] < 6000


@pytest.mark.data
@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is Unix's")
def test_an_error_names_what_was_written(shared_media: Callable[[str], Path], tmp_path: Path) -> None:
    clip = shared_media("neutral_to_smile_360p.mp4")
    saves = f"--save {tmp_path}/a.csv --save {tmp_path}/a.jsonl --events {tmp_path}/a.vtt"
    limited = f"ulimit -f 16; exec {PROGRAM} --video {clip} --device cpu {saves}"  # of 512 or 1024 bytes
    done = subprocess.run(
        ["sh", "-c", limited], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "a.jsonl: writing failed (File too large)" in line and "the data until then are in" in line
    kept = [tmp_path / f"a.partial{suffix}" for suffix in (".csv", ".jsonl", ".vtt")]
    assert all(str(path) in line for path in kept)
    assert sorted(tmp_path.iterdir()) == sorted(kept + [path.with_name(f"{path.name}.manifest.json") for path in kept])
    whole = [json.loads(text) for text in kept[1].read_text().splitlines()]
    assert whole and len(rows_of(kept[0])) in (len(whole), len(whole) + 1)
    manifest = manifest_of(kept[0])
    assert manifest["exit_state"] == "failed" and "File too large" in manifest["error"]


def test_kill_leaves_the_rows_and_the_older_result(endless: Path, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "a.csv").write_text("an older result")
    part = tmp_path / "a.partial.csv"
    arguments = ("--video", endless, "--model", tiny_model, "--save", tmp_path / "a.csv")
    assert interrupted(signal.SIGKILL, part, *arguments).returncode == -signal.SIGKILL
    assert (tmp_path / "a.csv").read_text() == "an older result"
    assert part.read_text().startswith("time_s,")
    done = interrupted(signal.SIGINT, tmp_path / "a.partial-2.csv", *arguments)
    assert done.returncode == 130 and f"warning: {part}: left by an interrupted run" in done.stderr
