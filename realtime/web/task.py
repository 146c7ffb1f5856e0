"""What a worker is told to do with an upload, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fer_live.realtime.run_options import RunOptions

from .media_types import MediaType

__all__ = ["Limits", "Task"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one upload and of all together.

    ``upload_bytes``: of a file. ``clip_pixels``: width times height of a clip's frames; of a photo
    :data:`~fer_live.realtime.photos.picture.MOST_PIXELS` is the limit. ``clip_s``: how long a clip may last.
    ``work_s``: how long a worker may work. ``memory_bytes``: what it may allocate, where the system can hold it to
    that. ``output_bytes``: of each file that it writes. ``at_work``: workers at a time. ``held``: uploads that a server
    keeps, in whatever state. ``away_s``: an unfinished one is given up when its page has been away so long;
    ``kept_s``: likewise a finished one. ``stalled_s``: how long an upload may stand still.
    """

    upload_bytes: int = 500 * 10**6
    clip_pixels: int = 4096 * 2304
    clip_s: float = 30 * 60.0
    work_s: float = 60 * 60.0
    memory_bytes: int = 4 * 2**30
    output_bytes: int = 4 * 2**30
    at_work: int = 1
    held: int = 12
    away_s: float = 30.0
    kept_s: float = 10 * 60.0
    stalled_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Task:
    """``folder``: all of it lies there. ``stem``: of all file names, that of nothing else. ``media_type``: what the
    file's first bytes say. ``name``: the file's where it came from, for messages and data, never a path. ``run``: how
    faces are found and read; its source and outputs do not count.
    """

    folder: Path
    stem: str
    media_type: MediaType
    name: str
    run: RunOptions
    limits: Limits = field(default_factory=Limits)

    @property
    def upload(self) -> str:
        """The uploaded file's name in the folder."""
        return self.stem + self.media_type.suffix
