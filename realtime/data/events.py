"""Expressions as events: when each begins, is strongest and ends, for every track."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from fer_live.realtime.datatypes import Result

__all__ = ["BRIDGED_S", "LEAST_S", "NEUTRAL", "Event", "EventFinder"]

NEUTRAL = "neutral"
"""The label that is no event."""

LEAST_S = 0.2
"""Shorter events are left out. Expressions on the face last from half a second to four seconds, the briefest about a
fifth of one (Ekman 2003, Emotions Revealed); the labels themselves are steadied over 0.2 s."""

BRIDGED_S = 0.2
"""An event goes on over an interruption (another label, doubt, the face out of sight) that is shorter than this."""


@dataclass(frozen=True, slots=True)
class Event:
    """One expression of one face.

    ``onset_s``: the first frame that shows it. ``apex_s``: the frame with its largest smoothed probability, the first
    of equals. ``offset_s``: the first frame that does not show it any more, or the end of the video. ``strength``:
    the probability at the apex; ``mean``: of the frames that show it; both 0..1. ``first_frame``, ``last_frame``:
    indexes of the first and the last frame that show it.
    """

    track: int
    label: str
    onset_s: float
    apex_s: float
    offset_s: float
    strength: float
    mean: float
    first_frame: int
    last_frame: int


@dataclass(frozen=True, slots=True)
class _Seen:
    time_s: float
    frame: int
    label: str | None  # None where there is nothing to claim
    probability: float


@dataclass(slots=True)
class _Open:
    first: _Seen
    apex: _Seen
    last: _Seen
    total: float
    count: int
    ends_s: float | None = None  # the first frame after ``last``

    def add(self, seen: _Seen) -> None:
        self.last, self.ends_s = seen, None
        self.total += seen.probability
        self.count += 1
        if seen.probability > self.apex.probability:
            self.apex = seen


class EventFinder:
    """Finds the events of every track, frame by frame. A track has at most one event at a time.

    An event is a run of frames that show one label other than :data:`NEUTRAL`, without doubt. Interruptions shorter
    than :data:`BRIDGED_S` belong to it; what is shorter than :data:`LEAST_S` in all is left out.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._events: list[Event] = []
        self._last_s = self._step_s = 0.0
        self._count = 0

    def add(self, result: Result) -> None:
        """Take the next frame; where its time is before the last one's, no time has passed."""
        time_s = max(result.frame.time_s, self._last_s) if self._count else result.frame.time_s
        if self._count:
            self._step_s = time_s - self._last_s
        self._last_s, self._count = time_s, self._count + 1
        said, index = result.expressions, result.frame.index
        rows = {track: row for row, track in enumerate(result.track_ids.tolist())}
        for track in [track for track in self._tracks if track not in rows]:
            if self._tracks[track].add(_Seen(time_s, index, None, 0.0), self._events):
                del self._tracks[track]
        for track, row in rows.items():
            shown = int(said.shown[row])
            label = said.raw.labels[shown] if said.doubts[row] is None else None
            probability = float(said.smoothed.probabilities[row, shown])
            seen = _Seen(time_s, index, None if label == NEUTRAL else label, probability)
            self._tracks.setdefault(track, _Track(track)).add(seen, self._events)

    def take(self) -> list[Event]:
        """The events that ended since the last call, in the order of their ends; :meth:`end` gives them no more."""
        ended, self._events = self._events, []
        return ended

    def end(self) -> list[Event]:
        """No frames follow: all events, by onset, then track. The last frame lasts as long as the one before."""
        for track in self._tracks.values():
            track.end(self._last_s + self._step_s, self._events)
        self._tracks.clear()
        return sorted(self._events, key=lambda event: (event.onset_s, event.track))


class _Track:
    def __init__(self, key: int) -> None:
        self._key = key
        self._open: _Open | None = None
        self._waiting: deque[_Seen] = deque()  # the frames of an interruption that is not yet long enough

    def add(self, seen: _Seen, events: list[Event]) -> bool:
        """Take a frame; whether nothing is kept of the track."""
        queue = deque([seen])
        while queue:
            self._step(queue, events)
        return self._open is None

    def end(self, ends_s: float, events: list[Event]) -> None:
        while self._open is not None:
            self._close(ends_s, events)
            queue, self._waiting = self._waiting, deque()
            while queue:
                self._step(queue, events)

    def _step(self, queue: deque[_Seen], events: list[Event]) -> None:
        seen = queue.popleft()
        if self._open is None:
            if seen.label is not None:
                self._open = _Open(seen, seen, seen, seen.probability, 1)
            return
        interrupted_s = seen.time_s - (seen.time_s if self._open.ends_s is None else self._open.ends_s)
        if interrupted_s >= BRIDGED_S - 1e-9:
            self._close(seen.time_s, events)
            # What interrupted it may be an event of its own.
            queue.appendleft(seen)
            queue.extendleft(reversed(self._waiting))
            self._waiting.clear()
        elif seen.label == self._open.first.label:
            self._open.add(seen)
            self._waiting.clear()
        else:
            if self._open.ends_s is None:
                self._open.ends_s = seen.time_s
            self._waiting.append(seen)

    def _close(self, now_s: float, events: list[Event]) -> None:
        assert self._open is not None
        done, self._open = self._open, None
        offset_s = now_s if done.ends_s is None else done.ends_s
        if offset_s - done.first.time_s < LEAST_S - 1e-9:
            return
        events.append(
            Event(
                self._key,
                str(done.first.label),
                done.first.time_s,
                done.apex.time_s,
                offset_s,
                done.apex.probability,
                done.total / done.count,
                done.first.frame,
                done.last.frame,
            )
        )
