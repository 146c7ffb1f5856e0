"""What every edition of FER2013 has in common: the side of its images, and the official splits."""

from __future__ import annotations

import enum

__all__ = ["SIDE", "Usage"]

SIDE = 48


class Usage(enum.IntEnum):
    """FER2013's three official splits, in the order of the official file."""

    Training = 0
    PublicTest = 1
    PrivateTest = 2
