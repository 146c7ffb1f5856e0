"""The page: it is valid, loads nothing, and tells what was gathered."""

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from justhtml import JustHTML

from fer_live.contract import FER2013_LABELS
from fer_live.realtime.datatypes import Doubt, SourceInfo

INFO = SourceInfo("clip.mp4", (96, 64), Fraction(25), None, is_live=False)
FRAMES = [
    {1: "happy", 2: "sad"} if index < 40 else {1: Doubt.BLURRED, 3: "neutral"} if index < 60 else {}
    for index in range(80)
]
EVIL = "\"><script>alert(1)</script>&amp;'$name"

Write = Callable[..., Path]


def checked(path: Path) -> tuple[str, JustHTML]:
    """The page, valid by the HTML standard's parsing algorithm."""
    text = path.read_text(encoding="utf-8")
    return text, JustHTML(text, strict=True, sanitize=False)


PAGES: dict[str, tuple[list[dict[int, str | Doubt]], SourceInfo]] = {
    "a file": (FRAMES, INFO),
    "a camera": (FRAMES, SourceInfo("camera 0", (96, 64), None, None, is_live=True)),
    "no faces": ([{}] * 5, INFO),
    "no frames": ([], INFO),
    "one frame": ([{1: "happy"}], INFO),
    "a folder of pictures": (
        FRAMES,
        SourceInfo("/home/someone/shots/%04d.png", (96, 64), Fraction(2), 90, is_live=False),
    ),
}


@pytest.mark.parametrize("case", PAGES)
@pytest.mark.parametrize("thumbnails", [False, True])
def test_valid_and_offline(case: str, thumbnails: bool, write_report: Write) -> None:
    frames, info = PAGES[case]
    text, document = checked(write_report(frames, info, thumbnails=thumbnails))
    policy = document.query("meta[http-equiv=Content-Security-Policy]")[0].attrs["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "unsafe" not in policy
    names = {name for tag in document.query("*") for name in tag.attrs}
    assert not names & {"style", "srcset", "action", "onclick", "onload"}
    for tag in document.query("[src], [href]"):
        address = tag.attrs.get("src") or tag.attrs.get("href")
        assert address.startswith(("data:image/jpeg;base64,", "#")), address
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}, "only the name of SVG, which is not fetched"
    assert "/home/someone" not in text and "<dd>compare other.onnx, smooth on</dd>" in text
    keys = [tag.attrs["id"] for tag in document.query("[id]")]
    assert len(keys) == len(set(keys))
    for link in document.query("a[href]"):
        assert link.attrs["href"][1:] in keys
    faces = {track for faces in frames for track in faces}
    assert len(document.query("article.face")) == len(faces)
    assert len(document.query("article img")) == (len(faces) if thumbnails else 0)
    assert "not what a person feels" in text


def test_markup_in_names_stays_text(write_report: Write) -> None:
    labels = (EVIL, *FER2013_LABELS[1:])
    frames = [{1: EVIL}] * 30
    text, document = checked(write_report(frames, SourceInfo(EVIL, (96, 64), None, 30, is_live=False), labels))
    assert "<script>alert" not in text
    assert len(document.query("script")) == 2
    data = json.loads(document.query("#data")[0].to_text())
    assert data["labels"][0] == EVIL
    assert EVIL in [cell.attrs["data-by"] for cell in document.query("#events-table td")]


def test_figures_of_the_page(write_report: Write) -> None:
    _, document = checked(write_report(FRAMES))
    tiles = [tag.to_text().strip() for tag in document.query(".tiles dd")]
    assert tiles == ["3", "75 %", "17 %", "2"]  # 20 of 120 faces on frames are uncertain
    rows = [[cell.to_text() for cell in row.query("td")] for row in document.query("#events-table tbody tr")]
    assert [(row[0], row[1].strip(), row[2], row[4]) for row in rows] == [
        ("Face 1", "happy", "0:00.00", "0:01.60"),
        ("Face 2", "sad", "0:00.00", "0:01.60"),
    ]
    (lane,) = document.query("#face-1 svg.lane")
    drawn = {path.attrs["data-state"]: path.attrs["d"] for path in lane.query("path[data-state]")}
    blurred = str(len(FER2013_LABELS) + list(Doubt).index(Doubt.BLURRED))
    assert drawn == {str(FER2013_LABELS.index("happy")): "M0 25h1600", blurred: "M1600 25h800"}


def test_an_error_leaves_a_page_that_says_so(make_result, tmp_path: Path) -> None:
    from fer_live.realtime.data.counts import RunCounts
    from fer_live.realtime.report.report_sink import ReportSink

    with (
        pytest.raises(OSError),
        ReportSink(
            tmp_path / "out.html", FER2013_LABELS, INFO, None, {}, RunCounts(), "2026-11-21T16:00:00.000+00:00"
        ) as sink,
    ):
        sink.write(make_result(0.0, 0, {1: "happy"}))
        raise OSError
    text, _ = checked(tmp_path / "out.partial.html")
    assert "The run broke off" in text and not (tmp_path / "out.html").exists()
