from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.errors import SourceError
from fer_live.realtime.testing.clips import make_clip
from fer_live.realtime.web.media_types import HEAD_BYTES, media_type_of

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".gif", ".ts"])
def test_clips_by_their_first_bytes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    make_clip(path, frames=2)
    found = media_type_of(path.read_bytes()[:HEAD_BYTES], "whatever.txt")
    assert found.suffix == suffix and found.demuxers


def test_photos_by_their_first_bytes() -> None:
    found = media_type_of((SAMPLES / "astronaut.jpg").read_bytes()[:HEAD_BYTES], "clip.mp4")
    assert (found.name, found.may_be_photo, found.demuxers) == ("JPEG", True, ())
    heic = media_type_of(b"\0\0\0\x18ftypheic", "IMG_0001.HEIC")
    assert heic.may_be_photo


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "%PDF-1.7",
        "%!PS-Adobe-3.0 EPSF-3.0",
        "PK\x03\x04",
        "",
    ],
)
def test_what_names_other_files_or_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match=r"^thing\.mp4: is "):
        media_type_of(text.encode(), "thing.mp4")


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_are_known_or_refused(head: bytes) -> None:
    try:
        found = media_type_of(head, "x")
    except SourceError:
        return
    assert found.may_be_photo or found.demuxers
