"""Where results go: a video file with the input's sound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import av.container
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from fer_live.errors import SinkError, SourceError
from fer_live.realtime.containers import duration_of, open_input, picture_stream, start_of
from fer_live.realtime.datatypes import Frame, Result, SourceInfo
from fer_live.realtime.planes import as_i420, pixels

from .audio import SoundCopier
from .encoders import FORMATS, choose_encoder, refuse_small
from .scheduling import scheduling_kept
from .targets import check_target, left_over

__all__ = ["VideoFileSink"]

_KEYFRAME_EVERY_S = 2
# Divides evenly into frames of 24, 25, 30, 50, 60, 120 and 24000/1001, 30000/1001, 60000/1001 Hz, and into 1 ms.
_MP4_TICK = Fraction(1, 120_000)
_MATROSKA_TICK = Fraction(1, 1000)  # its own; finer times would be rounded, and could then repeat
_FRAGMENT_MS = 500
_MOST_TICKS = 2**31 - 1  # from one picture to the next: what MP4 has room for, 5 hours


class VideoFileSink:
    """Writes the frames of annotated results as a video file; a :class:`~.datatypes.Sink`.

    The planes are encoded as they are: no colour conversion, the source's colour tags and pixel aspect ratio. H.264
    has no odd sizes: an odd width or height is made even by repeating the last column or row; ``padded`` and
    ``size_wh`` tell. Frame times are kept to 1/120,000 s (1 ms in .mkv), variable frame rates too.

    Frames go to ``partial_path``, beside the target: created at the first frame, playable while it grows, readable
    up to about the last half second whatever happens to this process. :meth:`finish` completes it and moves it to
    the target. Left without that, it stays where it is (``part``), and what stood at the target is untouched. So is
    a partial file that an earlier run left: ``warnings`` names it. A target that is a link is followed.

    Sound: see :class:`~.audio.SoundCopier`. If the run ended before the input did, the sound ends with the picture.

    One thread writes. The encoder works in threads of its own, without the GIL.

    Args:
        path: the target; its suffix, .mp4, .mov or .mkv, chooses the container.
        info: what the source is.
        copy_from: the input file, for its sound and its pixel aspect ratio; None for neither.
        stream: which of its video streams the frames come from, None for the best.
        codec: "h264" (plays everywhere), "av1" or "vp9" (not in .mov).
        preset: the encoder's speed: an x264 preset, "0" to "13" for AV1, "0" to "8" for VP9; None for its default
            here ("ultrafast", "10", "8").
        crf: the encoder's constant quality, less is better: 1 to 51 for H.264, 1 to 63 for AV1, 0 to 63 for VP9; None
            for its default here (23, 35, 32).

    Raises:
        SinkError: at construction, before anything is written, where the target cannot be written or is the input, or
            the encoder has no such setting or no pictures so small; later, where the disk is full or the encoder
            fails: the message names the partial file.
    """

    needs_pixels = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: SourceInfo,
        *,
        copy_from: Path | None,
        stream: int | None = None,
        codec: str = "h264",
        preset: str | None = None,
        crf: int | None = None,
    ) -> None:
        named = Path(path)
        self._encoder = choose_encoder(codec, named, preset, crf)
        self._format = FORMATS[named.suffix.lower()]
        self._target, self._file = check_target(named, copy_from)
        self._info = info
        width, height = info.size_wh
        self.size_wh = (width + width % 2, height + height % 2)
        """(width, height) in pixels of the file."""
        refuse_small(self._encoder, named, self.size_wh)
        self._tick = _MATROSKA_TICK if self._format == "matroska" else _MP4_TICK
        self._frame_ticks = min(max(1, round(1 / (info.fps or 25) / self._tick)), _MOST_TICKS)
        self._container: av.container.OutputContainer | None = None
        self._held: Packet[VideoStream] | None = None
        self._last_ticks = -1
        self._key_ticks = 0
        self._moved_s = 0.0
        self._count = 0
        self._finished = False
        self._own_warnings = left_over(self._file, copy_from)
        self._input: _Input | None = None
        if copy_from is not None:
            try:
                self._input = _Input(copy_from, info, stream)
            except SourceError as error:
                self._own_warnings += (f"{error}; the output has no sound",)

    @property
    def partial_path(self) -> Path:
        """Where the frames go until :meth:`finish`; final from the first frame on."""
        return self._file.path

    @property
    def part(self) -> Path | None:
        """The file with frames of this sink that is not moved to the target; None where there is none (any more)."""
        return self.partial_path if self._count and self._file.has_frames and self.partial_path.exists() else None

    @property
    def padded(self) -> bool:
        """Whether a column or row was added because the size is odd."""
        return self.size_wh != self._info.size_wh

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong with the sound, and what an earlier run left, one line each."""
        return self._own_warnings + (tuple(self._input.sound.warnings) if self._input is not None else ())

    def write(self, result: Result) -> None:
        """Encode the frame of ``result``, and the sound that goes before it.

        Raises:
            SinkError: the disk is full or the encoder fails.
            ValueError: the frame's size is not the source's, or the sink was finished.
        """
        frame = result.frame
        if self._finished:
            raise ValueError("write after finish")
        if frame.size_wh != self._info.size_wh:
            raise ValueError(f"frame {frame.index} is {frame.size_wh}, the video is {self._info.size_wh}")
        try:
            if self._container is None:
                self._container = self._open()
            self._mux(self._container, self._stream.encode(self._prepare(frame)))
            self._moved_s = frame.moved_s
            if self._input is not None and self._held is not None and self._held.pts is not None:
                # Not up to the frame itself, which the encoder may hold: sound would run ahead of the picture.
                sound = self._input.sound
                sound.picture_moved(self._moved_s)
                self._mux_sound(self._container, sound, sound.until(self._held.pts * self._tick))
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from self._cause(error)
        self._count += 1

    def finish(self) -> None:
        """Complete the file and move it to the target, replacing what stands there.

        Raises:
            SinkError: no frames were written, the disk is full, or the target cannot be replaced.
        """
        if self._finished:
            return
        if self._container is None:
            raise SinkError(f"{self._target}: no frames were written, so there is no video; check the input")
        self._finished = True
        try:
            self._complete(self._container)
            self._file.close()
            os.replace(self.partial_path, self._target)
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._failure(error) from self._cause(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None and not self._file.closed:
            try:
                self._complete(self._container)
            except (OSError, ValueError, av.FFmpegError):
                # An error is on its way already, and the file is readable up to its last fragment.
                pass
            finally:
                self._file.close()
                if self.part is None:
                    self._file.remove()
        if self._input is not None:
            self._input.container.close()

    def _complete(self, container: av.container.OutputContainer) -> None:
        try:
            self._mux(container, self._stream.encode(None))
            self._mux_held(container, self._frame_ticks)
            if self._input is not None:
                end = (self._last_ticks + self._frame_ticks) * self._tick
                # Of several recordings in one file nobody knows where the last one ends.
                whole = not self._moved_s and self._input.is_whole(self._count, end, self._frame_ticks * self._tick)
                sound = self._input.sound
                self._mux_sound(container, sound, sound.until(None if whole else end, last=True))
                self._mux_sound(container, sound, sound.flush())
        finally:
            container.close()

    def _open(self) -> av.container.OutputContainer:
        file = self._file
        try:
            try:
                container = self._start(with_sound=self._input is not None)
            except (ValueError, av.FFmpegError):
                if self._input is None or file.failure is not None:
                    raise
                self._input.sound.drop()
                file.restart()
                container = self._start(with_sound=False)
            # The encoders are open by now: settings that they refuse leave no file.
            file.create()
            file.keep_head()
        except BaseException:
            file.remove()
            raise
        return container

    def _start(self, *, with_sound: bool) -> av.container.OutputContainer:
        options = {"flush_packets": "1", "max_interleave_delta": "1000000"}
        if self._format == "matroska":
            options["cluster_time_limit"] = str(_FRAGMENT_MS)
        else:
            # delay_moov: the header can then hold where each stream starts, the encoder's run-in included.
            options |= {
                "movflags": "hybrid_fragmented+delay_moov",
                "frag_duration": str(1000 * _FRAGMENT_MS),
                "movie_timescale": str(self._tick.denominator),
            }
        container = av.open(self._file, "w", format=self._format, container_options=options)
        self._stream = self._add_picture(container)
        if with_sound and self._input is not None:
            self._input.sound.add_streams(container)
        with scheduling_kept():
            container.start_encoding()
        return container

    def _add_picture(self, container: av.container.OutputContainer) -> VideoStream:
        encoder = self._encoder
        options = {encoder.preset_option: encoder.preset, "crf": str(encoder.crf), **dict(encoder.options)}
        rate = (self._info.fps or Fraction(25)).limit_denominator(1001)
        if encoder.name == "libsvtav1":
            # It prints its settings to stderr, past every logger, unless this asks for errors only.
            os.environ.setdefault("SVT_LOG", "1")
        stream = container.add_stream(encoder.name, rate, options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self.size_wh
        context.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = self._tick
        context.max_b_frames = 0
        context.gop_size = max(1, int(_KEYFRAME_EVERY_S * rate))
        context.thread_type = "FRAME"
        tags = self._info.colour
        context.color_range = 1 if tags.limited_range else 2
        context.colorspace, context.color_primaries, context.color_trc = tags.matrix, tags.primaries, tags.transfer
        if self._input is not None and self._input.sample_aspect is not None:
            context.sample_aspect_ratio = self._input.sample_aspect
        return stream

    def _prepare(self, frame: Frame) -> VideoFrame:
        width, height = self.size_wh
        i420 = as_i420(frame.y, frame.u, frame.v)
        if i420 is not None and height % 4 == 0:  # PyAV (18) rounds the height of such an array down to a multiple of 4
            prepared = VideoFrame.from_numpy_buffer(i420, "yuv420p")
        else:
            prepared = VideoFrame(width, height, "yuv420p")
            for plane, given in zip(prepared.planes, (frame.y, frame.u, frame.v), strict=True):
                rows = pixels(plane)
                h, w = given.shape
                rows[:h, :w] = given
                rows[:h, w:] = rows[:h, w - 1 : w]
                rows[h:] = rows[h - 1 : h]
        ticks = max(round(frame.time_s / self._tick), self._last_ticks + 1)
        jump = ticks - max(0, self._last_ticks)
        if jump > _MOST_TICKS:
            hours = float(jump * self._tick) / 3600
            raise ValueError(f"the input's time jumps by {hours:,.0f} hours before frame {frame.index}")
        if self._last_ticks < 0 or ticks - self._key_ticks >= _KEYFRAME_EVERY_S / self._tick - self._frame_ticks // 2:
            prepared.pict_type = PictureType.I
            self._key_ticks = ticks
        prepared.pts, prepared.time_base = ticks, self._tick
        self._last_ticks = ticks
        return prepared

    def _mux(self, container: av.container.OutputContainer, packets: Iterable[Packet[VideoStream]]) -> None:
        # MP4 stores durations, not times: a picture waits until the next one tells how long it lasts.
        for packet in packets:
            begins = None if self._held is None else self._held.dts
            ticks = self._frame_ticks if begins is None or packet.dts is None else packet.dts - begins
            self._mux_held(container, ticks)
            self._held = packet

    def _mux_held(self, container: av.container.OutputContainer, ticks: int) -> None:
        if self._held is None:
            return
        packet, self._held = self._held, None
        packet.duration = ticks
        container.mux_one(packet)
        # The muxer writes a fragment in one go, when the packet that begins the next one comes.
        self._file.keep()

    def _mux_sound(
        self, container: av.container.OutputContainer, sound: SoundCopier, packets: Iterator[Packet[AudioStream]]
    ) -> None:
        for packet in packets:
            try:
                container.mux_one(packet)
            except (ValueError, av.FFmpegError):
                if self._file.failure is not None:
                    raise
                sound.note_damage()
            self._file.keep()

    def _cause(self, error: Exception) -> Exception:
        # PyAV wraps what the file raised where it meets it late.
        return self._file.failure if self._file.failure is not None else error

    def _failure(self, error: Exception) -> SinkError:
        cause = self._cause(error)
        reason = (cause.strerror if isinstance(cause, (OSError, av.FFmpegError)) else None) or str(cause)
        if self.part is None:
            return SinkError(f"{self._target}: cannot be written ({reason}); choose another place or other settings")
        return SinkError(
            f"{self._target}: writing failed ({reason}); what was written is in {self.part}, "
            "make room or choose another place and run again"
        )


class _Input:
    """What the output takes over from the input file besides its frames."""

    def __init__(self, path: Path, info: SourceInfo, number: int | None) -> None:
        self.container = open_input(path)
        try:
            stream = picture_stream(self.container, path, number)
            self.sound = SoundCopier(self.container, path)
        except BaseException:
            self.container.close()
            raise
        self._frame_count = info.frame_count
        self._end: Fraction | None = None
        duration = duration_of(self.container, stream)
        if duration is not None:
            begins = (stream.start_time or 0) * (stream.time_base or Fraction(0))
            self._end = begins + duration - start_of(self.container)
        aspect = stream.sample_aspect_ratio
        turned = info.size_wh == (stream.height, stream.width) != (stream.width, stream.height)
        self.sample_aspect = 1 / aspect if aspect and turned else aspect

    def is_whole(self, count: int, end: Fraction, frame: Fraction) -> bool:
        """Whether the frames written reach the input's end, so that sound which outlasts them belongs to it."""
        return count == self._frame_count or (self._end is not None and end >= self._end - 2 * frame)
