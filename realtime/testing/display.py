"""A screen that nobody sees, for windows of tests and pictures."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["virtual_display"]


@contextmanager
def virtual_display(width: int, height: int) -> Iterator[str]:
    """Start Xvfb, stop it after the block.

    Yields:
        What DISPLAY names it by.

    Raises:
        FileNotFoundError: Xvfb is not installed.
    """
    read, write = os.pipe()
    with os.fdopen(read) as told:
        arguments = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
        try:
            server = subprocess.Popen(arguments, pass_fds=[write], stderr=subprocess.DEVNULL)
        finally:
            os.close(write)
        with server:
            try:
                yield f":{told.readline().strip()}"
            finally:
                server.terminate()
