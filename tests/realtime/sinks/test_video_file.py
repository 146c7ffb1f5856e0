import contextlib
import dataclasses
import gc
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fer_live.errors import SinkError
from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.datatypes import ColourTags, Frame, SourceInfo
from fer_live.realtime.planes import PlanePool
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import make_clip, make_frame, make_result, read_index

INFO = SourceInfo("test", (96, 64), Fraction(25), 50, is_live=False)


def copy(path: Path, out: Path, *, most: int | None = None, **how: Any) -> tuple[VideoFileSink, list[Frame]]:
    """Send a clip through source and sink; the sink and the frames that went in."""
    frames = []
    with FileSource(path) as source, VideoFileSink(out, source.info, copy_from=path, **how) as sink:
        for frame in itertools.islice(source, most):
            sink.write(make_result(frame))
            frames.append(frame)
        sink.finish()
    assert not sink.partial_path.exists()
    return sink, frames


def pictures(path: Path) -> list[tuple[float, np.ndarray, bool]]:
    """(time in seconds, luma, whether a key frame) of each frame in a file."""
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray()[: frame.height], frame.key_frame)
            for frame in container.decode(video=0)
        ]


def tone(path: Path, stream: int = 0) -> tuple[float, float, float]:
    """When the sound of a file begins, when its tone sets in, and when it ends, in seconds."""
    with av.open(str(path)) as container:
        blocks = [
            (float(b.pts * b.time_base), b.to_ndarray()[0], b.sample_rate) for b in container.decode(audio=stream)
        ]
    onsets = [at + int(np.argmax(np.abs(x) > 0.1)) / rate for at, x, rate in blocks if np.abs(x).max() > 0.1]
    last, samples, rate = blocks[-1]
    return blocks[0][0], onsets[0], last + len(samples) / rate


def boxes(path: Path) -> list[str]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        found.append(data[at + 4 : at + 8].decode("latin1"))
        size = int.from_bytes(data[at : at + 4])
        at += int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size
    return found


def some_results(count: int = 50) -> Iterator[Any]:
    return (make_result(make_frame(96, 64, index, index / 25)) for index in range(count))


# The picture


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("plain.mp4", {"frames": 60}),
        ("ntsc.mp4", {"fps": Fraction(30000, 1001)}),
        ("film.mkv", {"fps": Fraction(24000, 1001)}),
        ("fast.mp4", {"fps": Fraction(60000, 1001)}),
        ("variable.mp4", {"times_s": [0.0, 0.04, 0.3, 0.333, 0.9, 0.951, 4.0]}),
        ("variable_sound.mp4", {"times_s": [0.0, 0.1, 0.2, 1.7, 1.8, 1.9, 3.9, 4.0], "audio": "aac"}),
        ("variable_sound.mkv", {"times_s": [0.0, 0.9, 0.95, 1.0, 3.5, 3.6, 6.7, 6.71, 9.0], "audio": "mp2"}),
        ("late.mp4", {"times_s": [0.5, 0.54, 0.58], "audio": "aac"}),
        ("animation.gif", {"fps": 10}),
        ("turned.mp4", {"rotation": 90, "size_wh": (64, 96)}),
        ("one.mp4", {"frames": 1}),
    ],
)
def test_every_frame_is_written_once_in_order_on_time(tmp_path: Path, name: str, how: dict, suffix: str) -> None:
    make_clip(tmp_path / name, **how)
    out = tmp_path / f"out{suffix}"
    sink, frames = copy(tmp_path / name, out)
    written = pictures(out)
    assert [read_index(y) for _, y, _ in written] == [frame.index for frame in frames]
    tick = 1 / 1000 if suffix == ".mkv" else 1 / 120_000
    assert [time for time, _, _ in written] == pytest.approx([frame.time_s for frame in frames], abs=0.51 * tick)
    assert all(y.shape == (sink.size_wh[1], sink.size_wh[0]) for _, y, _ in written)
    assert sink.warnings == () and not sink.padded
    assert written[0][2]
    if suffix == ".mp4":
        with av.open(str(out)) as container:
            stream = container.streams.video[0]
            assert stream.frames == len(frames)
            assert stream.codec.name == "h264" and stream.pix_fmt == "yuv420p"
        assert boxes(out) == ["ftyp", "free", "mdat", "moov"]  # a plain file, not a fragmented one


def test_the_planes_are_encoded_as_they_are(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None, crf=1) as sink:
        for result in some_results(3):
            sink.write(result)
        sink.finish()
    with FileSource(tmp_path / "out.mp4") as source:
        for frame in source:
            expected = make_frame(96, 64, frame.index)
            for name in ("y", "u", "v"):
                difference = getattr(frame, name).astype(int) - getattr(expected, name)
                assert np.abs(difference).max() <= 2 and abs(difference.mean()) < 0.1


@pytest.mark.parametrize("size", [(96, 66), (64, 270), (16, 2)])
def test_heights_that_fours_do_not_divide(tmp_path: Path, size: tuple[int, int]) -> None:
    """In the planes of a file source, which lie in one block."""
    y, u, v = PlanePool(size).take()
    y[:] = np.arange(size[1])[:, None] % 50 + 100
    u[:], v[:] = 90, 170
    with VideoFileSink(tmp_path / "out.mp4", dataclasses.replace(INFO, size_wh=size), copy_from=None, crf=1) as sink:
        sink.write(make_result(Frame(y, u, v, 0, 0.0)))
        sink.finish()
    with FileSource(tmp_path / "out.mp4") as source:
        (frame,) = source
    assert frame.size_wh == size
    for plane, given in zip((frame.y, frame.u, frame.v), (y, u, v), strict=True):
        assert np.abs(plane.astype(int) - given).max() <= 4


@pytest.mark.parametrize("size", [(16, 2), (2, 16)])
def test_pictures_too_small_for_the_encoder_are_refused_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    info = dataclasses.replace(INFO, size_wh=size)
    with pytest.raises(SinkError, match=f"no pictures of {size[0]}x{size[1]}; use --codec h264 or vp9, or scale"):
        VideoFileSink(tmp_path / "out.mp4", info, copy_from=None, codec="av1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "written"), [((101, 63), (102, 64)), ((96, 63), (96, 64)), ((33, 64), (34, 64))])
def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path, size: tuple, written: tuple) -> None:
    make_clip(tmp_path / "in.mkv", codec="ffv1", size_wh=size)
    sink, frames = copy(tmp_path / "in.mkv", tmp_path / "out.mp4", crf=1)
    assert sink.padded and sink.size_wh == written
    for (_, y, _), frame in zip(pictures(tmp_path / "out.mp4"), frames, strict=True):
        assert y.shape == written[::-1]
        padded = np.pad(frame.y, ((0, size[1] % 2), (0, size[0] % 2)), mode="edge")
        assert np.abs(y.astype(int) - padded).max() <= 2


@pytest.mark.parametrize("size", [(32, 4), (2, 2), (1, 1), (16, 300)])
def test_tiny_and_slim_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    info = SourceInfo("tiny", size, None, None, is_live=False)
    width, height = size
    grey = np.full((height, width), 90, np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    with VideoFileSink(tmp_path / "out.mp4", info, copy_from=None) as sink:
        for index in range(3):
            sink.write(make_result(Frame(grey, chroma, chroma, index, index / 10)))
        sink.finish()
    assert [y.shape for _, y, _ in pictures(tmp_path / "out.mp4")] == [sink.size_wh[::-1]] * 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("tags", [ColourTags(1, 1, 1, False), ColourTags(9, 9, 16, True), ColourTags(6, 6, 6, True)])
def test_colour_tags_are_kept(tmp_path: Path, suffix: str, tags: ColourTags) -> None:
    make_clip(tmp_path / "in.mp4", colour=tags)
    copy(tmp_path / "in.mp4", tmp_path / f"out{suffix}")
    with FileSource(tmp_path / f"out{suffix}") as source:
        assert source.info.colour == tags


@pytest.mark.parametrize(("rotation", "expected"), [(0, Fraction(4, 3)), (90, Fraction(3, 4))])
def test_pixel_aspect_ratio_is_kept_and_turns_along(tmp_path: Path, rotation: int, expected: Fraction) -> None:
    make_clip(tmp_path / "in.mp4", sample_aspect=Fraction(4, 3), rotation=rotation)
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == expected


def test_pixel_aspect_ratio_is_that_of_the_stream_that_is_read(tmp_path: Path) -> None:
    ratios = (Fraction(4, 3), Fraction(16, 11))
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        streams = [container.add_stream("libx264", 25, {"preset": "ultrafast"}) for _ in ratios]
        for stream, ratio in zip(streams, ratios, strict=True):
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio = ratio
        for stream in streams:
            picture = av.VideoFrame(96, 64, "yuv420p")
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            container.mux([*stream.encode(picture), *stream.encode(None)])
    for number, ratio in enumerate(ratios):
        out = tmp_path / f"{number}.mp4"
        with FileSource(tmp_path / "in.mkv", stream=number) as source:
            with VideoFileSink(out, source.info, copy_from=tmp_path / "in.mkv", stream=number) as sink:
                for frame in source:
                    sink.write(make_result(frame))
                sink.finish()
        with av.open(str(out)) as written:
            assert written.streams.video[0].sample_aspect_ratio == ratio


@pytest.mark.parametrize("gap_s", [0.04, 0.5, 0.0333])
def test_a_key_frame_every_two_seconds(tmp_path: Path, gap_s: float) -> None:
    with VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None) as sink:
        for index in range(150 if gap_s < 0.1 else 20):
            sink.write(make_result(make_frame(96, 64, index, index * gap_s)))
        sink.finish()
    keys = [time for time, _, key in pictures(tmp_path / "out.mp4") if key]
    assert keys[0] == 0 and len(keys) > 2
    assert all(b - a <= 2 + 1e-3 for a, b in itertools.pairwise(keys))


def test_times_that_do_not_increase_still_make_a_file(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None) as sink:
        for index, time_s in enumerate([0.0, 0.0, 0.1, 0.05, 0.2]):
            sink.write(make_result(make_frame(96, 64, index, time_s)))
        sink.finish()
    assert [read_index(y) for _, y, _ in pictures(tmp_path / "out.mp4")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("codec", ["av1", "vp9"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_other_codecs(tmp_path: Path, codec: str, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    make_clip(tmp_path / "in.mp4", size_wh=(128, 96), audio="aac")
    copy(tmp_path / "in.mp4", tmp_path / f"out{suffix}", codec=codec)
    assert [read_index(y) for _, y, _ in pictures(tmp_path / f"out{suffix}")] == list(range(30))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no list of threads")
@pytest.mark.parametrize("codec", ["h264", "av1", "vp9"])
def test_no_thread_is_a_real_time_one(tmp_path: Path, codec: str) -> None:
    """SVT-AV1 makes its threads and its caller such ones where it may, as root: the machine stood still."""
    threads = Path("/proc/self/task")
    usual = os.sched_getscheduler(0)
    with VideoFileSink(tmp_path / "out.mkv", INFO, copy_from=None, codec=codec) as sink:
        sink.write(make_result(make_frame(96, 64)))
        assert {os.sched_getscheduler(int(thread.name)) for thread in threads.iterdir()} == {usual}
        sink.finish()
    assert os.sched_getscheduler(0) == usual


# The sound


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("name", "audio", "codecs"),
    [
        ("in.mp4", "aac", {"aac"}),
        ("in.mkv", "mp3", {"mp3float"}),
        ("in.mpg", "mp2", {"aac", "mp2"}),
        ("in.webm", "opus", {"aac", "opus"}),
        ("in.mkv", "pcm", {"aac", "pcm_s16le"}),
        ("in.mov", "pcm", {"aac", "pcm_s16le"}),
    ],
)
def test_sound_is_kept_in_step(tmp_path: Path, name: str, audio: str, codecs: set[str], suffix: str) -> None:
    make_clip(tmp_path / name, frames=50, audio=audio)
    sink, frames = copy(tmp_path / name, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        names = {stream.codec.name for stream in container.streams.audio}
        assert names <= codecs and (suffix == ".mkv" or names <= {"aac", "mp3float"})
    with FileSource(tmp_path / name) as source:
        first = next(iter(source)).time_s
    _, sets_in, ends = tone(tmp_path / f"out{suffix}")
    # Measured from the picture's start: containers may move both.
    assert sets_in - pictures(tmp_path / f"out{suffix}")[0][0] == pytest.approx(
        tone(tmp_path / name)[1] - (pictures(tmp_path / name)[0][0]), abs=0.03
    )
    assert sets_in - first == pytest.approx(1.0, abs=0.06)
    assert ends == pytest.approx(2.0, abs=0.1)
    assert len(pictures(tmp_path / f"out{suffix}")) == len(frames) == 50
    assert sink.warnings == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("start_s", [0.5, 2.5])
def test_sound_that_starts_later_stays_late(tmp_path: Path, suffix: str, start_s: float) -> None:
    make_clip(tmp_path / "in.mp4", frames=100, audio="aac", audio_start_s=start_s, audio_s=1.0)
    copy(tmp_path / "in.mp4", tmp_path / f"out{suffix}")
    assert tone(tmp_path / f"out{suffix}")[1] == pytest.approx(start_s + 0.5, abs=0.03)
    assert pictures(tmp_path / f"out{suffix}")[0][0] == 0


def test_aac_is_copied_packet_by_packet(tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", frames=50, audio="aac")
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(tmp_path / "out.mp4") == packets(tmp_path / "in.mp4")


def test_sound_that_outlasts_the_picture_is_kept_in_a_whole_run(tmp_path: Path) -> None:
    for name in ("in.mp4", "in.mkv"):
        make_clip(tmp_path / name, frames=25, audio="aac", audio_s=3.0)
        copy(tmp_path / name, tmp_path / "out.mp4")
        assert tone(tmp_path / "out.mp4")[2] == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("audio", ["aac", "mp2"])
def test_sound_ends_with_the_picture_when_stopped_early(tmp_path: Path, audio: str) -> None:
    make_clip(tmp_path / "in.mkv", frames=100, audio=audio)
    copy(tmp_path / "in.mkv", tmp_path / "out.mp4", most=60)
    assert len(pictures(tmp_path / "out.mp4")) == 60
    assert tone(tmp_path / "out.mp4")[2] == pytest.approx(60 / 25, abs=0.06)


@pytest.mark.parametrize("most", [57, 76, 80])
def test_sound_ends_with_the_picture_of_joined_recordings_too(tmp_path: Path, most: int) -> None:
    make_clip(tmp_path / "in.ts", frames=38, audio="aac")
    (tmp_path / "in.ts").write_bytes((tmp_path / "in.ts").read_bytes() * 4)
    copy(tmp_path / "in.ts", tmp_path / "out.mp4", most=most)
    assert tone(tmp_path / "out.mp4")[2] == pytest.approx(most / 25, abs=0.1)


def test_all_sound_streams_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    make_clip(tmp_path / "one.mp4", audio="aac")
    with av.open(str(tmp_path / "one.mp4")) as given, av.open(str(path), "w") as both:
        picture = both.add_stream_from_template(given.streams.video[0])
        tracks = [both.add_stream_from_template(given.streams.audio[0]) for _ in range(2)]
        tracks[1].metadata["language"] = "nld"
        for packet in given.demux():
            if packet.size and packet.stream.type == "video":
                packet.stream = picture
                both.mux(packet)
            elif packet.size:
                for track in tracks:
                    packet.stream = track
                    both.mux(packet)
    sink, _ = copy(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.language for stream in container.streams.audio][1] == "nld"
    assert tone(tmp_path / "out.mp4", 0)[1] == tone(tmp_path / "out.mp4", 1)[1]
    assert sink.warnings == ()


def test_mpeg_layer_2_that_mp4_calls_mp3_is_not_copied(tmp_path: Path) -> None:
    make_clip(tmp_path / "in.mp4", audio="mp2")
    with av.open(str(tmp_path / "in.mp4")) as container:
        assert container.streams.audio[0].codec.canonical_name == "mp3"
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec.name == "aac"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_mpeg_transport_streams(tmp_path: Path, suffix: str) -> None:
    # AAC whose packets have headers of their own, and a clock that starts at 1.4 s.
    make_clip(tmp_path / "in.ts", frames=50, audio="aac")
    out = tmp_path / f"out{suffix}"
    sink, frames = copy(tmp_path / "in.ts", out)
    assert frames[0].time_s < 0.1
    assert [read_index(y) for _, y, _ in pictures(out)] == list(range(50))
    assert tone(out)[1] - frames[0].time_s == pytest.approx(1.0, abs=0.03)
    assert sink.warnings == ()


def onsets(path: Path) -> list[float]:
    """When a tone sets in after silence, in seconds."""
    found, loud = [], False
    with av.open(str(path)) as container:
        for block in container.decode(audio=0):
            samples = np.abs(block.to_ndarray()[0]) > 0.1
            if samples.any() and not loud:
                found.append(float(block.pts * block.time_base) + int(np.argmax(samples)) / block.sample_rate)
            loud = bool(samples.any())
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("name", "audio", "frames", "later_s"),
    [
        ("in.ts", "aac", 38, 0),  # its sound is longer than its picture by a part of a packet
        ("in.ts", "aac", 20, 0),  # less than a second
        ("in.ts", "aac", 12, 0),
        ("in.mpg", "mp2", 38, 0),  # encoded anew
        ("in.ts", "aac", 38, 36_000),  # a clock that was set
    ],
)
def test_the_sound_of_joined_recordings_is_in_step(
    tmp_path: Path, name: str, audio: str, frames: int, later_s: int, suffix: str
) -> None:
    parts = []
    for part in range(6):
        options = {"output_ts_offset": str(part * later_s)}
        make_clip(tmp_path / name, frames=frames, audio=audio, container_options=options)
        parts.append((tmp_path / name).read_bytes())
    (tmp_path / name).write_bytes(b"".join(parts))
    sink, given = copy(tmp_path / name, tmp_path / f"out{suffix}")
    assert len(given) == len(pictures(tmp_path / f"out{suffix}")) == 6 * frames
    # The middle of each: the first two frames after a joint may come early.
    middles = [frame.time_s for frame in given if read_index(frame.y) == frames // 2]
    assert np.diff(middles) == pytest.approx(frames / 25, abs=0.002)
    assert onsets(tmp_path / f"out{suffix}") == pytest.approx(middles, abs=0.03)
    assert sink.warnings == ()


@pytest.mark.parametrize(("audio", "name"), [("aac", "in.mkv"), ("mp2", "in.mkv"), ("opus", "in.mkv")])
def test_broken_sound_never_breaks_the_picture(tmp_path: Path, audio: str, name: str) -> None:
    make_clip(tmp_path / name, frames=50, audio=audio)
    with av.open(str(tmp_path / name)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray((tmp_path / name).read_bytes())
    for at, size in spans[5::2]:
        start = data.find(bytes(8), at, at + 1)  # keep the container's own bytes
        start = at + 12 if start < 0 else start
        data[start : start + size - 12] = np.random.default_rng(at).bytes(max(0, size - 12))
    (tmp_path / name).write_bytes(data)
    copy(tmp_path / name, tmp_path / "out.mp4")
    assert [read_index(y) for _, y, _ in pictures(tmp_path / "out.mp4")] == list(range(50))


def test_sound_that_cannot_be_opened_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"nothing")
    with VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=tmp_path / "in.mp4") as sink:
        for result in some_results(5):
            sink.write(result)
        sink.finish()
    assert len(pictures(tmp_path / "out.mp4")) == 5
    assert len(sink.warnings) == 1 and sink.warnings[0].endswith("the output has no sound")


def test_a_sound_stream_without_packets_does_not_hold_the_picture_back(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    make_clip(tmp_path / "one.mp4", audio="aac")
    with av.open(str(tmp_path / "one.mp4")) as given, av.open(str(path), "w") as container:
        picture = container.add_stream_from_template(given.streams.video[0])
        container.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = picture
                container.mux(packet)
    sink, _ = copy(path, tmp_path / "out.mp4")
    assert len(pictures(tmp_path / "out.mp4")) == 30
    assert len(sink.warnings) == 1 and "is empty" in sink.warnings[0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


# The partial file


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("audio", [None, "aac", "mp2"])
def test_the_partial_file_plays_while_it_grows(tmp_path: Path, suffix: str, audio: str | None) -> None:
    make_clip(tmp_path / "in.mkv", frames=100, audio=audio)
    out = tmp_path / f"clip{suffix}"
    out.write_text("what stood here")
    with FileSource(tmp_path / "in.mkv") as source:
        with VideoFileSink(out, source.info, copy_from=tmp_path / "in.mkv") as sink:
            assert sink.partial_path == tmp_path / f"clip.partial{suffix}"
            for frame in source:
                assert sink.partial_path.exists() == (frame.index > 0)
                sink.write(make_result(frame))
                if frame.index == 75:
                    shutil.copy(sink.partial_path, tmp_path / f"grown{suffix}")
            assert out.read_text() == "what stood here"
            sink.finish()
    assert len(pictures(out)) == 100
    grown = pictures(tmp_path / f"grown{suffix}")
    assert [read_index(y) for _, y, _ in grown] == list(range(len(grown)))
    assert len(grown) > 75 - 25
    if audio is not None:
        assert tone(tmp_path / f"grown{suffix}")[2] > 2
    assert not sink.partial_path.exists()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_error_leaves_a_playable_partial_and_the_target(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"clip{suffix}"
    out.write_text("what stood here")
    with pytest.raises(ZeroDivisionError), VideoFileSink(out, INFO, copy_from=None) as sink:
        for result in some_results(30):
            sink.write(result)
        raise ZeroDivisionError
    assert out.read_text() == "what stood here"
    assert [read_index(y) for _, y, _ in pictures(sink.partial_path)] == list(range(30))


@pytest.mark.parametrize("hours", [6, 10**6, 10**15])
def test_a_time_that_jumps_beyond_what_mp4_holds_is_told(tmp_path: Path, hours: int) -> None:
    """As a damaged stamp does; the muxer would write a file without pictures."""
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        for result in some_results(30):
            sink.write(result)
        with pytest.raises(
            SinkError, match=rf"time jumps by {hours:,} hours before frame 30\); what was written is in"
        ):
            sink.write(make_result(make_frame(96, 64, 30, 3600 * hours)))
    assert len(pictures(tmp_path / "clip.partial.mp4")) == 30
    assert not (tmp_path / "clip.mp4").exists()


def test_a_rate_of_a_frame_a_day_still_gives_the_picture(tmp_path: Path) -> None:
    info = SourceInfo("slow", (96, 64), Fraction(1, 86_400), 1, is_live=False)
    with VideoFileSink(tmp_path / "clip.mp4", info, copy_from=None) as sink:
        sink.write(next(some_results()))
        sink.finish()
    assert len(pictures(tmp_path / "clip.mp4")) == 1


def test_leaving_early_without_a_frame_leaves_nothing(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_frames_is_an_error_and_no_file(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        with pytest.raises(SinkError, match="no frames"):
            sink.finish()
    assert list(tmp_path.iterdir()) == []


def test_writing_on_after_the_end_is_refused(tmp_path: Path) -> None:
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        results = some_results()
        sink.write(next(results))
        with pytest.raises(ValueError, match="frame 7 is"):
            sink.write(make_result(make_frame(64, 64, 7)))
        sink.finish()
        sink.finish()
        with pytest.raises(ValueError, match="after finish"):
            sink.write(next(results))
    assert len(pictures(tmp_path / "clip.mp4")) == 1


def test_a_kill_leaves_a_playable_partial(tmp_path: Path) -> None:
    code = f"""
import os, signal
from fractions import Fraction
from fer_live.realtime.datatypes import SourceInfo
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.testing.fakes import make_frame, make_result
info = SourceInfo("test", (96, 64), Fraction(25), None, is_live=False)
sink = VideoFileSink({str(tmp_path / "clip.mp4")!r}, info, copy_from=None)
for index in range(100):
    sink.write(make_result(make_frame(96, 64, index, index / 25)))
os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
    indices = [read_index(y) for _, y, _ in pictures(tmp_path / "clip.partial.mp4")]
    assert indices == list(range(len(indices))) and len(indices) >= 100 - 20


FULL_DISK = """
import json, resource, sys
from fractions import Fraction
import numpy as np
from fer_live.errors import SinkError
from fer_live.realtime.datatypes import Frame, SourceInfo
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.testing.fakes import make_frame, make_result
out, when = sys.argv[1:]
info = SourceInfo("test", (96, 64), Fraction(25), None, is_live=False)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
if when in ("writing", "starting"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000 if when == "writing" else 300, hard))
noise = np.random.default_rng(0)
try:
    with VideoFileSink(out, info, copy_from=None) as sink:
        for index in range(400 if when in ("writing", "starting") else 90):
            frame = make_frame(96, 64, index, index / 25)
            frame.y[32:] = noise.integers(16, 236, (32, 96))
            sink.write(make_result(frame))
        if when not in ("writing", "starting"):
            size = sink.partial_path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(when), hard))
        sink.finish()
except SinkError as error:
    print(json.dumps([str(error), type(error.__cause__).__name__]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("when", ["writing", "0", "40", "3000"])
def test_a_full_disk_names_the_partial_file_and_leaves_it_playable(tmp_path: Path, when: str, suffix: str) -> None:
    out = tmp_path / f"clip{suffix}"
    out.write_text("what stood here")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, out, when], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    message, cause = json.loads(done.stdout)
    partial = tmp_path / f"clip.partial{suffix}"
    assert str(partial) in message and "File too large" in message and "\n" not in message
    assert cause == "OSError"
    assert out.read_text() == "what stood here"
    indices = [read_index(y) for _, y, _ in pictures(partial)]
    assert indices == list(range(len(indices))) and len(indices) >= 10


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"clip{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, out, "starting"], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    message, cause = json.loads(done.stdout)
    assert "cannot be written (File too large)" in message and "partial" not in message and cause == "OSError"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_stands_at_the_partial_file_s_name_is_left_alone(tmp_path: Path, kind: str) -> None:
    taken, other = tmp_path / "clip.partial.mp4", tmp_path / "other"
    if kind == "file":
        taken.write_text("an hour's recording")
    else:
        taken.symlink_to(other)
    if kind == "link":
        other.write_text("an hour's recording")
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        sink.write(next(some_results()))
        assert sink.part == sink.partial_path == tmp_path / "clip.partial-2.mp4"
        sink.finish()
    assert len(pictures(tmp_path / "clip.mp4")) == 1
    assert other.exists() == (kind == "link") and taken.is_symlink() == (kind != "file")
    if kind != "dangling link":
        assert taken.read_text() == "an hour's recording"
    assert len(sink.warnings) == 1 and sink.warnings[0].startswith(f"{taken}: ") and "delete it" in sink.warnings[0]
    assert not sink.partial_path.exists()


def test_a_folder_at_the_partial_file_s_name_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "clip.partial.mp4").mkdir()
    with pytest.raises(SinkError, match=r"clip\.partial\.mp4: is a folder, .* choose another name"):
        VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None)


def test_two_runs_with_one_target_have_a_file_each(tmp_path: Path) -> None:
    with (
        VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as one,
        VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as two,
    ):
        for result in some_results(30):
            one.write(result)
            if result.frame.index < 20:
                two.write(result)
        assert [one.part, two.part] == [tmp_path / "clip.partial.mp4", tmp_path / "clip.partial-2.mp4"]
        one.finish()
        assert len(pictures(tmp_path / "clip.mp4")) == 30
        two.finish()
        assert len(pictures(tmp_path / "clip.mp4")) == 20
    assert list(tmp_path.iterdir()) == [tmp_path / "clip.mp4"]


def test_part_is_the_file_that_was_left_unfinished(tmp_path: Path) -> None:
    (tmp_path / "clip.partial.mp4").write_text("of an earlier run")
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        assert sink.part is None
    with pytest.raises(ZeroDivisionError), VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        for result in some_results(3):
            sink.write(result)
        assert sink.part == tmp_path / "clip.partial-2.mp4"
        raise ZeroDivisionError
    assert sink.part is not None and len(pictures(sink.part)) == 3
    with VideoFileSink(tmp_path / "clip.mp4", INFO, copy_from=None) as sink:
        for result in some_results(3):
            sink.write(result)
        sink.finish()
        assert sink.part is None


@pytest.mark.parametrize("exists", [True, False])
def test_a_target_that_is_a_link_is_followed(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "kept.mp4", tmp_path / "clip.mp4"
    if exists:
        real.write_text("what stood here")
    link.symlink_to(Path("disk") / "kept.mp4")
    with VideoFileSink(link, INFO, copy_from=None) as sink:
        for result in some_results(5):
            sink.write(result)
        assert sink.part == tmp_path / "disk" / "kept.partial.mp4"
        sink.finish()
    assert link.is_symlink() and not real.is_symlink()
    assert len(pictures(real)) == 5


# Threads


@pytest.mark.parametrize("most", [None, 20])
def test_reading_and_writing_in_threads_of_their_own(tmp_path: Path, most: int | None) -> None:
    make_clip(tmp_path / "in.mp4", frames=100, audio="aac")
    channel: Channel[Frame] = Channel(4, Overflow.BLOCK)
    with (
        FileSource(tmp_path / "in.mp4") as source,
        VideoFileSink(tmp_path / "out.mp4", source.info, copy_from=tmp_path / "in.mp4") as sink,
        ThreadPoolExecutor(2) as pool,
    ):

        def read() -> None:
            for frame in itertools.islice(source, most):
                channel.put(frame)
            channel.close()

        def write() -> None:
            for frame in channel:
                sink.write(make_result(frame))
            sink.finish()

        for stage in [pool.submit(read), pool.submit(write)]:
            stage.result()
    gc.collect()
    assert [read_index(y) for _, y, _ in pictures(tmp_path / "out.mp4")] == list(range(most or 100))


# What is refused before anything is written


@contextlib.contextmanager
def without_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("folder.mp4", "is a folder"),
        ("nowhere/out.mp4", "there is no folder .*nowhere; create it"),
        ("out.avi", r"unknown kind of video '\.avi'; name it \.mp4, \.mov or \.mkv"),
        ("out", "unknown kind of video ''"),
        ("pipe.mp4", "is no ordinary file"),
        ("loop.mp4", "is a link to itself"),
        ("n" * 300 + ".mp4", "name is too long"),
        ("n" * 245 + ".mp4", "name is too long"),
        ("in.mp4", "is the input"),
        ("link.mp4", "is the input"),
        ("hard.mp4", "is the input"),
        ("./folder.mp4/../in.mp4", "is the input"),
    ],
)
def test_a_target_that_cannot_be_is_refused_at_once(tmp_path: Path, name: str, says: str) -> None:
    given = tmp_path / "in.mp4"
    make_clip(given, frames=2)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(given)
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "hard.mp4").hardlink_to(given)
    before = sorted(tmp_path.iterdir()), given.read_bytes()
    with pytest.raises(SinkError, match=says) as caught:
        VideoFileSink(tmp_path / name, INFO, copy_from=given)
    assert "\n" not in str(caught.value)
    assert (sorted(tmp_path.iterdir()), given.read_bytes()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_pipe_without_a_name_is_refused_at_once(tmp_path: Path) -> None:
    """As /dev/stdout leads to."""
    ends = os.pipe()
    (tmp_path / "out.mp4").symlink_to(f"/proc/self/fd/{ends[1]}")
    with pytest.raises(SinkError, match=r"out\.mp4: is no ordinary file"):
        VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None)
    for end in ends:
        os.close(end)


def test_an_input_that_is_itself_a_partial_file_is_not_written_over(tmp_path: Path) -> None:
    given = tmp_path / "clip.partial.mp4"
    make_clip(given, frames=2)
    before = given.read_bytes()
    sink, _ = copy(given, tmp_path / "clip.mp4")
    assert given.read_bytes() == before and len(pictures(tmp_path / "clip.mp4")) == 2
    assert sink.warnings == ()


def test_codecs_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"\.mov does not hold av1"):
        VideoFileSink(tmp_path / "out.mov", INFO, copy_from=None, codec="av1")
    with pytest.raises(SinkError, match="unknown codec 'xvid'; choose h264, av1, vp9"):
        VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None, codec="xvid")


def test_an_encoder_that_is_not_there_names_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"libvpx-vp9"})
    with pytest.raises(SinkError, match="no libx264; use --codec vp9"):
        VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None)


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX permissions")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_no_permission_is_refused_at_once(tmp_path: Path, what: str) -> None:
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    target = tmp_path / "out.mp4"
    if what == "file":
        target.touch()
        target.chmod(0o444)
    tmp_path.chmod(0o555 if what == "folder" else 0o777)
    with without_root(), pytest.raises(SinkError, match="permission denied"):
        VideoFileSink(target, INFO, copy_from=None)
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("codec", "how", "says"),
    [
        ("h264", {"preset": "warp"}, "preset 'warp' .*; choose ultrafast, superfast, .*, placebo$"),
        ("h264", {"preset": "8"}, "preset '8' .*; choose ultrafast"),
        ("h264", {"crf": 0}, "crf 0 .*; choose 1 to 51$"),
        ("h264", {"crf": 52}, "crf 52 .*; choose 1 to 51$"),
        ("av1", {"preset": "fast"}, "preset 'fast' .*; choose 0 to 13$"),
        ("av1", {"preset": "14"}, "preset '14' .*; choose 0 to 13$"),
        ("av1", {"crf": 0}, "crf 0 .*; choose 1 to 63$"),
        ("vp9", {"preset": "9"}, "preset '9' .*; choose 0 to 8$"),
        ("vp9", {"crf": 64}, "crf 64 .*; choose 0 to 63$"),
    ],
)
def test_settings_that_the_encoder_does_not_have_are_refused_at_once(
    tmp_path: Path, codec: str, how: dict, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SinkError, match=says) as caught:
        VideoFileSink(tmp_path / "out.mp4", INFO, copy_from=None, codec=codec, **how)
    assert str(caught.value).startswith(f"{tmp_path / 'out.mp4'}: ")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("codec", "how"),
    [
        ("h264", {"preset": "placebo", "crf": 51}),
        ("av1", {"preset": "13", "crf": 63}),
        ("av1", {"preset": "0", "crf": 1}),
        ("vp9", {"preset": "0", "crf": 0}),
    ],
)
def test_settings_at_the_ends_of_their_ranges_work(
    tmp_path: Path, codec: str, how: dict, capfd: pytest.CaptureFixture[str]
) -> None:
    make_clip(tmp_path / "in.mp4", frames=2)
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4", codec=codec, **how)
    assert len(pictures(tmp_path / "out.mp4")) == 2
    assert capfd.readouterr() == ("", "")


def test_an_encoder_that_fails_to_open_leaves_no_file(tmp_path: Path) -> None:
    info = SourceInfo("too large for H.264", (20_000, 20_000), Fraction(25), 1, is_live=False)
    with VideoFileSink(tmp_path / "out.mp4", info, copy_from=None) as sink:
        plane, half = np.zeros((20_000, 20_000), np.uint8), np.zeros((10_000, 10_000), np.uint8)
        with pytest.raises(SinkError, match=r"cannot be written .* or other settings"):
            sink.write(make_result(Frame(plane, half, half, 0, 0.0)))
        assert sink.part is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanishes_is_told(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with VideoFileSink(tmp_path / "sub" / "out.mp4", INFO, copy_from=None) as sink:
        (tmp_path / "sub").rmdir()
        with pytest.raises(SinkError, match="cannot be written") as caught:
            sink.write(next(some_results()))
        assert isinstance(caught.value.__cause__, FileNotFoundError)


# Real clips


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "grid_four_720p.mp4",
        "grid_bbaf2n.mpg",
        "tears_of_steel_360p.mp4",
        "neutral_to_smile_360p.mp4",
        "face_then_none.mov",
        "no_face.mp4",
        "two_people_turning.gif",
        "classroom.gif",
        "solvay_1927.jpg",
        "solvay_pan_720p.mp4",
    ],
)
def test_real_clips_go_round(shared_media: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    path = shared_media(name)
    times = []
    with FileSource(path) as source, VideoFileSink(tmp_path / "out.mp4", source.info, copy_from=path) as sink:
        for frame in source:
            times.append(frame.time_s)
            sink.write(make_result(frame))
        sink.finish()
    assert source.warnings == sink.warnings == ()
    with av.open(str(tmp_path / "out.mp4")) as container, av.open(str(path)) as given:
        stream = container.streams.video[0]
        assert stream.frames == len(times)
        assert (stream.width, stream.height) == sink.size_wh
        stamps = [float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size]
        assert stamps == pytest.approx(times, abs=1e-3)
        assert len(container.streams.audio) == len(given.streams.audio)
        if given.streams.audio:
            ends = [
                float((sound.start_time + sound.duration) * sound.time_base)
                for sound in (container.streams.audio[0], given.streams.audio[0])
            ]
            assert ends[0] == pytest.approx(ends[1], abs=0.05)
    gc.collect()
