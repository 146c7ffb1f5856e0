"""Whether fer-live stays as it is for an hour: memory, open files, threads and time a frame.

    python benchmarks/soak.py [CLIP] [--frames 108000] [--sink encode|count]

The clip's first frames are kept in memory and given to the whole pipeline again and again, as one long file: detector,
tracker, classifier, drawing, and an encoder whose file is deleted afterwards (or a sink that only counts). The 108,000
frames of the default are an hour at 30 frames a second. Twelve intervals are printed; the first one is for warming up.

Passes where from the first interval to any later one memory grows by 20 MiB at most, no file and no thread stays open,
and the last interval takes less than 1.2 times as long a frame as the first. On a machine with other work to do only
the time may fail; ``--no-time`` leaves it out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2

from fer_live.machine import measured_on
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.video_file import FileSource

INTERVALS = 12
FPS = 30
MOST_GROWTH_MIB = 20
MOST_TIME_RATIO = 1.2
IN_MEMORY = 250


class LoopedSource:
    """The first frames of a clip, again and again; a :class:`~fer_live.realtime.datatypes.Source`."""

    warnings: tuple[str, ...] = ()

    def __init__(self, clip: Path, frames: int) -> None:
        with FileSource(clip) as source:
            self._given = list(itertools.islice(source, IN_MEMORY))
            self.info = replace(source.info, fps=Fraction(FPS), frame_count=frames)
        self._frames = frames
        self._stopped = False

    @property
    def state(self) -> SourceState:
        """Memory is never lost."""
        return SourceState()

    def stop(self) -> None:
        """End after the frame at hand."""
        self._stopped = True

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._frames):
            if self._stopped:
                return
            given = self._given[index % len(self._given)]
            # Copies, as from a decoder: they are drawn on.
            yield replace(given, y=given.y.copy(), u=given.u.copy(), v=given.v.copy(), index=index, time_s=index / FPS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Reading:
    """What is in use at the end of an interval; ``ms`` a frame in it."""

    frames: int
    memory_mib: float
    files: int
    threads: int
    ms: float

    @classmethod
    def now(cls, frames: int, ms: float) -> Reading:
        """What is in use now; needs Linux's /proc."""
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        memory_mib = int(status["VmRSS"].split()[0]) / 1024
        return cls(frames, memory_mib, len(os.listdir("/proc/self/fd")), threading.active_count(), ms)


class Meter:
    """Takes a reading after each interval; a :class:`~fer_live.realtime.datatypes.Sink` behind the others."""

    needs_pixels = True

    def __init__(self, interval: int) -> None:
        self._interval, self._began_s = interval, time.perf_counter()
        self.readings: list[Reading] = []

    def write(self, result: Result) -> None:
        """Count; take a reading where an interval ends."""
        done = result.frame.index + 1
        if done % self._interval:
            return
        now_s = time.perf_counter()
        reading = Reading.now(done, 1e3 * (now_s - self._began_s) / self._interval)
        self.readings.append(reading)
        self._began_s = now_s
        row = (f"{done:,}", f"{reading.memory_mib:.1f}", reading.files, reading.threads, f"{reading.ms:.2f}")
        print(f"| {' | '.join(map(str, row))} |", flush=True)

    def finish(self) -> None:
        """Nothing to complete."""


def failures(readings: list[Reading], *, with_time: bool) -> list[str]:
    """What did not stay as it was after the first interval."""
    first, later = readings[0], readings[1:]
    found = []
    growth = max(reading.memory_mib for reading in later) - first.memory_mib
    if growth > MOST_GROWTH_MIB:
        found.append(f"memory grew by {growth:.1f} MiB")
    for name in ("files", "threads"):
        most = max(getattr(reading, name) for reading in later)
        if most > getattr(first, name):
            found.append(f"{name}: {getattr(first, name)}, later {most}")
    ratio = later[-1].ms / first.ms
    if with_time and ratio >= MOST_TIME_RATIO:
        found.append(f"a frame takes {ratio:.2f} times as long in the last interval as in the first")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sample = Path(__file__).parents[1] / "samples" / "astronaut.mp4"
    parser.add_argument("clip", nargs="?", type=Path, default=sample)
    parser.add_argument("--frames", type=int, default=3600 * FPS)
    parser.add_argument("--sink", choices=("encode", "count"), default="encode")
    parser.add_argument("--no-time", action="store_true", help="the machine is busy: judge memory, files and threads")
    wanted = parser.parse_args()
    if wanted.frames < INTERVALS:
        parser.error(f"--frames must be at least {INTERVALS}")
    print(measured_on(("onnxruntime-gpu", "av", "opencv-python")))
    cv2.setNumThreads(1)
    meter = Meter(wanted.frames // INTERVALS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = stack.enter_context(LoopedSource(wanted.clip, wanted.frames))
        sinks: list[Any] = [meter]
        if wanted.sink == "encode":
            sinks.insert(0, stack.enter_context(VideoFileSink(folder / "soak.mp4", source.info, copy_from=None)))
        classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
        detector = stack.enter_context(create_detector("yunet", framing=classifier.contract.framing))
        width, height = source.info.size_wh
        print(f"{wanted.clip.name}, {width}x{height}, {wanted.frames:,} frames, sink {wanted.sink}\n")
        print("| frames | memory MiB | open files | threads | ms a frame |\n|---:|---:|---:|---:|---:|")
        summary = Pipeline(source, detector, classifier, sinks).run()
    assert summary.frames == wanted.frames
    found = failures(meter.readings, with_time=not wanted.no_time)
    print(f"\n{'; '.join(found) or 'passed'}; {summary.faces:,} faces, {summary.seconds:.0f} s")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
