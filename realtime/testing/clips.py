"""Clips that tests can read back: each frame carries its index as a bar code; and every odd kind of file at will."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_live.realtime.datatypes import ColourTags, Frame, Plane
from fer_live.realtime.planes import pixels
from fer_live.realtime.sinks.scheduling import scheduling_kept

__all__ = ["LEAST_WIDTH", "make_clip", "make_frame", "read_index", "repeat_clip"]

_BITS = 16  # 12 of the index, 4 of a check sum
LEAST_WIDTH = 2 * _BITS
"""Pixels that a bar code needs."""
_SOUND_CODECS = {"aac": "aac", "mp2": "mp2", "mp3": "libmp3lame", "opus": "libopus", "pcm": "pcm_s16le"}
_PICTURE_CODECS = {".avi": "mpeg4", ".gif": "gif", ".mpg": "mpeg1video", ".webm": "libvpx-vp9"}


def make_frame(width: int, height: int, index: int = 0, time_s: float = 0.0, seed: int = 0) -> Frame:
    """A frame with a gradient that moves, and its index (modulo 4096) as a bar code that survives encoding.

    ``width``: at least 32; ``seed`` shifts the gradient. :func:`read_index` reads the code back.
    """
    if width < LEAST_WIDTH or height < 4:
        raise ValueError(f"a bar code needs {LEAST_WIDTH} x 4 pixels, found {width} x {height}")
    across, down = np.arange(width) * 160 // width, np.arange(height)[:, None] * 160 // height
    y = (40 + (across + down + 3 * index + 7 * seed) % 160).astype(np.uint8)
    bits = index % 4096 << 4 | _check(index)
    cell = width // _BITS
    code = [235 if bits >> (_BITS - 1 - bit) & 1 else 16 for bit in range(_BITS)]
    y[: max(2, height // 4), : cell * _BITS] = np.repeat(np.array(code, np.uint8), cell)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    u = np.broadcast_to(np.linspace(100, 150, chroma[1]).astype(np.uint8), chroma).copy()
    v = np.broadcast_to(np.linspace(150, 100, chroma[0]).astype(np.uint8)[:, None], chroma).copy()
    return Frame(y, u, v, index, time_s)


def read_index(y: Plane, width: int | None = None) -> int:
    """The index (modulo 4096) in the bar code of a luma plane (H, W).

    Args:
        y: the plane.
        width: of the picture when its code was drawn, if columns were added since.

    Raises:
        ValueError: there is no intact code.
    """
    height = y.shape[0]
    cell = (y.shape[1] if width is None else width) // _BITS
    strip = y[: max(2, height // 4), : cell * _BITS].reshape(-1, _BITS, cell)
    bits = 0
    for level in strip[:, :, cell // 4 : cell - cell // 4].mean(axis=(0, 2)):
        bits = bits << 1 | int(level > 126)
    index = bits >> 4
    if bits & 15 != _check(index):
        raise ValueError(f"no intact bar code: read {bits:016b}")
    return index


def _check(index: int) -> int:
    index %= 4096
    return (index ^ index >> 4 ^ index >> 8) & 15 ^ 0b1010


def make_clip(
    path: Path,
    *,
    frames: int = 30,
    size_wh: tuple[int, int] = (96, 64),
    fps: Fraction | int = 25,
    times_s: Sequence[float] | None = None,
    audio: str | None = None,
    audio_start_s: float = 0.0,
    audio_s: float | None = None,
    pixel_format: str | None = None,
    rotation: int = 0,
    sample_aspect: Fraction | None = None,
    colour: ColourTags | None = None,
    codec: str | None = None,
    codec_options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    seed: int = 0,
) -> tuple[float, ...]:
    """Write a clip of :func:`make_frame` frames to ``path``; its suffix chooses the container.

    Args:
        path: where to.
        frames: how many.
        size_wh: (width, height) in pixels, as displayed.
        fps: frames a second.
        times_s: when each frame is shown, in whole milliseconds, for a variable rate; ``frames`` and ``fps`` then
            follow.
        audio: "aac", "mp2", "mp3", "opus" or "pcm": stereo at 48 kHz, silent in the first half, then a tone.
        audio_start_s: when the sound starts.
        audio_s: how long the sound is; None: to the end of the picture.
        pixel_format: FFmpeg's name; None: what the codec usually takes.
        rotation: multiple of 90 degrees, counter-clockwise, that a player must turn the stored picture by.
        sample_aspect: width by height of a pixel.
        colour: tags to write.
        codec: FFmpeg's encoder; None: what the suffix suggests.
        codec_options: FFmpeg's; None: fast, and good enough for the bar code.
        container_options: FFmpeg's.
        seed: of the frames.

    Returns:
        The time of each frame in seconds.
    """
    if times_s is None:
        times_s = [float(index / Fraction(fps)) for index in range(frames)]
        tick = 1 / Fraction(fps)
    else:
        tick = Fraction(1, 1000)
        fps = round(len(times_s) / (times_s[-1] + 0.04)) or 1
    codec = codec or _PICTURE_CODECS.get(path.suffix, "libx264")
    if codec_options is None:
        codec_options = {"crf": "18", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", container_options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, Fraction(fps), dict(codec_options))
        assert isinstance(stream, VideoStream)
        turns = rotation // 90 % 4
        stream.width, stream.height = size_wh[::-1] if turns % 2 else size_wh
        stream.pix_fmt = pixel_format or ("rgb8" if codec == "gif" else "yuv420p")
        stream.codec_context.time_base = tick
        if codec not in ("gif", "ffv1", "libx264"):
            stream.codec_context.bit_rate = 2_000_000
        if sample_aspect is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if colour is not None:
            stream.codec_context.colorspace = colour.matrix
            stream.codec_context.color_primaries = colour.primaries
            stream.codec_context.color_trc = colour.transfer
            stream.codec_context.color_range = 1 if colour.limited_range else 2
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Iterator[tuple[float, AudioFrame]] = iter(())
        sound_stream: AudioStream | None = None
        if audio is not None:
            added = container.add_stream(_SOUND_CODECS[audio], 48000)
            assert isinstance(added, AudioStream)
            sound_stream = added
            length_s = times_s[-1] + 1 / fps if audio_s is None else audio_s
            sound = _tone(audio_start_s, float(length_s))
        with scheduling_kept():
            container.start_encoding()
        held = next(sound, None)
        for index, time_s in enumerate(times_s):
            picture = _stored(make_frame(*size_wh, index, time_s, seed), turns)
            picture.pts, picture.time_base = round(time_s / tick), tick
            container.mux(stream.encode(picture))
            last = index == len(times_s) - 1
            while sound_stream is not None and held is not None and (last or held[0] <= time_s):
                container.mux(sound_stream.encode(held[1]))
                held = next(sound, None)
        container.mux(stream.encode(None))
        if sound_stream is not None:
            container.mux(sound_stream.encode(None))
    return tuple(times_s)


def _stored(frame: Frame, turns: int) -> VideoFrame:
    """The frame as a camera that was held turned would store it."""
    width, height = frame.size_wh[::-1] if turns % 2 else frame.size_wh
    stored = VideoFrame(width, height, "yuv420p")
    for plane, given in zip(stored.planes, (frame.y, frame.u, frame.v), strict=True):
        pixels(plane)[:] = np.rot90(given, -turns)
    return stored


def _tone(start_s: float, length_s: float) -> Iterator[tuple[float, AudioFrame]]:
    rate = 48000
    total = round(length_s * rate)
    for begin in range(0, total, 960):
        at = np.arange(begin, min(begin + 960, total))
        wave = (0.5 * np.sin(2 * np.pi * 440 * at / rate) * (at >= total // 2)).astype(np.float32)
        block = AudioFrame.from_ndarray(np.stack((wave, wave)), "fltp", "stereo")
        block.sample_rate = rate
        block.time_base = Fraction(1, rate)
        block.pts = begin + round(start_s * rate)
        yield start_s + begin / rate, block


def repeat_clip(clip: Path, target: Path, frames: int) -> int:
    """Write a clip's packets again and again, without sound and coded once only, until there are ``frames``.

    Returns:
        How many there are: whole repetitions.
    """
    with av.open(target, "w") as out:
        stream: VideoStream | None = None
        written = offset = 0
        while written < frames:
            end = 0
            with av.open(clip) as source:
                given = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(given)
                for packet in source.demux(given):
                    if packet.dts is None:
                        continue
                    packet.dts += offset
                    if packet.pts is not None:
                        packet.pts += offset
                    end = max(end, (packet.pts or packet.dts) + (packet.duration or 1))
                    packet.stream = stream
                    out.mux(packet)
                    written += 1
            offset = end
    return written
