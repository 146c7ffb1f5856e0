"""``fer-live --image`` on a photo and on a folder, as a user runs it, and what it refuses."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_live.cli_errors import run_command
from fer_live.realtime.cli import command
from fer_live.realtime.data.options import TABLE_SUFFIXES, DataOptions
from fer_live.realtime.photos.picture import read_picture
from fer_live.realtime.photos.run import PhotoRun
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import SourceOptions


def run(*arguments: object) -> int:
    return run_command(command, "fer-live", ["--no-config", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{name: value for name, value in row.items() if name != "latency_ms"} for row in csv.DictReader(file)]


@pytest.fixture
def folder(sample: Path, tmp_path: Path) -> Path:
    """Four photos, in an order that only a natural one is, one of which is cut off, and other files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(sample, folder / "9.jpg")
    both = np.asarray(Image.open(sample).convert("RGB"))
    Image.fromarray(np.hstack([both, both])).save(folder / "10.png")
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(folder / "11.webp")
    (folder / "2.jpg").write_bytes(sample.read_bytes()[:2000])
    (folder / "notes.txt").write_text("no photo")
    (folder / "deeper").mkdir()
    return folder


def test_one_photo(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, table = tmp_path / "out.png", tmp_path / "faces.csv"
    assert run("--image", sample, "--out", out, "--save", table) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.startswith("1 photo, 1 face, ") and said.out.endswith(f"{out}, {table}\n")
    assert read_picture(out).shape == read_picture(sample).shape
    (row,) = rows_of(table)
    assert (row["time_s"], row["frame"], row["track"], row["picture"]) == ("", "0", "1", sample.name)
    assert row["shown_label"] == row["raw_label"] == "happy" and row["uncertain"] == "false"
    manifest = json.loads((tmp_path / "faces.csv.manifest.json").read_text())
    assert manifest["source"] == {"name": str(sample), "photos": 1, "failed": {}}
    assert manifest["exit_state"] == "complete" and manifest["detector"] == {"name": "yunet", "finest_px": None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.csv", "faces.csv.manifest.json", "out.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_a_name_that_is_no_text(suffix: str, sample: Path, tmp_path: Path) -> None:
    photo, table = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jpg")), tmp_path / f"faces{suffix}"
    shutil.copy(sample, photo)
    assert run("--image", photo, "--save", table) == 0
    if suffix == ".csv":
        assert rows_of(table)[0]["picture"] == "caf\\udce9.jpg"


def test_a_folder_with_a_bad_photo(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, table = tmp_path / "annotated", tmp_path / "faces.csv"
    assert run("--image", folder, "--out", out, "--save", table) == 1
    said = capsys.readouterr()
    left_out, error = said.err.splitlines()
    assert left_out.startswith(f"fer-live: {folder / '2.jpg'}: is damaged or cut off")
    assert error == "fer-live: error: 1 of 4 photos could not be read and were left out: 2.jpg"
    assert said.out.startswith("3 photos, 3 faces, ") and "1 could not be read" in said.out
    assert sorted(path.name for path in out.iterdir()) == ["10.png", "11.webp.jpg", "9.jpg"]
    rows = rows_of(table)
    assert [(row["picture"], row["frame"], row["track"]) for row in rows] == [
        ("9.jpg", "1", "1"),
        ("10.png", "2", "2"),
        ("10.png", "2", "3"),
    ]
    manifest = json.loads((tmp_path / "faces.csv.manifest.json").read_text())
    assert list(manifest["source"]["failed"]) == ["2.jpg"] and manifest["source"]["photos"] == 4
    assert manifest["counts"]["frames_analysed"] == 3 and manifest["counts"]["tracks"] == 3


def test_the_same_folder_gives_the_same_again(folder: Path, tmp_path: Path) -> None:
    pictures, tables = [], []
    for name in ("a", "b"):
        run("--image", folder, "--out", tmp_path / name, "--save", tmp_path / f"{name}.csv")
        pictures.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
        tables.append(rows_of(tmp_path / f"{name}.csv"))
    assert pictures[0] == pictures[1] and tables[0] == tables[1]


def test_parquet_knows_of_pictures_without_time(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run("--image", folder, "--save", tmp_path / "faces.parquet")
    table = parquet.read_table(tmp_path / "faces.parquet")
    assert table["picture"].to_pylist() == ["9.jpg", "10.png", "10.png"] and table["time_s"].null_count == 3


def test_heads_are_covered_where_asked(sample: Path, tmp_path: Path) -> None:
    assert run("--image", sample, "--out", tmp_path / "out.png", "--anonymise", "box") == 0
    before, after = read_picture(sample), read_picture(tmp_path / "out.png")
    assert (before != after).any(axis=2).mean() > 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "needs --out FILE or --save FILE"),
        (["--out", "x.jpg", "--events", "x.vtt"], "no time"),
        (["--out", "x.jpg", "--fps", "3"], "about a video"),
        (["--out", "x.jpg", "--detect-every", "3"], "about a video"),
        (["--out", "x.jpg", "--codec", "av1"], "about a video"),
        (["--out", "x.jpg", "--trace", "t.json"], "about a video"),
        (["--save", "x.csv", "--aggregate-only"], "over time"),
        (["--out", "x.jpg", "--window"], "no window"),
        (["--out", "x.jpg", "--video", "clip.mp4"], "give one of"),
        (["--out", "x.jpg", "--save", "x.txt"], "ends in"),
    ],
)
def test_options_that_do_not_go_with_it(
    options: list[str], words: str, sample: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--image", sample, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fer-live: error: ") and words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "out", "words"),
    [
        ("photos/9.jpg", "photos/9.jpg", "is the input"),
        ("photos/9.jpg", "x.mp4", "ends in .jpg, .jpeg or .png"),
        ("photos/9.jpg", "nowhere/x.jpg", "no folder"),
        ("photos/9.jpg", "photos", "ends in"),
        ("photos/2.jpg", "x.jpg", "cut off"),
        ("photos/none.jpg", "x.jpg", "no such file"),
        ("photos/notes.txt", "x.jpg", "no picture"),
        ("photos", "photos", "the folder of the photos"),
        ("photos", "x.jpg", "name a folder"),
        ("photos", "x.mp4", "name a folder"),
        ("photos", "photos/notes.txt", "is a file"),
        ("photos", "nowhere/x", "no folder"),
        ("photos/deeper", "x", "without images"),
    ],
)
def test_bad_inputs_and_targets(
    image: str, out: str, words: str, folder: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert run("--image", image, "--out", out, "--save", "x.csv") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fer-live: error: ") and words in line
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_of_which_nothing_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.png"):
        (folder / name).write_bytes(b"")
    assert run("--image", folder, "--out", tmp_path / "out", "--save", tmp_path / "x.csv") == 1
    assert "not one of its 2 photos" in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [folder]


def test_two_photos_for_one_target(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(folder / "9.jpg", folder / "11.webp.jpg")
    assert run("--image", folder, "--out", tmp_path / "out") == 1
    assert "two photos" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_interrupted_the_data_until_then_are_whole(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    options = RunOptions(SourceOptions(image=folder), data=DataOptions(save=(table,)))
    with PhotoRun(options) as photos:
        for photo in photos:
            assert Path(photo.name).name == "9.jpg"
            photos.interrupt()
        photos.end()
    assert [row["picture"] for row in rows_of(table)] == ["9.jpg"]
    assert json.loads((tmp_path / "faces.csv.manifest.json").read_text())["exit_state"] == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        photos.interrupt()


def test_an_error_amid_the_photos_leaves_the_part(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    options = RunOptions(SourceOptions(image=folder), data=DataOptions(save=(table,)))
    with pytest.raises(ZeroDivisionError), PhotoRun(options) as photos:
        for _ in photos:
            raise ZeroDivisionError
    assert not table.exists() and len(rows_of(tmp_path / "faces.partial.csv")) == 1
    manifest = json.loads((tmp_path / "faces.partial.csv.manifest.json").read_text())
    assert manifest["exit_state"] == "failed"
