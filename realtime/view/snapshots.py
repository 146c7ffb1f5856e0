"""Single pictures, saved when somebody asks for one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Self

import cv2

from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Frame

__all__ = ["Snapshots"]


class Snapshots:
    """Saves frames as they were drawn, as PNG; a context manager, which waits for the last one.

    Names have the time of day in them, and nothing that exists is ever overwritten. A thread of its own works, so that
    the view does not stand.

    Args:
        folder: where they go; made when the first one is saved.
        tell: is given where a picture was saved, or why not, in one line; on that thread.
        now: the present, in local time.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], now: Callable[[], datetime] = datetime.now) -> None:
        self._folder, self._tell, self._now = folder, tell, now
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="fer-live snapshot")

    def save(self, frame: Frame) -> None:
        """Save a frame, soon."""
        self._writer.submit(self._save, frame, self._now())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(wait=True)

    def _save(self, frame: Frame, taken: datetime) -> None:
        try:
            path = self._write(cv2.imencode(".png", frame_to_bgr(frame))[1].tobytes(), taken)
        except OSError as error:
            self._tell(f"no picture was saved in {self._folder}: {error.strerror or error}")
        else:
            self._tell(f"saved {path}")

    def _write(self, png: bytes, taken: datetime) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"fer-live_{taken:%Y-%m-%d_%H-%M-%S}"
        for number in count(1):
            path = self._folder / (f"{stem}.png" if number == 1 else f"{stem}_{number}.png")
            try:
                file = path.open("xb")
            except FileExistsError:
                continue
            try:
                with file:
                    file.write(png)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            return path
        raise AssertionError  # numbers don't end
