"""Text as everything that shows or stores it takes it."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """``text`` with escapes in place of what isn't printable.

    That is control characters, which steer a terminal, and what Python makes of the bytes of a file's name that are no
    UTF-8: no encoder takes those, and OpenCV's functions for text crash on them.
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
