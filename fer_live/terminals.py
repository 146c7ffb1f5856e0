"""Who is there to see what a command shows."""

from __future__ import annotations

from typing import TextIO

__all__ = ["is_terminal"]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; ``sys.stdout`` and ``sys.stderr`` are None where they were closed, in a service."""
    return stream is not None and stream.isatty()
