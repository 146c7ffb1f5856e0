"""What a run did, counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .datatypes import Result

__all__ = ["Counter", "Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    ``frames``: written or shown. ``faces``: in all of them together. ``tracks``: different faces. ``dropped``: frames
    that a live source gave and nobody had time for. ``seconds``: wall time from the first frame read to the last one
    done. ``median_ms``: per stage, of the work on one frame. ``stopped``: ended early on request.
    """

    frames: int
    faces: int
    tracks: int
    dropped: int
    seconds: float
    provider: str
    median_ms: Mapping[str, float]
    stopped: bool

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


@dataclass(slots=True)
class Counter:
    """Counts results as they come; used by one thread."""

    frames: int = 0
    faces: int = 0
    _latency_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: Result) -> None:
        """Count one result."""
        self.frames += 1
        self.faces += len(result.faces)
        for stage, milliseconds in result.latency_ms.items():
            recent = self._latency_ms[stage]
            recent.append(milliseconds)
            # A bounded memory for runs of days: the older half goes.
            if len(recent) > 20_000:
                del recent[:10_000]

    def median_ms(self) -> dict[str, float]:
        """Median milliseconds a frame, by stage."""
        return {stage: float(np.median(values)) for stage, values in self._latency_ms.items()}
