"""What a report tells, gathered frame by frame; its memory does not grow with the length of the run."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.data.events import Event, EventFinder
from fer_live.realtime.datatypes import Doubt, Result

from .curves import Curves
from .distribution import Distribution
from .spans import Spans
from .thumbnails import Thumbnails

__all__ = ["FaceSeen", "Gathering"]

MOST_FACES = 200
"""Faces that have a timeline of their own, those that were seen on most frames; the totals are of all."""

MOST_SPANS = 60_000
"""Spans of all timelines together; with more, short ones are joined."""

MOST_EVENTS = 1000
"""Events of one face, its strongest."""

FIRST_JOIN_S = 0.5
"""What is joined first is within this time."""

STANDS_S = 1.0
"""Live, a frame stands for no longer than this: where none comes, nothing is seen."""


@dataclass(slots=True)
class FaceSeen:
    """What was seen of one track. ``frames``: that show it; ``states``: of them, how many show each state.

    ``events``: a heap of its strongest with what orders them. ``event_count``: of all.
    """

    track: int
    states: NDArray[np.int64]
    first_s: float
    last_s: float = 0.0
    frames: int = 0
    spans: Spans = field(default_factory=Spans)
    side_px: Distribution = field(default_factory=Distribution)
    events: list[tuple[float, float, Event]] = field(default_factory=list)
    event_count: int = 0


class Gathering:
    """Takes results, and tells what the report says of them.

    A state is what a face shows on a frame: one of the labels, or one of the reasons to claim none.

    Args:
        labels: the model's.
        frame_s: time between two frames, 1/25 where unknown.
        is_live: of the source.
        thumbnails: has pictures of the faces; None where none are shown.
    """

    def __init__(self, labels: Sequence[str], frame_s: float, *, is_live: bool, thumbnails: Thumbnails | None) -> None:
        self.labels = tuple(labels)
        self.states = (*self.labels, *Doubt)
        """By number."""
        self.frames = self.frames_with_faces = 0
        self.most_at_once = 0
        """Faces on one frame."""
        self.totals = np.zeros(len(self.states), np.int64)
        """Faces on frames, of all tracks, by state."""
        self.all_events = 0
        self.faces: dict[int, FaceSeen] = {}
        self.curves = Curves(frame_s, len(self.labels))
        self.side_px, self.latency_ms = Distribution(), Distribution()
        self.thumbnails = thumbnails
        self.joined_s = 0.0
        """Within how much time spans were joined; 0 where none were."""
        self.first_s = self.end_s = 0.0
        """When the first frame begins and the last ends."""
        self.wall_s = 0.0
        """From the first frame's result to the last one's."""
        self._began_s: float | None = None
        self._finder = EventFinder()
        self._is_live, self._step_s = is_live, frame_s
        self._last_s = 0.0
        self._open: dict[int, tuple[float, int]] = {}  # by track: since when, which state
        self._span_count = 0

    def add(self, result: Result) -> None:
        """Take the next frame; where its time is before the last one's, no time has passed."""
        time_s, now_s = result.frame.time_s, time.perf_counter()
        if self._began_s is None:
            self._began_s, self.first_s, self._last_s = now_s, time_s, time_s
        time_s = max(time_s, self._last_s)
        self.wall_s = now_s - self._began_s
        self._pass_to(time_s)
        self.frames += 1
        self.frames_with_faces += bool(len(result.faces))
        self.most_at_once = max(self.most_at_once, len(result.faces))
        self.latency_ms.add(1e3 * (now_s - result.grabbed_s))
        self._finder.add(result)
        for event in self._finder.take():
            self._add_event(event)
        states, before = self._states_of(result), set(self._open)
        for track, (since_s, state) in list(self._open.items()):
            if states.get(track) != state:
                self._close(track, since_s, time_s, state)
        for row, (track, state) in enumerate(states.items()):
            self._open.setdefault(track, (time_s, state))
            self._add_face(track, state, time_s, result, row)
            after_s, row_of = time_s - self.first_s, result.expressions.smoothed.probabilities[row]
            self.curves.add(track, after_s, row_of, goes_on=track in before)
        if len(self.faces) > 2 * MOST_FACES:
            self._keep_longest(MOST_FACES)
        if self._span_count > MOST_SPANS:
            self._join()

    def end(self) -> None:
        """No frames follow; the last one lasts as long as the one before."""
        self.end_s = self._last_s + (self._step_s if self.frames else 0.0)
        for track, (since_s, state) in list(self._open.items()):
            self._close(track, since_s, self.end_s, state)
        for event in self._finder.end():
            self._add_event(event)
        self._keep_longest(MOST_FACES)
        if self.joined_s:
            self._coarsen()

    def events(self) -> list[Event]:
        """The events that were kept of the faces that were, by onset, then track."""
        kept = [event for face in self.faces.values() for _, _, event in face.events]
        return sorted(kept, key=lambda event: (event.onset_s, event.track))

    def _pass_to(self, time_s: float) -> None:
        """The frame before lasts until ``time_s``, live not for ever."""
        passed_s = time_s - self._last_s
        if self._is_live and passed_s > STANDS_S:
            for track, (since_s, state) in list(self._open.items()):
                self._close(track, since_s, self._last_s + STANDS_S, state)
        elif passed_s > 0:
            self._step_s = passed_s
        self._last_s = time_s

    def _states_of(self, result: Result) -> dict[int, int]:
        """By track, in the order of the faces."""
        said = result.expressions
        shown, offset = said.shown.tolist(), len(self.labels)
        order = list(Doubt)
        return {
            track: shown[row] if (doubt := said.doubts[row]) is None else offset + order.index(doubt)
            for row, track in enumerate(result.track_ids.tolist())
        }

    def _add_face(self, track: int, state: int, time_s: float, result: Result, row: int) -> None:
        face = self.faces.get(track)
        if face is None:
            face = self.faces[track] = FaceSeen(track, np.zeros(len(self.states), np.int64), time_s)
        face.frames += 1
        face.last_s = time_s
        face.states[state] += 1
        self.totals[state] += 1
        side_px = float(result.faces.squares[row, 2])
        face.side_px.add(side_px)
        self.side_px.add(side_px)

    def _close(self, track: int, since_s: float, end_s: float, state: int) -> None:
        del self._open[track]
        if (face := self.faces.get(track)) is not None:
            before = len(face.spans)
            face.spans.add(since_s, end_s, state)
            self._span_count += len(face.spans) - before

    def _add_event(self, event: Event) -> None:
        self.all_events += 1
        if (face := self.faces.get(event.track)) is None:
            return
        face.event_count += 1
        heapq.heappush(face.events, (event.strength, -event.onset_s, event))
        if len(face.events) > MOST_EVENTS:
            heapq.heappop(face.events)

    def _keep_longest(self, count: int) -> None:
        ranked = sorted(self.faces.values(), key=lambda face: (-face.frames, face.track))
        for face in ranked[count:]:
            del self.faces[face.track]
            self.curves.drop(face.track)
            if self.thumbnails is not None:
                self.thumbnails.drop(face.track)
            self._span_count -= len(face.spans)

    def _join(self) -> None:
        self.joined_s = self.joined_s or FIRST_JOIN_S / 2
        while self._span_count > MOST_SPANS // 2 and self.joined_s < 2**30:
            self.joined_s *= 2
            self._coarsen()

    def _coarsen(self) -> None:
        for face in self.faces.values():
            face.spans = face.spans.coarsened(self.joined_s)
        self._span_count = sum(len(face.spans) for face in self.faces.values())
