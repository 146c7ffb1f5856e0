"""A trace of a run for chrome://tracing or https://ui.perfetto.dev, in the Trace Event Format.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Self

from fer_live.errors import SinkError
from fer_live.files import replacing

from .datatypes import Result
from .sinks.targets import check_target

__all__ = ["MOST_EVENTS", "Trace"]

MOST_EVENTS = 300_000
"""Of a longer run the last so many events are kept: about fifteen minutes live, 70 MB of memory."""

_Event = tuple[str, str, float, float, str, Any]  # phase, name, begin, end, thread, what goes with it


class Trace:
    """An :class:`~.observer.Observer` that writes what happened to a file when its context is left, also by an error,
    unless that came before anything happened.

    Every stage's work on a frame, or on a batch, is a complete event ("X") of its thread with the frames' indexes;
    dropped frames are instant events ("i"); lengths of queues and the age of frames as they come out are counters
    ("C"). Times are microseconds from the construction.

    Args:
        path: the target; replaced at the end as a whole.

    Raises:
        SinkError: at construction, where the target cannot be written; at the end, where writing fails.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path, _ = check_target(Path(path), None)
        self._start_s = time.perf_counter()
        # Appending is atomic, so the stages need no lock.
        self._events: deque[_Event] = deque(maxlen=MOST_EVENTS)

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """Note a stage's work."""
        self._events.append(("X", stage, begin_s, end_s, threading.current_thread().name, frames))

    def queued(self, queue: str, length: int) -> None:
        """Note a queue's length."""
        self._events.append(("C", f"queue: {queue}", time.perf_counter(), 0.0, "", {"frames": length}))

    def dropped(self, frame: int) -> None:
        """Note a frame that is lost."""
        self._events.append(("i", "dropped", time.perf_counter(), 0.0, threading.current_thread().name, [frame]))

    def finished(self, result: Result, now_s: float) -> None:
        """Note how old a frame was when it came out."""
        age_ms = round(1e3 * (now_s - result.grabbed_s), 3)
        self._events.append(("C", "age", now_s, 0.0, "", {"ms": age_ms}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, on_its_way: BaseException | None, __: object) -> None:
        if on_its_way is not None and not self._events:  # there was no run
            return
        with (
            suppress(SinkError) if on_its_way is not None else nullcontext(),
            replacing(self._path) as partial,
            partial.open("w", encoding="utf-8") as file,
        ):
            file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
            separator = ""
            for document in self._documents(list(self._events)):
                file.write(separator + json.dumps(document))
                separator = ",\n"
            file.write("\n]}\n")

    def _documents(self, events: Sequence[_Event]) -> Iterator[dict[str, Any]]:
        process = os.getpid()
        names = dict.fromkeys(thread for *_, thread, _ in events if thread)
        numbers = {thread: number for number, thread in enumerate(names, 1)}
        yield {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": "fer-live"}}
        for thread, number in numbers.items():
            yield {"name": "thread_name", "ph": "M", "pid": process, "tid": number, "args": {"name": thread}}
        for phase, name, begin_s, end_s, thread, said in events:
            document = {"name": name, "ph": phase, "ts": self._us(begin_s), "pid": process}
            document["tid"] = numbers.get(thread, 0)
            if phase == "C":
                document["args"] = said
            else:
                document["args"] = {"frame": said[0]} if len(said) == 1 else {"frames": list(said)}
            if phase == "X":
                document["dur"] = round(max(0.0, 1e6 * (end_s - begin_s)), 3)
            if phase == "i":
                document["s"] = "t"
            yield document

    def _us(self, time_s: float) -> float:
        return round(1e6 * (time_s - self._start_s), 3)
