"""Read by others: webvtt-py for subtitles, pympi for ELAN's documents, FFmpeg for both subtitles."""

import csv
import io
from fractions import Fraction
from pathlib import Path

import av
import pympi
import pytest
import webvtt

from fer_live.realtime.data.event_files import BORIS_COLUMNS, EVENT_FILES, Observed
from fer_live.realtime.data.events import Event
from fer_live.realtime.datatypes import SourceInfo

EVENTS = [
    Event(1, "happy", 0.5, 1.25, 3661.0004, 0.93456, 0.8, 12, 91525),
    Event(2, "sad <&> so", 2.0, 2.0, 2.5, 0.5, 0.5, 50, 62),
    Event(2, "fear", 2.5, 2.75, 3.0, 0.75, 0.625, 63, 75),
]
INFO = SourceInfo("clips/clip.mp4", (640, 360), Fraction(25), 100_000, is_live=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    return tmp_path / "clips" / "clip.mp4"


def write(suffix: str, events: list[Event], file: Path, folder: Path) -> Path:
    observed = Observed(INFO, file, folder, "2026-01-02T03:04:05.678+00:00", 4000.0)
    path = folder / f"out{suffix}"
    path.write_bytes(EVENT_FILES[suffix](events, observed).encode())
    return path


@pytest.mark.parametrize(("suffix", "mark"), [(".vtt", "."), (".srt", ",")])
def test_subtitles(suffix: str, mark: str, file: Path, tmp_path: Path) -> None:
    path = write(suffix, EVENTS, file, tmp_path)
    captions = list(webvtt.read(path) if suffix == ".vtt" else webvtt.from_srt(path))
    assert [(caption.start, caption.end) for caption in captions] == [
        ("00:00:00.500", "01:01:01.000"),
        ("00:00:02.000", "00:00:02.500"),
        ("00:00:02.500", "00:00:03.000"),
    ]
    assert captions[0].text == "face 1: happy 93 %"
    assert f"00:00:02{mark}000 --> " in path.read_text()
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size]
        times = [(packet.pts * packet.time_base, packet.duration * packet.time_base) for packet in packets]
    assert times == [(Fraction(1, 2), Fraction(7321, 2)), (2, Fraction(1, 2)), (Fraction(5, 2), Fraction(1, 2))]


def test_elan(file: Path, tmp_path: Path) -> None:
    document = pympi.Eaf(str(write(".eaf", EVENTS, file, tmp_path)))
    assert set(document.get_tier_names()) == {
        f"face {track}{below}" for track in (1, 2) for below in ("", " apex_s", " strength", " mean")
    }
    assert document.get_annotation_data_for_tier("face 1") == [(500, 3661000, "happy")]
    assert sorted(document.get_annotation_data_for_tier("face 2")) == [
        (2000, 2500, "sad <&> so"),
        (2500, 3000, "fear"),
    ]
    figures = document.get_ref_annotation_data_for_tier("face 2 strength")
    assert sorted(figure[:3] for figure in figures) == [(2000, 2500, "0.5000"), (2500, 3000, "0.7500")]
    assert [figure[2] for figure in document.get_ref_annotation_data_for_tier("face 1 apex_s")] == ["1.250"]
    (media,) = document.get_linked_files()
    assert media["RELATIVE_MEDIA_URL"] == "./clips/clip.mp4" and media["MIME_TYPE"] == "video/mp4"
    assert media["MEDIA_URL"] == file.resolve().as_uri()
    document.to_file(str(tmp_path / "again.eaf"))
    assert pympi.Eaf(str(tmp_path / "again.eaf")).get_annotation_data_for_tier("face 1") == [(500, 3661000, "happy")]


def test_boris(file: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(write(".csv", EVENTS, file, tmp_path).read_text())))
    assert tuple(rows[0])[: len(BORIS_COLUMNS)] == BORIS_COLUMNS
    assert [(row["Subject"], row["Behavior"], row["Start (s)"], row["Stop (s)"]) for row in rows] == [
        ("face 1", "happy", "0.500", "3661.000"),
        ("face 2", "sad <&> so", "2.000", "2.500"),
        ("face 2", "fear", "2.500", "3.000"),
    ]
    assert {row["Behavior type"] for row in rows} == {"STATE"}
    assert (rows[0]["Apex (s)"], rows[0]["Strength"], rows[0]["Mean probability"]) == ("1.250", "0.9346", "0.8000")


@pytest.mark.parametrize("suffix", EVENT_FILES)
def test_no_events(suffix: str, file: Path, tmp_path: Path) -> None:
    path = write(suffix, [], file, tmp_path)
    if suffix == ".vtt":
        assert list(webvtt.read(path)) == []
    elif suffix == ".eaf":
        assert list(pympi.Eaf(str(path)).get_tier_names()) == []
    else:
        assert path.read_text().count("\n") == (1 if suffix == ".csv" else 0)
