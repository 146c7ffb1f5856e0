"""How late a live picture is: from the moment when its source gives a frame until it stands in the window.

    xvfb-run -a python benchmarks/latency.py CLIP [--seconds 15] [--case NAME ...]

The clip's frames are decoded in advance and given again and again at ``--fps``, by the clock, as a camera would: the
figures are those of the engine, without decoding. Where there is no display the end is the frame's hand-over, and that
is said. *cores* is the CPU time of the whole process per second; the X server's own is not in it. The first two seconds
of each case, with what is done once, are left out.

Cases: *window*; *window and recording*; then machines that are too slow, made of an engine that has to wait: *slow
classifier* (50 ms more for each run, every face on every frame), *slow detector* (80 ms more at 640 pixels, less in
proportion to the area of the copy), and that one with ``--target-latency 30``; and *exact*, for which most machines are
too slow in earnest.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from fer_live.machine import measured_on
from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.datatypes import Faces, Frame, Predictions, Result, SourceInfo
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier, bundled_model
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.sinks.video_file import VideoFileSink
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.video_file import FileSource
from fer_live.realtime.stats import RecentStats, Summary
from fer_live.realtime.view.overlay import Overlay
from fer_live.realtime.view.window import Window, why_no_display

WARM_UP_S = 2.0
STAGES = ("wait", "detect", "classify", "smooth", "draw", "write", "show")


class PacedSource:
    """Gives copies of frames by the clock, round and round; a frame that nobody takes is lost, as a camera's is."""

    state = SourceState()
    warnings = ()

    def __init__(self, frames: Sequence[Frame], fps: Fraction, seconds: float) -> None:
        self._frames, self._fps, self._count = frames, fps, round(seconds * fps)
        self._stopped = threading.Event()
        self.info = SourceInfo("paced", frames[0].size_wh, fps, None, is_live=True)

    def stop(self) -> None:
        """End the iteration."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        started_s = time.perf_counter()
        for index in range(self._count):
            given = self._frames[index % len(self._frames)]
            time_s = float(index / self._fps)
            frame = replace(given, y=given.y.copy(), u=given.u.copy(), v=given.v.copy(), index=index, time_s=time_s)
            if self._stopped.wait(max(0.0, started_s + time_s - time.perf_counter())):
                return
            yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class SlowClassifier:
    """Another classifier, and a pause."""

    def __init__(self, inner: OnnxClassifier, pause_s: float) -> None:
        self._inner, self._pause_s = inner, pause_s
        self.contract, self.provider = inner.contract, inner.provider

    def classify(self, crops: np.ndarray) -> Predictions:
        """As the inner one, later."""
        time.sleep(self._pause_s)
        return self._inner.classify(crops)


class SlowDetector:
    """Another detector, and a pause that grows with the area of the copy."""

    def __init__(self, inner: Any, pause_s: float) -> None:
        self._inner, self._pause_s = inner, pause_s
        self.name, self.detect_size = inner.name, inner.detect_size

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        """As the inner one, later."""
        time.sleep(self._pause_s * ((detect_size or self.detect_size) / self.detect_size) ** 2)
        faces: Faces = self._inner.detect(frame, detect_size, known)
        return faces


@dataclass(slots=True)
class Collected:
    """An observer that keeps everything after the warm-up."""

    began_s: float = field(default_factory=time.perf_counter)
    cpu_s: float | None = None
    from_s: float = 0.0
    spent_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    ages_ms: list[float] = field(default_factory=list)
    faces: int = 0
    drops: int = 0

    def _is_warm(self) -> bool:
        if self.cpu_s is None and time.perf_counter() - self.began_s >= WARM_UP_S:
            self.cpu_s, self.from_s = time.process_time(), time.perf_counter()
        return self.cpu_s is not None

    def worked(self, stage: str, frames: Sequence[int], begin_s: float, end_s: float) -> None:
        """Keep what the window takes; the other stages' times come with the result."""
        if stage == "show" and self._is_warm():
            self.spent_ms[stage].append(1e3 * (end_s - begin_s))

    def queued(self, queue: str, length: int) -> None:
        """Nothing to keep."""

    def dropped(self, frame: int) -> None:
        """Count it."""
        self.drops += self._is_warm()

    def finished(self, result: Result, now_s: float) -> None:
        """Keep its age and what the stages took."""
        if self._is_warm():
            self.ages_ms.append(1e3 * (now_s - result.grabbed_s))
            self.faces += len(result.faces)
            for stage, ms in result.latency_ms.items():
                self.spent_ms[stage].append(ms)

    def cores(self) -> float:
        """CPU seconds a second."""
        return (time.process_time() - (self.cpu_s or 0.0)) / (time.perf_counter() - self.from_s)


CASES: dict[str, dict[str, Any]] = {
    "window": {},
    "window and recording": {"record": True},
    "slow classifier": {"classifier_s": 0.050, "classify_every": 1},
    "slow detector": {"detector_s": 0.080},
    "slow detector, target 30 ms": {"detector_s": 0.080, "target_latency_ms": 30.0},
    "exact": {"exact": True},
}


def run(
    frames: Sequence[Frame],
    fps: Fraction,
    seconds: float,
    *,
    window: bool,
    hud: bool = False,
    record: bool = False,
    classifier_s: float = 0.0,
    detector_s: float = 0.0,
    exact: bool = False,
    **options: Any,
) -> tuple[Collected, Summary, int, float]:
    """One case: what was seen, the summary, frames that came out and were replaced before they were shown, cores."""
    with ExitStack() as stack:
        source = stack.enter_context(PacedSource(frames, fps, seconds))
        inner = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
        classifier = SlowClassifier(inner, classifier_s) if classifier_s else inner
        size = max(source.info.size_wh) if exact else 640
        detector = stack.enter_context(create_detector(detect_size=size, framing=inner.contract.framing))
        if exact:
            options |= {"detect_every": 1, "classify_every": 1}
        found = SlowDetector(detector, detector_s) if detector_s else detector
        sinks = []
        if record:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            sinks.append(stack.enter_context(VideoFileSink(Path(folder) / "out.mp4", source.info, copy_from=None)))
        display: Channel[Result] | None = Channel(1, Overflow.DROP_OLDEST) if window else None
        stats = RecentStats(detector.name, classifier.provider, is_live=True)
        seen = Collected()
        observers = [seen, stats] if window else [seen]
        pipeline = Pipeline(source, found, classifier, sinks, display, observers=observers, **options)
        pipeline.start()
        if display is not None:
            overlay = Overlay(stats.figures, lambda: source.state)
            overlay.hud = hud
            title, size_wh = "latency", source.info.size_wh
            Window(title, display, overlay, size_wh, pipeline.observers, paced=False, on_quit=pipeline.stop).run()
        pipeline.wait_until_done()
        cores = seen.cores()
        return seen, pipeline.wait(), display.dropped if display is not None else 0, cores


def percentiles(values: Sequence[float], *wanted: float) -> str:
    return " / ".join(f"{value:.1f}" for value in np.percentile(values, wanted)) if values else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--fps", type=Fraction, default=Fraction(30))
    parser.add_argument("--seconds", type=float, default=15.0, help="of each case, the warm-up included")
    parser.add_argument("--case", action="append", choices=list(CASES), help="[default: all]")
    parser.add_argument("--hud", action="store_true", help="show the HUD")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    with FileSource(wanted.clip) as source:
        frames = list(source)
    no_window = why_no_display()
    shown = "handed over, without a window" if no_window else "in a window"
    print(measured_on(("onnxruntime-gpu", "av", "opencv-python")), end="; ")
    print(f"{wanted.clip.name} at {wanted.fps} fps, {shown}\n")
    print("| case | frames | faces | latency p50 / p95 / p99 / max ms | dropped | not shown | cores |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    stages = []
    for name in wanted.case or CASES:
        seen, _, not_shown, cores = run(
            frames, wanted.fps, wanted.seconds, window=no_window is None, hud=wanted.hud, **CASES[name]
        )
        n = len(seen.ages_ms)
        ages = percentiles(seen.ages_ms, 50, 95, 99, 100)
        row = (name, str(n), f"{seen.faces / max(1, n):.1f}", ages, str(seen.drops), str(not_shown), f"{cores:.2f}")
        print(f"| {' | '.join(row)} |", flush=True)
        stages.append((name, *(percentiles(seen.spent_ms[stage], 50, 95) for stage in STAGES)))
    print(f"\n| p50 / p95 ms | {' | '.join(STAGES)} |\n|---|{'---:|' * len(STAGES)}")
    for row in stages:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
