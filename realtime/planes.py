"""The pixel planes of PyAV's frames: seen as arrays, and turned the way the file says they are displayed."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Self

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from .datatypes import Plane

__all__ = ["Orientation", "PlanePool", "as_i420", "pixels"]


def pixels(plane: VideoPlane, *, writable: bool = True) -> Plane:
    """(height, width) uint8 view of an 8-bit plane, without the padding of its rows; writing changes the frame."""
    whole = np.frombuffer(memoryview(plane), np.uint8)
    if not writable:
        whole.flags.writeable = False
    return whole.reshape(-1, plane.line_size)[: plane.height, : plane.width]


class PlanePool:
    """Planes of one size, in memory that is used again.

    Memory that is new to the process costs several times more than copying a picture into it. The three planes lie one
    after the other in one block, as I420, which encoders take without copying (:func:`as_i420`).

    Any thread may take; a block is free again when nobody has a view of it any more.
    """

    def __init__(self, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        chroma = ((height + 1) // 2, (width + 1) // 2)
        luma, colour = height * width, chroma[0] * chroma[1]
        self._parts = (
            (slice(0, luma), (height, width)),
            (slice(luma, luma + colour), chroma),
            (slice(luma + colour, luma + 2 * colour), chroma),
        )
        self._size = luma + 2 * colour
        self._free: list[bytearray] = []

    def take(self) -> tuple[Plane, Plane, Plane]:
        """Y, U, V, C-contiguous, nobody else's; what they hold is left over."""
        try:
            block = self._free.pop()
        except IndexError:
            block = bytearray(self._size)
        # All views of it have this array as their base: when it goes, they have gone.
        whole = np.frombuffer(block, np.uint8)
        weakref.finalize(whole, self._free.append, block).atexit = False
        y, u, v = (whole[part].reshape(shape) for part, shape in self._parts)
        return y, u, v


def as_i420(y: Plane, u: Plane, v: Plane) -> Plane | None:
    """The three planes as one view (H * 3 / 2, W), if they lie so in memory and both sizes are even, else None."""
    height, width = y.shape
    whole = y.base
    if whole is None or whole is not u.base or whole is not v.base or height % 2 or width % 2:
        return None
    starts = [plane.ctypes.data - y.ctypes.data for plane in (y, u, v)]
    if not isinstance(whole, np.ndarray) or whole.size != y.size * 3 // 2 or starts != [0, y.size, y.size * 5 // 4]:
        return None
    i420: Plane = whole.reshape(height * 3 // 2, width)
    return i420


@dataclass(frozen=True, slots=True)
class Orientation:
    """How often a picture is turned by a quarter, counter-clockwise, to be displayed: 0 to 3 times."""

    quarter_turns: int = 0

    @classmethod
    def of(cls, frame: VideoFrame) -> Self:
        """What the frame's display matrix asks for, to the nearest quarter turn; mirroring is not looked at."""
        # Not from frame.side_data: in PyAV 18 reading it crashes the process later, when frames are collected.
        return cls(round(frame.rotation / 90) % 4)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as displayed of a picture that is stored so wide and high."""
        return (height, width) if self.quarter_turns % 2 else (width, height)

    def upright(self, plane: Plane) -> Plane:
        """A view of a plane as it is displayed."""
        return np.rot90(plane, self.quarter_turns) if self.quarter_turns else plane
