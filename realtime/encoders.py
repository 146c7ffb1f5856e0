"""Which encoders write video files, and how they are set up for speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av

from fer_live.errors import SinkError

__all__ = ["FORMATS", "Encoder", "choose_encoder"]

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's container format by the file's suffix."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders.

    ``name``: FFmpeg's. ``preset``, ``crf``: speed and constant quality unless the user asks for others, in the
    encoder's own scales. ``preset_option``: what it calls the preset. ``options``: always set. ``suffixes``: of files
    that can hold it.
    """

    name: str
    preset: str
    crf: int
    preset_option: str
    options: tuple[tuple[str, str], ...]
    suffixes: tuple[str, ...]


_CODECS = {
    "h264": Encoder("libx264", "ultrafast", 23, "preset", (("forced-idr", "1"),), (".mp4", ".mov", ".mkv")),
    "av1": Encoder("libsvtav1", "10", 35, "preset", (("svtav1-params", "pred-struct=1"),), (".mp4", ".mkv")),
    "vp9": Encoder(
        "libvpx-vp9",
        "8",
        32,
        "cpu-used",
        (("b", "0"), ("deadline", "realtime"), ("lag-in-frames", "0"), ("row-mt", "1")),
        (".mp4", ".mkv"),
    ),
}


def choose_encoder(codec: str, target: Path) -> Encoder:
    """The encoder of ``codec`` ("h264", "av1" or "vp9") for a file called ``target``.

    Raises:
        SinkError: an unknown suffix or codec, a container that does not hold it, or a PyAV built without it.
    """
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise SinkError(f"{target}: unknown kind of video {target.suffix!r}; name it .mp4, .mov or .mkv")
    encoder = _CODECS.get(codec)
    if encoder is None:
        raise SinkError(f"{target}: unknown codec {codec!r}; choose {', '.join(_CODECS)}")
    if suffix not in encoder.suffixes:
        raise SinkError(f"{target}: {suffix} does not hold {codec}; name it {' or '.join(encoder.suffixes)}")
    if encoder.name not in av.codecs_available:
        others = [name for name, other in _CODECS.items() if other.name in av.codecs_available]
        raise SinkError(f"{target}: this PyAV has no {encoder.name}; use --codec {' or '.join(others)}, or PyPI's av")
    return encoder
