"""What was shown of one face over time, as spans of one state each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Span", "Spans"]

_TOUCH_S = 1e-6


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start_s`` up to ``end_s``, which is when the first frame that is different begins."""

    start_s: float
    end_s: float
    state: int


class Spans:
    """Spans in the order of time, none overlaps another; between them the face was not seen. 17 bytes each."""

    def __init__(self) -> None:
        self._starts, self._ends, self._states = array("d"), array("d"), bytearray()

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[Span]:
        return map(Span, self._starts, self._ends, self._states)

    def add(self, start_s: float, end_s: float, state: int) -> None:
        """Take the next span; one with the state of the last one that begins where that ends makes it longer.

        Args:
            start_s: not before the end of the last one.
            end_s: not before ``start_s``.
            state: 0..255.
        """
        if len(self) and self._states[-1] == state and start_s - self._ends[-1] < _TOUCH_S:
            self._ends[-1] = end_s
            return
        self._starts.append(start_s)
        self._ends.append(end_s)
        self._states.append(state)

    def coarsened(self, step_s: float) -> Spans:
        """At most one span for each step of time: those that begin in one step become one.

        It reaches from the beginning of the first to the end of the last, over gaps within the step, and has the state
        that lasted longest, the first of equals. So when a face comes and goes is kept where the gap is longer.
        """
        coarse = Spans()
        cell, begin_s, end_s = -1, 0.0, 0.0
        lasted: dict[int, float] = {}

        def put() -> None:
            if lasted:
                coarse.add(begin_s, end_s, max(lasted, key=lasted.__getitem__))

        for span in self:
            its_cell = int(span.start_s // step_s)
            if its_cell != cell:
                put()
                lasted = {}
                cell, begin_s = its_cell, span.start_s
            end_s = span.end_s
            lasted[span.state] = lasted.get(span.state, 0.0) + span.end_s - span.start_s
        put()
        return coarse
