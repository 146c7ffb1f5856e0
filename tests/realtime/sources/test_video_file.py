import contextlib
import gc
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fer_live.errors import SourceError
from fer_live.realtime.colour import planes_from_bgr
from fer_live.realtime.containers import open_input
from fer_live.realtime.datatypes import ColourTags, Frame
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import make_clip, make_frame, read_index

X265 = {"x265-params": "log-level=none", "preset": "ultrafast"}


def read(path: Path) -> tuple[FileSource, list[Frame]]:
    with FileSource(path) as source:
        return source, list(source)


def indices(frames: list[Frame]) -> list[int]:
    return [read_index(frame.y) for frame in frames]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("h264.mp4", {}),
        ("sound.mp4", {"audio": "aac"}),
        ("ntsc.mp4", {"fps": Fraction(30000, 1001)}),
        ("ten_bit.mov", {"codec": "libx265", "pixel_format": "yuv420p10le", "codec_options": X265}),
        ("wide_chroma.mp4", {"pixel_format": "yuv422p"}),
        ("full_chroma_ten_bit.mp4", {"pixel_format": "yuv444p10le"}),
        ("rgb.mkv", {"codec": "ffv1", "pixel_format": "bgr0"}),
        ("odd.mkv", {"codec": "ffv1", "size_wh": (101, 63)}),
        ("palette.gif", {"fps": 10}),
        ("mpeg4.avi", {}),
        ("mpeg1.mpg", {"audio": "mp2"}),
        ("vp9.webm", {"audio": "opus"}),
        ("late_sound.mp4", {"audio": "aac", "audio_start_s": 0.5}),
        ("variable.mp4", {"times_s": [0.0, 0.04, 0.3, 0.333, 0.9, 0.95]}),
        ("upside_down.mp4", {"rotation": 180}),
        ("held_left.mp4", {"rotation": 90, "size_wh": (66, 98)}),
        ("held_right.mp4", {"rotation": -90, "size_wh": (66, 98)}),
    ],
)
def test_every_frame_comes_out_once_in_order_on_time(tmp_path: Path, name: str, how: dict) -> None:
    times = make_clip(tmp_path / name, **how)
    source, frames = read(tmp_path / name)
    assert indices(frames) == [frame.index for frame in frames] == list(range(len(times)))
    start = frames[0].time_s if name.endswith(".mpg") else 0.0  # its sound starts a little before the picture
    assert [frame.time_s - start for frame in frames] == pytest.approx(times, abs=2e-5)
    assert source.info.size_wh == frames[0].size_wh == how.get("size_wh", (96, 64))
    assert source.info.frame_count is None or abs(source.info.frame_count - len(frames)) <= 4
    assert not source.info.is_live and source.info.name == str(tmp_path / name)
    assert source.warnings == ()
    with FileSource(tmp_path / name, writable=False) as lender:
        lent = list(lender)  # all of them: the decoder must not use one again that is still looked at
    for theirs, ours in zip(lent, frames, strict=True):
        for plane, copied in zip((theirs.y, theirs.u, theirs.v), (ours.y, ours.u, ours.v), strict=True):
            assert np.array_equal(plane, copied)
    reference = make_frame(*frames[0].size_wh, 3)
    tolerance = 24 if name.endswith(".gif") else 6
    assert np.abs(frames[3].y.astype(int) - reference.y).mean() < tolerance
    if not name.endswith(".gif"):
        assert np.abs(frames[3].u.astype(int) - reference.u).mean() < 6
        assert np.abs(frames[3].v.astype(int) - reference.v).mean() < 6


def test_what_is_lent_cannot_be_drawn_on(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with FileSource(tmp_path / "a.mp4", writable=False) as source:
        frame = next(iter(source))
    for plane in (frame.y, frame.u, frame.v):
        with pytest.raises(ValueError, match="read-only"):
            plane[0, 0] = 0


def test_fps_is_a_fraction_and_exact(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", fps=Fraction(24000, 1001))
    source, frames = read(tmp_path / "a.mp4")
    assert source.info.fps == Fraction(24000, 1001)
    assert frames[29].time_s == float(29 * Fraction(1001, 24000))
    assert source.info.frame_count == 30


def test_planes_belong_to_the_frame_and_pass_unconverted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", codec="ffv1", frames=4)  # lossless
    _, frames = read(tmp_path / "a.mkv")
    for frame in frames:
        expected = make_frame(96, 64, frame.index)
        for name in ("y", "u", "v"):
            plane = getattr(frame, name)
            assert np.array_equal(plane, getattr(expected, name))
            assert plane.flags.c_contiguous and plane.flags.writeable
            assert not any(np.shares_memory(plane, getattr(other, name)) for other in frames if other is not frame)


def test_drawing_on_a_frame_changes_no_other(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with FileSource(tmp_path / "a.mp4") as source:
        seen = []
        for frame in source:
            seen.append(read_index(frame.y))
            frame.y[:] = 0
    assert seen == list(range(30))


def test_colour_tags_and_range(tmp_path: Path) -> None:
    tags = ColourTags(matrix=1, primaries=1, transfer=1, limited_range=False)
    make_clip(tmp_path / "full.mp4", colour=tags)
    source, frames = read(tmp_path / "full.mp4")
    assert source.info.colour == tags
    assert not frames[0].limited_range
    make_clip(tmp_path / "plain.mp4")
    assert read(tmp_path / "plain.mp4")[0].info.colour == ColourTags()


def test_jpeg_range_is_kept_where_nothing_is_converted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", pixel_format="yuvj420p")
    source, frames = read(tmp_path / "a.mp4")
    assert not source.info.colour.limited_range and not frames[0].limited_range


@pytest.mark.parametrize("pixel_format", ["rgb24", "rgba"])
def test_rgb_becomes_bt601(tmp_path: Path, pixel_format: str) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :, 2], image[16:, :24, 1], image[16:, 24:, 0] = 255, 255, 255
    av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixel_format).save(tmp_path / "a.png")
    source, (frame,) = read(tmp_path / "a.png")
    assert source.info.colour.matrix == 6 and frame.limited_range
    for plane, expected in zip((frame.y, frame.u, frame.v), planes_from_bgr(image), strict=True):
        assert np.abs(plane.astype(int) - expected)[:, 2:-2].mean() < 4
        assert abs(int(plane[3, 3]) - int(expected[3, 3])) <= 2


def test_one_image_is_one_frame(tmp_path: Path) -> None:
    image = np.full((40, 60), 200, np.uint8)
    av.VideoFrame.from_ndarray(image, "gray").save(tmp_path / "50%d: a.png")
    source, frames = read(tmp_path / "50%d: a.png")
    assert len(frames) == source.info.frame_count == 1
    assert source.info.fps is None and frames[0].time_s == 0
    assert int(frames[0].y[5, 5]) == pytest.approx(16 + 200 * 219 / 255, abs=1)


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_photographs_are_turned_as_exif_says(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    image = np.full((64, 96), 40, np.uint8)
    image[:16, :16] = 240
    av.VideoFrame.from_ndarray(image, "gray").save(tmp_path / "a.jpg")
    plain = (tmp_path / "a.jpg").read_bytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    (tmp_path / "a.jpg").write_bytes(plain[:2] + segment + plain[2:])
    source, (frame,) = read(tmp_path / "a.jpg")
    assert source.info.size_wh == ((96, 64) if orientation in (1, 3) else (64, 96))
    assert frame.y[corner] > 200 and np.median(frame.y) < 80
    gc.collect()


def test_iterating_twice_is_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", frames=2)
    with FileSource(tmp_path / "a.mp4") as source:
        assert len(list(source)) == 2
        with pytest.raises(RuntimeError, match="once"):
            iter(source)


def test_size_that_changes_midway_is_scaled_to_the_first(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mpg", frames=10)
    make_clip(tmp_path / "b.mpg", frames=10, size_wh=(128, 96), seed=1)
    (tmp_path / "c.mpg").write_bytes((tmp_path / "a.mpg").read_bytes() + (tmp_path / "b.mpg").read_bytes())
    source, frames = read(tmp_path / "c.mpg")
    assert {frame.size_wh for frame in frames} == {(96, 64)} == {source.info.size_wh}
    assert len(frames) > 15
    times = [frame.time_s for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(times))


# Damage


def test_a_cut_tail_gives_the_frames_before_it_and_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, frames=100, container_options={"movflags": "faststart"}, codec_options={"crf": "18", "g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source, frames = read(path)
    assert 10 < len(frames) < 100
    assert indices(frames)[:10] == list(range(10))
    assert len(source.warnings) >= 1
    assert all(str(path) in warning and "\n" not in warning and "damaged" in warning for warning in source.warnings)


@pytest.mark.parametrize("audio", [None, "aac"])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.9])
def test_a_cut_file_tells_how_many_frames_of_how_many_were_read(tmp_path: Path, audio: str | None, part: float) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, frames=175, audio=audio, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with FileSource(path) as source:
        next(iter(source))
        assert not any(" of 175" in warning for warning in source.warnings)  # the rest may still come
    source, frames = read(path)
    assert len(source.warnings) == 1
    assert source.warnings[0].startswith(f"{path}: {len(frames)} of 175 frames could be read")


def test_a_damaged_middle_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    make_clip(path, frames=100, codec_options={"crf": "18", "g": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    path.write_bytes(data)
    source, frames = read(path)
    assert len(frames) > 50
    assert source.warnings
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_nothing_that_decodes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    head = data.index(b"mdat") + 4
    path.write_bytes(data[:head] + bytes(len(data) - head))
    with pytest.raises(SourceError, match="no frame could be decoded"):
        FileSource(path)


# What is no video


def sound_with_cover(path: Path) -> None:
    with av.open(str(path), "w", format="mp3") as container:
        sound, cover = container.add_stream("libmp3lame", 48000), container.add_stream("mjpeg", 1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(64, 64, "yuvj420p")
        picture.pts, picture.time_base = 0, Fraction(1)
        container.mux(cover.encode(picture) + cover.encode(None))
        block = av.AudioFrame.from_ndarray(np.zeros((2, 4800), np.float32), "fltp", "stereo")
        block.sample_rate, block.pts = 48000, 0
        container.mux(sound.encode(block) + sound.encode(None))


def only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", 48000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "stereo")
        block.sample_rate = 48000
        container.mux(sound.encode(block))


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("missing.mp4", lambda path: None, "no such file; check the path"),
        ("folder.mp4", lambda path: path.mkdir(), "is a folder"),
        ("empty.mp4", lambda path: path.touch(), "is empty"),
        ("notes.txt", lambda path: path.write_text("Just notes.\n" * 100), "not a video"),
        ("notes.mp4", lambda path: path.write_text("Just notes.\n" * 100), "not a video"),
        ("noise.mp4", lambda path: path.write_bytes(np.random.default_rng(0).bytes(9999)), "not a video"),
        ("sound.wav", only_sound, r"has no video stream \(found audio\)"),
        ("song.mp3", sound_with_cover, "sound with a cover picture"),
        ("talk.srt", lambda path: path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHi\n"), "no video stream"),
        ("cut.mp4", lambda path: (make_clip(path), path.write_bytes(path.read_bytes()[:900])), "or damaged"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path: Path, name: str, make: Callable, says: str) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(SourceError, match=says) as caught:
        FileSource(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and "Errno" not in message


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        with pytest.raises(SourceError, match="is no ordinary file") as caught:
            FileSource(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["n" * 300 + ".mp4", "n/" * 3000 + "a.mp4"])
def test_a_name_that_is_too_long_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="name is too long; ") as caught:
        FileSource(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@contextlib.contextmanager
def without_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX permissions")
def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, frames=2)
    path.chmod(0)
    with without_root(), pytest.raises(SourceError, match="permission denied") as caught:
        FileSource(path)
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize("side", [16_000, 65_535])
def test_a_small_file_cannot_ask_for_gigabytes(tmp_path: Path, side: int) -> None:
    """A GIF whose screen is huge and whose pictures are one pixel: 60 bytes."""
    path = tmp_path / "bomb.gif"
    screen = b"GIF89a" + side.to_bytes(2, "little") * 2 + b"\x80\0\0" + bytes(3) + b"\xff\xff\xff"
    path.write_bytes(screen + 3 * (b",\0\0\0\0\1\0\1\0\0" + b"\2\2D\1\0") + b";")
    with pytest.raises(SourceError, match=r"too large, 16000x16000; scale|no frame could be decoded"):
        FileSource(path)


def test_nothing_is_printed_about_broken_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mkv"
    make_clip(path, frames=40)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :: 7] = bytes(len(data[len(data) // 2 :: 7]))
    path.write_bytes(data)
    read(path)
    gc.collect()
    assert capfd.readouterr() == ("", "")


# Real clips


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("grid_four_720p.mp4", 300),
        ("grid_bbaf2n.mpg", 75),
        ("tears_of_steel_360p.mp4", 240),
        ("neutral_to_smile_360p.mp4", 72),
        ("face_then_none.mov", 169),
        ("no_face.mp4", 95),  # three more lie outside its edit list
        ("two_people_turning.gif", 56),
        ("classroom.gif", 45),
        ("solvay_1927.jpg", 1),
        ("astronaut.png", 1),
    ],
)
def test_real_clips_are_read_whole(shared_media: Callable[[str], Path], name: str, count: int) -> None:
    path = shared_media(name)
    source, frames = read(path)
    with av.open(str(path)) as container:
        stamps = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert len(frames) == len(stamps) == count
    assert [frame.time_s for frame in frames] == [float(stamp) for stamp in stamps]
    assert source.warnings == ()
    gc.collect()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs a user to become")
def test_too_few_threads_are_no_damage(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.mp4"
    make_clip(path, frames=9)
    container, before = open_input(path), resource.getrlimit(resource.RLIMIT_NPROC)
    os.setresuid(65534, 65534, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1]))
    try:
        with pytest.raises(SourceError, match="no more threads"):
            FileSource(path, container=container)
    finally:
        os.setresuid(0, 0, 0)
        resource.setrlimit(resource.RLIMIT_NPROC, before)
