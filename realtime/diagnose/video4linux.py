"""What Linux's camera drivers say of their devices: the Video4Linux2 API (``linux/videodev2.h``), by ``ioctl``.

Nothing here starts a camera: no buffer is asked for, and no picture.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fcntl import ioctl
from fractions import Fraction
from pathlib import Path
from typing import Any

__all__ = ["Device", "Mode", "describe", "users_of"]

Ioctl = Callable[[int, int, bytearray], object]

# struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
# struct v4l2_fmtdesc: index, type, flags, description, pixelformat, mbus_code, reserved
_FORMAT = struct.Struct("=III32s4s16x")
# struct v4l2_frmsizeenum: index, pixel_format, type, then (width, height) or (least, most, step) of both, reserved
_SIZE = struct.Struct("=I4sI6I8x")
# struct v4l2_frmivalenum: index, pixel_format, width, height, type, one fraction or (least, most, step), reserved
_INTERVAL = struct.Struct("=I4sIII6I8x")

_READS, _WRITES = 2, 1


def _request(number: int, kind: int, layout: struct.Struct) -> int:
    """The number of an ``ioctl`` request, as ``_IOC`` in ``asm-generic/ioctl.h`` makes it."""
    return kind << 30 | layout.size << 16 | ord("V") << 8 | number


QUERYCAP = _request(0, _READS, _CAPABILITY)
ENUM_FMT = _request(2, _READS | _WRITES, _FORMAT)
ENUM_FRAMESIZES = _request(74, _READS | _WRITES, _SIZE)
ENUM_FRAMEINTERVALS = _request(75, _READS | _WRITES, _INTERVAL)

_CAPTURES = 0x0000_0001 | 0x0000_1000
"""``V4L2_CAP_VIDEO_CAPTURE`` and ``V4L2_CAP_VIDEO_CAPTURE_MPLANE``."""
_MPLANE = 0x0000_1000
_HAS_DEVICE_CAPS = 0x8000_0000
_TYPE_CAPTURE, _TYPE_CAPTURE_MPLANE = 1, 9  # enum v4l2_buf_type
_DISCRETE = 1  # of enum v4l2_frmsizetypes and v4l2_frmivaltypes
_MOST = 256
"""Entries of a list: a broken driver's may have no end."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way that a camera can work.

    ``pixels``: the four characters of the format, such as ``MJPG``. ``size_wh``: pixels; the largest where the driver
    names a range. ``fps``: the rates, the fastest first; empty where the driver tells none.
    """

    pixels: str
    size_wh: tuple[int, int]
    fps: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A device. ``gives_pictures``: whether it is one that captures, and not one for metadata or output."""

    driver: str
    card: str
    gives_pictures: bool
    modes: tuple[Mode, ...]


def describe(path: Path, control: Ioctl = ioctl) -> Device:
    """What the driver says of the device at ``path``.

    Args:
        path: such as ``/dev/video0``.
        control: stands in for ``fcntl.ioctl`` in tests: file, request, buffer that is changed.

    Raises:
        OSError: it can't be opened, or is no Video4Linux device.
    """
    file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        buffer = bytearray(_CAPABILITY.size)
        control(file, QUERYCAP, buffer)
        driver, card, _, _, capabilities, device_caps = _CAPABILITY.unpack(buffer)
        has = device_caps if capabilities & _HAS_DEVICE_CAPS else capabilities
        kind = _TYPE_CAPTURE_MPLANE if has & _MPLANE else _TYPE_CAPTURE
        captures = bool(has & _CAPTURES)
        return Device(_text(driver), _text(card), captures, tuple(_modes(file, control, kind)) if captures else ())
    finally:
        os.close(file)


def users_of(path: Path, proc: Path = Path("/proc")) -> list[str]:
    """Which programs have the device open, ``name (process)``, of those that this user may look at."""
    device = os.path.realpath(path)
    found = []
    for process in proc.glob("[0-9]*"):
        try:
            if any(os.path.realpath(link) == device for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
        except OSError:
            continue  # another user's, or ended meanwhile
    return found


def _modes(file: int, control: Ioctl, kind: int) -> Iterator[Mode]:
    for entry in _entries(file, control, ENUM_FMT, _FORMAT, lambda index: (index, kind, 0, b"", b"")):
        pixels: bytes = entry[4]
        for size_wh in _sizes(file, control, pixels):
            yield Mode(_text(pixels), size_wh, tuple(_rates(file, control, pixels, size_wh)))


def _sizes(file: int, control: Ioctl, pixels: bytes) -> Iterator[tuple[int, int]]:
    blank = (0,) * 6
    for entry in _entries(file, control, ENUM_FRAMESIZES, _SIZE, lambda index: (index, pixels, 0, *blank)):
        if entry[2] == _DISCRETE:
            yield entry[3], entry[4]
        else:
            yield entry[4], entry[7]
            return  # a range is the only entry


def _rates(file: int, control: Ioctl, pixels: bytes, size_wh: tuple[int, int]) -> list[Fraction]:
    blank = (0,) * 6
    rates = set()
    for entry in _entries(
        file, control, ENUM_FRAMEINTERVALS, _INTERVAL, lambda index: (index, pixels, *size_wh, 0, *blank)
    ):
        seconds, parts = entry[5], entry[6]  # of a range: the shortest interval
        if seconds and parts:
            rates.add(Fraction(parts, seconds))
        if entry[4] != _DISCRETE:
            break
    return sorted(rates, reverse=True)


def _entries(
    file: int, control: Ioctl, request: int, layout: struct.Struct, asked: Callable[[int], tuple[object, ...]]
) -> Iterator[tuple[Any, ...]]:
    """The entries of one of the driver's lists."""
    for index in range(_MOST):
        buffer = bytearray(layout.pack(*asked(index)))
        try:
            control(file, request, buffer)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):  # the list's end; a driver that has no such list
                return
            raise
        yield layout.unpack(buffer)


def _text(raw: bytes) -> str:
    text = raw.split(b"\0", 1)[0].decode(errors="replace").strip()
    return "".join(each if each.isprintable() else "?" for each in text)
