"""What a run did, counted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    ``frames``: annotated, and written where there is a sink. ``faces``: in all of them together. ``tracks``: different
    faces. ``dropped``: frames that a live source gave and nobody had time for. ``seconds``: wall time from the start
    to the last frame done. ``provider``: the execution provider that the classifier ran on.
    """

    frames: int
    faces: int
    tracks: int
    dropped: int
    seconds: float
    provider: str

    @property
    def fps(self) -> float:
        """Frames a second of wall time."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def line(self) -> str:
        """The one line that stands at the end of a run."""
        parts = [
            f"{self.frames:,} frames",
            f"{self.faces:,} faces" + (f" in {self.tracks:,} tracks" if self.faces else ""),
            f"{self.fps:.1f} fps",
            self.provider,
            f"{self.dropped:,} dropped",
        ]
        return ", ".join(parts)
