"""The pixel planes of PyAV's frames: seen as arrays, and turned the way the file says they are displayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from .datatypes import Plane

__all__ = ["Orientation", "pixels"]


def pixels(plane: VideoPlane) -> Plane:
    """(height, width) uint8 view of an 8-bit plane, without the padding of its rows; writing changes the frame."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


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
        """A plane as it is displayed, C-contiguous; always a copy."""
        return np.rot90(plane, self.quarter_turns).copy(order="C")
