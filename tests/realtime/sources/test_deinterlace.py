"""Interlaced clips and files with several streams, synthesised."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from fer_live.errors import SourceError
from fer_live.realtime.planes import pixels
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.testing.fakes import make_clip, make_frame, read_index


def comb(index: int, width: int = 96, height: int = 64) -> VideoFrame:
    """The fields of two moments woven together: a bright bar that moves 24 pixels from one to the other."""
    frame = make_frame(width, height, index)
    y = frame.y.copy()
    y[32:] = 60
    for field in range(2):
        left = (8 * index + 24 * field) % (width - 16)
        y[32 + field :: 2, left : left + 16] = 220
    picture = VideoFrame(width, height, "yuv420p")
    for plane, values in zip(picture.planes, (y, frame.u, frame.v), strict=True):
        pixels(plane)[:] = values
    picture.pts, picture.time_base = index, Fraction(1, 25)
    return picture


def write(path: Path, *, flagged: bool, count: int = 12) -> None:
    options = {"preset": "ultrafast", "crf": "1"} | ({"x264-params": "tff=1"} if flagged else {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(count):
            container.mux(stream.encode(comb(index)))
        container.mux(stream.encode(None))


def combing(y: np.ndarray) -> float:
    """How much each row differs from the mean of its neighbours, below the bar code."""
    part = y[36:-4].astype(float)
    return float(np.abs(part[1:-1] - (part[:-2] + part[2:]) / 2).mean())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_flagged_frames_are_deinterlaced_one_for_one_at_their_times(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"woven{suffix}", flagged=True)
    write(tmp_path / f"plain{suffix}", flagged=False)
    with FileSource(tmp_path / f"woven{suffix}") as source:
        frames = list(source)
    with FileSource(tmp_path / f"plain{suffix}") as source:
        untouched = list(source)
    assert [read_index(frame.y) for frame in frames] == [frame.index for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == [frame.time_s for frame in untouched]
    assert all(combing(a.y) < 0.6 * combing(b.y) for a, b in zip(frames, untouched, strict=True))
    assert source.warnings == ()


def test_a_stream_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for size_wh in ((96, 64), (64, 48)):
            stream = container.add_stream("libx264", 25, {"preset": "ultrafast", "crf": "18"})
            stream.width, stream.height = size_wh
            stream.pix_fmt = "yuv420p"
            streams.append((stream, size_wh))
        for index in range(6):
            for stream, (width, height) in streams:
                given = make_frame(width, height, index)
                picture = VideoFrame(width, height, "yuv420p")
                for plane, values in zip(picture.planes, (given.y, given.u, given.v), strict=True):
                    pixels(plane)[:] = values
                picture.pts, picture.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(picture))
        for stream, _ in streams:
            container.mux(stream.encode(None))
    for number, size_wh in ((None, (96, 64)), (0, (96, 64)), (1, (64, 48))):
        with FileSource(path, stream=number) as source:
            assert source.info.size_wh == size_wh
            assert [read_index(frame.y) for frame in source] == list(range(6))
    with pytest.raises(SourceError, match="has no video stream 2; its video streams have the numbers 0 to 1"):
        FileSource(path, stream=2)
    make_clip(tmp_path / "one.mp4", frames=2)
    with pytest.raises(SourceError, match=r"has no video stream 1; .* have the numbers 0$"):
        FileSource(tmp_path / "one.mp4", stream=1)
