"""Whether a media file ends where its own structure says: what a broken download or copy left does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

__all__ = ["ends_early"]

_BOXES = frozenset(b"ftyp styp moov moof mdat free skip wide uuid mfra sidx ssix emsg prft meta pdin udta pnot".split())
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_OGG_PAGE, _OGG_LAST = b"OggS", 4
_OGG_HEADER_BYTES, _OGG_MOST_BYTES = 27, 65307
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", 0xDA, b"\xff\xd9"
_GIF_TRAILER = b";"
_UNKNOWN_RIFF = (0, 0xFFFFFFFF)  # written by a program that could not go back to fill it in


def ends_early(path: Path) -> bool:
    """Whether a media file lacks its end.

    Known are MP4 and MOV (ISO 14496-12), Matroska and WebM (RFC 9559), Ogg (RFC 3533), AVI (RIFF), GIF89a and JPEG
    (ITU-T T.81).

    By its sizes and end marks alone: where those are not written, or the file was cut between two parts that could
    each be the last, it cannot be known and is False; so it is for other kinds of file and for one that can't be read.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(12)
            if start[4:8] in _BOXES:
                return _boxes_end_early(file, size)
            if start[:4] == _EBML:
                return _segment_ends_early(file, size)
            if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
                return _riff_ends_early(file, size)
            if start[:4] == _OGG_PAGE:
                return _pages_end_early(file, size)
            if start[:3] == _JPEG:
                return _scan_ends_early(file)
            if start[:4] == b"GIF8":
                file.seek(max(0, size - 64))
                return not file.read().rstrip(b"\0").endswith(_GIF_TRAILER)
    except OSError:
        pass
    return False


def _boxes_end_early(file: BinaryIO, size: int) -> bool:
    at = 0
    while at < size:
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            return True
        if header[4:8] not in _BOXES:
            return False  # something that was appended
        length, least = int.from_bytes(header[:4], "big"), 8
        if length == 0:
            return False  # to the end of the file, wherever that is
        if length == 1:
            length, least = int.from_bytes(header[8:16], "big"), 16
        if length < least:
            return False
        at += length
    return at > size


def _segment_ends_early(file: BinaryIO, size: int) -> bool:
    file.seek(len(_EBML))
    header_bytes = _vint(file)
    if header_bytes is None:
        return False
    file.seek(header_bytes, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return file.tell() >= size
    segment_bytes = _vint(file)
    return segment_bytes is not None and file.tell() + segment_bytes > size


def _vint(file: BinaryIO) -> int | None:
    """An EBML element's size (RFC 8794, section 6); None where it is unknown or not there."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - width)) - 1)]) + rest, "big")
    return None if len(rest) < width - 1 or value == (1 << 7 * width) - 1 else value


def _riff_ends_early(file: BinaryIO, size: int) -> bool:
    at = 0
    while at + 8 <= size:  # large files are several RIFF chunks
        file.seek(at)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in _UNKNOWN_RIFF:
            return False
        at += 8 + length + length % 2
    return at > size + 1  # the last byte of padding is often left out


def _pages_end_early(file: BinaryIO, size: int) -> bool:
    """Whether an Ogg file's last page is cut off, or not marked as the last of its stream."""
    file.seek(max(0, size - 2 * _OGG_MOST_BYTES))
    tail = file.read()
    at = tail.rfind(_OGG_PAGE)
    if at < 0:
        return False
    page = tail[at:]
    if len(page) < _OGG_HEADER_BYTES:
        return True
    lengths_end = _OGG_HEADER_BYTES + page[26]
    is_cut = len(page) < lengths_end + sum(page[_OGG_HEADER_BYTES:lengths_end])
    return is_cut or not page[5] & _OGG_LAST


def _scan_ends_early(file: BinaryIO) -> bool:
    """Whether a JPEG's picture has no end mark; the thumbnail's in its EXIF data is none of it."""
    at = 2
    while True:
        file.seek(at)
        header = file.read(4)
        if len(header) < 4:
            return True
        if header[0] != 0xFF:
            return False  # no marker where one must be: not cut, but something else
        if header[1] == _JPEG_SCAN:
            return _JPEG_END not in file.read()  # in a scan's data 0 follows 0xFF
        at += 1 if header[1] == 0xFF else 2 + int.from_bytes(header[2:4], "big")
