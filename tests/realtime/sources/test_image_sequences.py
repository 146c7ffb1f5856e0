import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_live.errors import SourceError
from fer_live.realtime.sources.image_sequences import images_in, images_of_pattern
from fer_live.realtime.sources.open_source import SourceOptions, open_source
from fer_live.realtime.testing.fakes import make_clip, make_frame, read_index


def save(path: Path, index: int, size_wh: tuple[int, int] = (96, 64)) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = av.VideoFrame.from_ndarray(make_frame(*size_wh, index).y, "gray")
    picture.save(path.with_suffix(path.suffix.lower()))
    path.with_suffix(path.suffix.lower()).rename(path)


def codes(folder: Path, pattern: str = "", **options: Fraction) -> list[int]:
    with open_source(SourceOptions(video=str(folder / pattern), **options)) as source:
        return [read_index(frame.y) for frame in source]


def test_a_folder_is_read_in_natural_order_at_its_rate(tmp_path: Path) -> None:
    for index in range(12):
        save(tmp_path / f"img{index}.{'PNG' if index % 2 else 'jpg'}", index)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._img3.png").write_bytes(b"left by a Mac")
    (tmp_path / "folder.png").mkdir()
    with open_source(SourceOptions(video=str(tmp_path), fps=Fraction(10))) as source:
        assert source.info.fps == 10 and source.info.frame_count == 12 and not source.info.is_live
        assert source.info.size_wh == (96, 64)
        frames = list(source)
    assert [read_index(frame.y) for frame in frames] == [frame.index for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == [index / 10 for index in range(12)]
    assert source.warnings == ()


def test_a_pattern_names_a_sequence_from_any_number_with_gaps(tmp_path: Path) -> None:
    for index in (7, 8, 10, 12345):
        save(tmp_path / f"img_{index:04d}.png", index % 4096)
    save(tmp_path / "img_3.png", 3)
    save(tmp_path / "img_0009.png.png", 9)
    assert codes(tmp_path, "img_%04d.png") == [7, 8, 10, 12345 % 4096]
    assert codes(tmp_path, "img_%d.png") == [3, 12345 % 4096]
    with pytest.raises(SourceError, match="no file has a name of that pattern"):
        codes(tmp_path, "image_%04d.png")
    with pytest.raises(SourceError, match="cannot be read"):
        codes(tmp_path / "none", "img_%04d.png")


def test_a_file_that_is_named_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    save(tmp_path / "img_%d.png", 5)
    save(tmp_path / "img_1.png", 1)
    assert codes(tmp_path, "img_%d.png") == [5]


def test_an_unreadable_image_is_left_out_and_told(tmp_path: Path) -> None:
    for index in range(6):
        save(tmp_path / f"{index}.png", index)
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes(b"not an image" * 20)
    data = (tmp_path / "4.png").read_bytes()
    (tmp_path / "4.png").write_bytes(data[: len(data) // 2])
    with open_source(SourceOptions(video=str(tmp_path))) as source:
        frames = list(source)
    assert [(read_index(frame.y), frame.index) for frame in frames] == [(1, 0), (2, 1), (5, 2)]
    assert [frame.time_s for frame in frames] == [read_index(frame.y) / 25 for frame in frames]
    (warning,) = source.warnings
    assert f"3 of 6 images could not be read and were left out; the first: {tmp_path / '0.png'}: is empty" in warning


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
def test_a_picture_that_was_cut_off_is_left_out_and_told_alone_an_error(
    tmp_path: Path, suffix: str, share: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    cut = tmp_path / f"1{suffix}"
    for name in (f"0{suffix}", cut.name, f"2{suffix}"):
        Image.fromarray(noise).save(tmp_path / name)
    cut.write_bytes(cut.read_bytes()[: int(share * cut.stat().st_size)])
    with open_source(SourceOptions(video=str(tmp_path))) as source:
        assert [frame.time_s for frame in source] == [0, 2 / 25]
    (warning,) = source.warnings
    assert f"1 of 3 images could not be read and were left out; the first: {cut}: is damaged or cut off" in warning
    with pytest.raises(SourceError, match="is damaged or cut off") as caught:
        open_source(SourceOptions(video=str(cut)))
    assert str(caught.value).startswith(f"{cut}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "how", [{"progressive": True}, {"quality": 20, "restart_marker_blocks": 4}, {"subsampling": 0}]
)
@pytest.mark.parametrize("behind", [b"", bytes(1000), b"of another program" * 9])
def test_a_whole_jpeg_is_whole(tmp_path: Path, how: dict, behind: bytes) -> None:
    for mode in ("RGB", "L", "CMYK"):
        path = tmp_path / f"{mode}.jpg"
        Image.fromarray(make_frame(96, 64, 3).y).convert(mode).save(path, **how)
        path.write_bytes(path.read_bytes() + behind)
        assert codes(path) == [3]
    assert codes(tmp_path) == [3, 3, 3]


def test_other_sizes_are_fitted_to_the_first(tmp_path: Path) -> None:
    save(tmp_path / "0.png", 0)
    save(tmp_path / "1.png", 1, (192, 128))
    save(tmp_path / "2.png", 2, (64, 128))
    save(tmp_path / "3.png", 3, (201, 33))
    with open_source(SourceOptions(video=str(tmp_path))) as source:
        frames = list(source)
    assert {frame.size_wh for frame in frames} == {(96, 64)}
    assert read_index(frames[1].y) == 1
    assert frames[2].y[:, :30].max() == 16 and frames[2].y[:, 34:62].mean() > 40 and frames[2].y[:, 66:].max() == 16
    assert read_index(np.ascontiguousarray(frames[2].y[:, 32:64])) == 2
    assert frames[3].y[:22].max() == frames[3].y[42:].max() == 16
    assert "3 images of another size were scaled to 96x64" in source.warnings[0]


def clip_named_png(folder: Path) -> None:
    make_clip(folder / "a.mp4", frames=2)
    (folder / "a.mp4").rename(folder / "a.png")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "is a folder without images"),
        (lambda folder: make_clip(folder / "a.mp4", frames=2), "is a folder without images"),
        (lambda folder: (folder / "a.png").write_text("text"), "not one of 1 images can be read"),
        (clip_named_png, "is not an image but"),
    ],
)
def test_a_folder_that_gives_nothing_is_told(tmp_path: Path, make, says: str) -> None:
    make(tmp_path)
    with pytest.raises(SourceError, match=says) as caught:
        open_source(SourceOptions(video=str(tmp_path)))
    assert str(caught.value).startswith(f"{tmp_path}: ") and "\n" not in str(caught.value)


@given(st.sets(st.integers(0, 30_000), min_size=1, max_size=12))
def test_numbers_are_in_order_however_they_are_written(tmp_path_factory: pytest.TempPathFactory, numbers: set) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    for number in numbers:
        (folder / f"Shot {number}.png").touch()
    for paths in (images_in(folder), images_of_pattern(folder / "Shot %d.png")):
        assert [int(path.stem.split()[1]) for path in paths] == sorted(numbers)


def test_pictures_larger_than_any_video_are_refused(tmp_path: Path) -> None:
    (tmp_path / "huge.pgm").write_bytes(b"P5 9000 9000 255\n" + bytes(9000 * 9000))
    with pytest.raises(SourceError, match="too large, 9000x9000; scale them"):
        open_source(SourceOptions(video=str(tmp_path)))
    (tmp_path / "huge.pgm").rename(tmp_path / "alone.pgm")
    with open_source(SourceOptions(video=str(tmp_path / "alone.pgm"))) as source:
        assert source.info.size_wh == (9000, 9000)


def test_a_sequence_can_be_left_midway(tmp_path: Path) -> None:
    for index in range(5):
        save(tmp_path / f"{index}.png", index)
    with open_source(SourceOptions(video=str(tmp_path))) as source:
        frames = iter(source)
        assert [read_index(frame.y) for frame in itertools.islice(frames, 2)] == [0, 1]
        source.stop()
        assert list(frames) == []
