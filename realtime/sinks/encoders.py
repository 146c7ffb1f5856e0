"""Which encoders write video files, and how they are set up for speed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av

from fer_live.errors import SinkError

__all__ = ["FORMATS", "Encoder", "choose_encoder", "refuse_small"]

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's container format by the file's suffix."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders.

    ``name``: FFmpeg's. ``preset``, ``crf``: speed and constant quality, in the encoder's own scales, out of
    ``presets`` and ``crfs``. ``preset_option``: what it calls the preset. ``options``: always set. ``suffixes``: of
    files that can hold it. ``least_px``: it has no pictures that are less wide or high.
    """

    name: str
    preset: str
    presets: tuple[str, ...]
    crf: int
    crfs: range
    preset_option: str
    options: tuple[tuple[str, str], ...]
    suffixes: tuple[str, ...]
    least_px: int = 2


_X264_PRESETS = "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo"
_CODECS = {
    "h264": Encoder(
        "libx264",
        "ultrafast",
        tuple(_X264_PRESETS.split()),
        23,
        range(1, 52),  # 0 is lossless: the profile High 4:4:4 Predictive, which browsers do not play
        "preset",
        (("forced-idr", "1"),),
        (".mp4", ".mov", ".mkv"),
    ),
    "av1": Encoder(
        "libsvtav1",
        "10",
        tuple(map(str, range(14))),
        35,
        range(1, 64),
        "preset",
        (("svtav1-params", "pred-struct=1"),),
        (".mp4", ".mkv"),
        4,
    ),
    "vp9": Encoder(
        "libvpx-vp9",
        "8",
        tuple(map(str, range(9))),
        32,
        range(64),
        "cpu-used",
        (("b", "0"), ("deadline", "realtime"), ("lag-in-frames", "0"), ("row-mt", "1")),
        (".mp4", ".mkv"),
    ),
}


def choose_encoder(codec: str, target: Path, preset: str | None = None, crf: int | None = None) -> Encoder:
    """The encoder of ``codec`` ("h264", "av1" or "vp9") for a file called ``target``.

    Args:
        codec: what to encode to.
        target: the file; its suffix counts.
        preset: the encoder's speed; None for its default here.
        crf: its constant quality; None for its default here.

    Raises:
        SinkError: an unknown suffix or codec, a container that does not hold it, a PyAV built without it, or a
            setting that the encoder does not have.
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
    if preset is not None and preset not in encoder.presets:
        first, last = encoder.presets[0], encoder.presets[-1]
        allowed = f"{first} to {last}" if first.isdigit() else ", ".join(encoder.presets)
        raise SinkError(f"{target}: preset {preset!r} is none of {encoder.name}'s; choose {allowed}")
    if crf is not None and crf not in encoder.crfs:
        allowed = f"{encoder.crfs[0]} to {encoder.crfs[-1]}"
        raise SinkError(f"{target}: crf {crf} is out of the range of {codec} files; choose {allowed}")
    return replace(
        encoder,
        preset=encoder.preset if preset is None else preset,
        crf=encoder.crf if crf is None else crf,
    )


def refuse_small(encoder: Encoder, target: Path, size_wh: tuple[int, int]) -> None:
    """Refuse pictures of (width, height) pixels, both even, that the encoder cannot make.

    Raises:
        SinkError: they are too small for it.
    """
    if min(size_wh) < encoder.least_px:
        width, height = size_wh
        others = [name for name, other in _CODECS.items() if min(size_wh) >= other.least_px]
        raise SinkError(
            f"{target}: {encoder.name} writes no pictures of {width}x{height}; use --codec {' or '.join(others)}, or "
            f"scale the input to {encoder.least_px} pixels or more each way"
        )
