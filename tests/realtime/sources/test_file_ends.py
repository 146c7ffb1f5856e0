"""Files that were cut: what their own structure tells, and what a run then says."""

from pathlib import Path

import pytest
from PIL import Image

from fer_live.realtime.sources.file_ends import ends_early
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.clips import make_clip

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
KINDS = ("a.mp4", "fragmented.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.gif", "a.ogv")


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / request.param
    options = FRAGMENTED if path.stem == "fragmented" else {"movflags": "faststart"} if path.suffix == ".mp4" else None
    sound = "opus" if path.suffix in (".webm", ".ogv") else None if path.suffix == ".gif" else "mp3"
    codec = "libvpx" if path.suffix == ".ogv" else None
    make_clip(path, frames=60, audio=sound, codec=codec, container_options=options, codec_options={"g": "12"})
    return path


def warnings_of(path: Path) -> tuple[str, ...]:
    with FileSource(path) as source:
        for _ in source:
            pass
        return source.warnings


def test_a_whole_file_is_whole(whole: Path) -> None:
    assert not ends_early(whole)
    assert warnings_of(whole) == ()


@pytest.mark.parametrize("share", [0.6, 0.8, 0.93, 0.99])
def test_a_cut_file_is_told(whole: Path, share: float, tmp_path: Path) -> None:
    if whole.suffix == ".mov":
        pytest.skip("its index stands at its end: nothing of it can be read")
    data = whole.read_bytes()
    cut = tmp_path / whole.name
    cut.write_bytes(data[: int(share * len(data))])
    assert ends_early(cut)
    (told,) = (line for line in warnings_of(cut) if "cut short" in line)
    assert str(cut) in told


def test_what_stands_behind_the_end_does_no_harm(whole: Path, tmp_path: Path) -> None:
    longer = tmp_path / whole.name
    longer.write_bytes(whole.read_bytes() + bytes(32))
    assert not ends_early(longer)


def test_the_end_of_a_thumbnail_is_not_that_of_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (96, 64), "teal").save(path, exif=b"Exif\0\0" + b"\xff\xd8\xff\xd9" * 9)
    assert not ends_early(path)
    path.write_bytes(path.read_bytes()[:-2])
    assert ends_early(path)


def test_other_files_and_none_are_not_judged(tmp_path: Path) -> None:
    other = tmp_path / "a.bin"
    other.write_bytes(b"nothing of the kind")
    assert not ends_early(other) and not ends_early(tmp_path / "absent")
