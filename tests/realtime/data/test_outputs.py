import json
from fractions import Fraction
from pathlib import Path

import pytest

from fer_live.contract import FER2013_LABELS
from fer_live.errors import SinkError, SourceError
from fer_live.realtime.data.event_files import EVENT_FILES
from fer_live.realtime.data.options import EVENT_SUFFIXES, TABLE_SUFFIXES, DataOptions
from fer_live.realtime.data.outputs import DataOutputs
from fer_live.realtime.data.tables import TABLES
from fer_live.realtime.datatypes import Doubt, SourceInfo

INFO = SourceInfo("clip.mp4", (96, 64), Fraction(25), None, is_live=False)
FACES = {1: ("happy", 0.9, None), 2: ("fear", 0.4, Doubt.BLURRED)}


def open_outputs(folder: Path) -> DataOutputs:
    options = DataOptions((folder / "a.csv", folder / "a.parquet"), (folder / "a.eaf",))
    return DataOutputs(options, FER2013_LABELS, INFO, None, {"detector": "fake"})


def feed(outputs: DataOutputs, seen, frames: int = 10) -> None:
    for index in range(frames):
        for sink in outputs.sinks:
            sink.write(seen(index / 25, index, FACES if index % 2 else {}))


def test_every_suffix_that_is_taken_has_a_format() -> None:
    assert tuple(TABLES) == TABLE_SUFFIXES and tuple(EVENT_FILES) == EVENT_SUFFIXES


def test_manifests_of_a_complete_run(seen, tmp_path: Path) -> None:
    with open_outputs(tmp_path) as outputs:
        feed(outputs, seen)
        outputs.counts.dropped(10)
        for sink in outputs.sinks:
            sink.finish()
        outputs.end(interrupted=False)
    assert outputs.parts == () and [path.name for path in outputs.paths] == ["a.csv", "a.parquet", "a.eaf"]
    assert len(list(tmp_path.iterdir())) == 6
    manifest = json.loads((tmp_path / "a.eaf.manifest.json").read_text())
    assert (manifest["output"], manifest["detector"], manifest["exit_state"]) == ("a.eaf", "fake", "complete")
    counts = manifest["counts"]
    assert counts["faces_classified"] <= counts["faces"] and manifest["aggregate_only"] is None
    assert {name: value for name, value in counts.items() if name != "faces_classified"} == {
        "frames_read": 11,
        "frames_dropped": 1,
        "frames_analysed": 10,
        "frames_with_faces": 5,
        "faces": 10,
        "tracks": 2,
        "faces_uncertain": 5,
        "share_uncertain": 0.5,
    }


@pytest.mark.parametrize(
    ("error", "state"), [(SourceError("the camera\nis gone"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_an_error_leaves_parts_with_manifests(error: BaseException, state: str, seen, tmp_path: Path) -> None:
    older = {tmp_path / "a.csv": "older rows", tmp_path / "a.csv.manifest.json": "an older manifest"}
    for path, text in older.items():
        path.write_text(text)
    with pytest.raises(type(error)), open_outputs(tmp_path) as outputs:
        feed(outputs, seen)
        raise error
    assert {path: path.read_text() for path in older} == older
    assert [path.name for path in outputs.parts] == ["a.partial.csv", "a.partial.parquet", "a.partial.eaf"]
    for part in outputs.parts:
        manifest = json.loads(part.with_name(f"{part.name}.manifest.json").read_text())
        assert manifest["exit_state"] == state and manifest["counts"]["frames_analysed"] == 10
        assert manifest["error"] == ("the camera is gone" if state == "failed" else "KeyboardInterrupt")


def test_an_error_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError), open_outputs(tmp_path):
        raise SourceError("no such camera")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_cannot_be_written_is_told(seen, tmp_path: Path) -> None:
    (tmp_path / "a.csv.manifest.json").mkdir()
    with pytest.raises(SinkError, match=r"a\.csv\.manifest\.json: could not be written"):
        with open_outputs(tmp_path) as outputs:
            feed(outputs, seen)
            for sink in outputs.sinks:
                sink.finish()
            outputs.end(interrupted=True)
