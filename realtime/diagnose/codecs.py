"""Which videos can be written and read, by doing it."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fer_live.errors import FerLiveError
from fer_live.realtime.datatypes import SourceInfo
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.testing.clips import make_frame, read_index
from fer_live.realtime.testing.fakes import make_result

from .findings import Finding, Mark

__all__ = ["decoders", "encoder"]

_FRAMES = 5
_SIZE_WH = (128, 96)
_FPS = 25
_DECODERS = ("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mjpeg", "prores", "rawvideo")


def encoder(codec: str) -> list[Finding]:
    """Write a few frames to a temporary folder with ``codec``, as ``--out`` would, and read them back."""
    name = f"write {codec}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codec.mp4"
        info = SourceInfo("codec", _SIZE_WH, Fraction(_FPS), _FRAMES, is_live=False)
        try:
            with VideoFileSink(path, info, copy_from=None, codec=codec) as sink:
                for index in range(_FRAMES):
                    sink.write(make_result(make_frame(*_SIZE_WH, index, index / _FPS)))
                sink.finish()
            with av.open(str(path)) as container:
                used = container.streams.video[0].codec_context.name
                read = [
                    read_index(np.asarray(frame.to_ndarray(format="gray"), np.uint8))
                    for frame in container.decode(video=0)
                ]
        except (FerLiveError, OSError, ValueError) as error:  # PyAV's errors are OSErrors or ValueErrors
            return [Finding(name, Mark.WARNING, str(error).replace(f"{folder}/", ""), "codec")]
    if read != list(range(_FRAMES)):
        return [Finding(name, Mark.WARNING, f"{_FRAMES} frames written, read back: {read}", "codec")]
    return [Finding(name, Mark.OK, f"{_FRAMES} frames written and read back (decoder {used})")]


def decoders() -> list[Finding]:
    """FFmpeg's release, and what it reads."""
    there = [name for name in _DECODERS if name in av.codecs_available]
    missing = [name for name in _DECODERS if name not in there]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}"
        for name in ("libavcodec", "libavformat")
        if name in av.library_versions
    )
    others = len(av.codecs_available) - len(there)
    told = f"{', '.join(there)} and {others} other codecs; PyAV {av.__version__} ({libraries})"
    if missing:
        return [Finding("read", Mark.WARNING, f"{told}; without {', '.join(missing)}", "codec")]
    return [Finding("read", Mark.OK, told)]
