"""What an uploaded file is, told by its first bytes: nothing is decoded, and its name does not matter.

Only what is named here goes on to FFmpeg, which also reads play lists: texts that name other files and addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_live.errors import SourceError

__all__ = ["ACCEPTED", "HEAD_BYTES", "MediaType", "media_type_of"]

HEAD_BYTES = 600
"""How much of a file's beginning is looked at: three packets of a transport stream."""

ACCEPTED = "a photo (JPEG, PNG, WebP, TIFF, HEIC, …) or a clip (MP4, MOV, MKV, WebM, AVI, GIF, …)"
"""For messages."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """``name``: for messages. ``suffix``: of its file's name. ``demuxers``: as what FFmpeg may open it, by FFmpeg's
    names; none for what is never a clip. ``may_be_photo``: whether it can be a still picture.
    """

    name: str
    suffix: str
    demuxers: tuple[str, ...]
    may_be_photo: bool = False


def _photo(name: str, suffix: str, *demuxers: str) -> MediaType:
    return MediaType(name, suffix, demuxers, may_be_photo=True)


def _clip(name: str, suffix: str, *demuxers: str) -> MediaType:
    return MediaType(name, suffix, demuxers)


_MOV = "mov,mp4,m4a,3gp,3g2,mj2"
_MATROSKA = "matroska,webm"

_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), media_type)
    for pattern, media_type in (
        (rb"\xff\xd8\xff", _photo("JPEG", ".jpg")),
        (rb"\x89PNG\r\n\x1a\n", _photo("PNG", ".png", "apng")),
        (rb"GIF8[79]a", _photo("GIF", ".gif", "gif")),
        (rb"RIFF....WEBP", _photo("WebP", ".webp")),
        (rb"II\*\0|MM\0\*", _photo("TIFF", ".tiff")),
        (rb"BM.{4}\0\0\0\0", _photo("BMP", ".bmp")),
        (rb"\0\0\0\x0cjP  ", _photo("JPEG 2000", ".jp2")),
        (rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", _photo("HEIC", ".heic")),
        (rb".{4}ftypavif", _photo("AVIF", ".avif")),
        (rb".{4}ftypqt  ", _clip("QuickTime", ".mov", _MOV)),
        (rb".{4}ftyp", _clip("MP4", ".mp4", _MOV)),
        (rb".{4}(moov|mdat|wide|free|skip|pnot)", _clip("QuickTime", ".mov", _MOV)),
        (rb"\x1aE\xdf\xa3.{0,60}webm", _clip("WebM", ".webm", _MATROSKA)),
        (rb"\x1aE\xdf\xa3", _clip("Matroska", ".mkv", _MATROSKA)),
        (rb"RIFF....AVI ", _clip("AVI", ".avi", "avi")),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _clip("Windows Media", ".wmv", "asf")),
        (rb"FLV\x01", _clip("Flash video", ".flv", "flv")),
        (rb"\0\0\x01[\xb3\xba]", _clip("MPEG", ".mpg", "mpeg", "mpegvideo")),
        (rb"\x47.{187}\x47.{187}\x47|.{4}\x47.{191}\x47.{191}\x47", _clip("MPEG-TS", ".ts", "mpegts")),
        (rb"OggS", _clip("Ogg", ".ogv", "ogg")),
    )
)


def media_type_of(head: bytes, name: str) -> MediaType:
    """What a file is that begins with ``head``, its first :data:`HEAD_BYTES` or all where it is shorter.

    Args:
        head: the bytes.
        name: of the file, for messages.

    Raises:
        SourceError: no picture or video that is read here.
    """
    if not head:
        raise SourceError(f"{name}: is empty; choose {ACCEPTED}")
    for signature, media_type in _SIGNATURES:
        if signature.match(head):
            return media_type
    raise SourceError(f"{name}: is not a picture or video that can be read; choose {ACCEPTED}")
