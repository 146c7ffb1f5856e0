"""What a run did, counted, and how it does lately."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .datatypes import Result
from .observer import Observer
from .view.hud import HudFigures, StageFigures

__all__ = ["LATELY_S", "RecentStats", "Summary"]

LATELY_S = 3.0
"""Figures for a view are of the last so many seconds."""

_ORDER = ("read", "detect", "track", "classify", "smooth", "draw", "write", "show")
_STILL_S = 0.5  # after so long without another frame the last one's age is told as it grows
_MOST = 4096  # observations of a stage in that time at most: more are no better a sample


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    ``frames``: annotated, and written where there is a sink. ``faces``: in all of them together. ``tracks``: different
    faces. ``dropped``: frames that a live source gave and nobody had time for. ``seconds``: wall time from the start
    to the last frame done. ``provider``: the execution provider that the classifier ran on. ``paused``: frames of a
    live source that went by while the run stood still.
    """

    frames: int
    faces: int
    tracks: int
    dropped: int
    seconds: float
    provider: str
    paused: int = 0

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
            *([f"{self.paused:,} went by while paused"] if self.paused else []),
        ]
        return ", ".join(parts)


class RecentStats(Observer):
    """Keeps the last seconds' figures for the HUD. Thread-safe.

    Args:
        detector: its name.
        provider: the execution provider that classifies.
        model: its file's name, "" where none is told.
        is_live: frames have an age.
        clock: as ``time.perf_counter``.
    """

    def __init__(
        self,
        detector: str,
        provider: str,
        model: str = "",
        *,
        is_live: bool,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.set_engine(detector, provider, model)
        self._is_live, self._clock = is_live, clock
        self._lock = threading.Lock()
        self._stages: dict[str, deque[tuple[float, float]]] = {}  # (end, milliseconds a frame)
        self._finished: deque[float] = deque(maxlen=_MOST)
        self._grabbed_s: float | None = None
        self._finished_s = 0.0
        self._dropped = self._faces = 0

    def set_engine(self, detector: str, provider: str, model: str) -> None:
        """Others work from now on; ``model``: its file's name."""
        self._detector, self._provider, self._model = detector, provider, model

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """Count each frame's share."""
        if stage == "read" and self._is_live:
            return  # most of it is the camera's own time
        with self._lock:
            kept = self._stages.get(stage)
            if kept is None:
                kept = self._stages[stage] = deque(maxlen=_MOST)
            kept.append((end_s, 1e3 * (end_s - begin_s) / len(frames)))

    def dropped(self, frame: int) -> None:
        """Count it."""
        with self._lock:
            self._dropped += 1

    def finished(self, result: Result, now_s: float) -> None:
        """Note when, how old the frame was, and its faces."""
        with self._lock:
            self._finished.append(now_s)
            self._grabbed_s, self._finished_s = result.grabbed_s, now_s
            self._faces = len(result.faces)

    def figures(self) -> HudFigures:
        """Of the last :data:`LATELY_S` seconds; stages in the order of the pipeline."""
        now_s = self._clock()
        since_s = now_s - LATELY_S
        with self._lock:
            for kept in self._stages.values():
                while kept and kept[0][0] < since_s:
                    kept.popleft()
            while self._finished and self._finished[0] < since_s:
                self._finished.popleft()
            stages = {name: [ms for _, ms in self._stages.get(name, ())] for name in _ORDER}
            times, dropped, faces = list(self._finished), self._dropped, self._faces
            age_ms = None
            if self._is_live and self._grabbed_s is not None:
                seen_s = now_s if now_s - self._finished_s > _STILL_S else self._finished_s
                age_ms = 1e3 * (seen_s - self._grabbed_s)
        return HudFigures(
            tuple(StageFigures(name, *np.percentile(ms, (50, 95)).tolist()) for name, ms in stages.items() if ms),
            (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0,
            age_ms,
            dropped,
            self._provider,
            self._detector,
            faces,
            self._model,
        )
