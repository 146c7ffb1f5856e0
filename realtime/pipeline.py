"""The engine: one thread a stage, joined by channels, ended by the last frame, a request or the first error.

    read ──▶ find + track + crop ──▶ classify + smooth ──▶ annotate + write ──▶ (display)

Live, the channel after the reader holds one frame and drops the oldest: the only place where a frame can be lost.
From there a frame is let in when it won't wait inside. From a file every channel blocks: each frame comes out once, in
order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from fer_live.errors import FerLiveError
from fer_live.preprocess import crop_faces

from .admission import Admission
from .channel import Channel, Overflow
from .datatypes import Classifier, Detector, Floats, Frame, Looker, Predictions, Result, Sink, Source
from .governor import Effort, Governor
from .labels.labelling import Labeller
from .labels.quality import measure
from .observer import Observer, Observers
from .pause import Pause
from .setup import Setup, check_same_crops, check_same_framing, check_same_labels
from .stats import Summary
from .tracking.finder import FaceFinder, Found
from .tracking.freshness import Freshness
from .tracking.heads import HeadFinder
from .view.drawing import Drawing

__all__ = ["Pipeline"]

BATCH_FRAMES = 8
"""Most frames of a file that a stage takes and hands on at once, and whose faces are classified in one run."""

BATCH_BYTES = 16 * 2**20
"""What a batch's pixels take at most, so that large frames don't fill the memory; one frame is always taken."""

LEAST_EFFORT_PX = 128
"""Longer side of the copy that is still searched however little effort is made, unless less was asked for."""

JOIN_S = 10.0
"""How long a thread may take to end after all channels were aborted or drained."""


_Read = tuple[Frame, float, bool]
"""A frame, when it was grabbed, and whether it is the last one before a pause."""


@dataclass(frozen=True, slots=True)
class _Detected:
    frame: Frame
    grabbed_s: float
    is_last: bool
    setup: Setup
    found: Found
    heads: Floats | None
    rows: NDArray[np.intp]  # (M,) of the N faces, those that are classified
    crops: NDArray[np.uint8]  # (M, 1, S, S), as the setup's classifier wants them
    latency_ms: dict[str, float]


class Pipeline:
    """Runs a source through detector, tracker, classifier and annotator into sinks.

    Args:
        source: where frames come from; the caller opens and closes it, and all else.
        detector: finds faces.
        classifier: labels them.
        sinks: take every result, in order; annotated where a sink needs pixels or there is a display.
        display: also gets every result, for a window on the main thread; closed at the end. Whoever takes it tells
            ``observers`` what was finished; without one, that is what was written.
        detect_every: see :class:`~.finder.FaceFinder`.
        classify_every: see :class:`~.freshness.Freshness`.
        smooth: show expressions smoothed over time, else the classifier's newest answer.
        observers: look on, see :class:`~.observer.Observer`.
        target_latency_ms: spend less on faces where frames come out later than this; see :class:`~.governor.Governor`.
        batch_frames: most frames of a file that a stage takes at once; 1 where somebody watches who wants to see at
            once what they change.
        heads: finds what is to be covered; None where faces are shown.
        drawing: what is done to the picture; None: faces are annotated.
        bare_display: the display gets pictures on which nothing is drawn; heads are covered on them, too.
        other: also reads every face that the classifier reads, for comparison; None for nobody.
        calibrate_s: how long each face's neutral is learned, to tell the changes from it; None: not at all.
        on_change: called with the new setup and the first frame that is worked on with it, on the detector's thread.
    """

    def __init__(
        self,
        source: Source,
        detector: Detector,
        classifier: Classifier,
        sinks: Sequence[Sink] = (),
        display: Channel[Result] | None = None,
        *,
        detect_every: int | None = None,
        classify_every: int | None = None,
        smooth: bool = True,
        observers: Sequence[Observer] = (),
        target_latency_ms: float | None = None,
        batch_frames: int = BATCH_FRAMES,
        heads: HeadFinder | None = None,
        drawing: Drawing | None = None,
        bare_display: bool = False,
        other: Classifier | None = None,
        calibrate_s: float | None = None,
        on_change: Callable[[Setup, Frame], None] = lambda _, __: None,
    ) -> None:
        live = source.info.is_live
        self._source = source
        self._setup = self._wanted = Setup(detector, classifier, smooth, other)
        if other is not None:
            check_same_crops(classifier.contract, other.contract)
        self._wanted_lock = threading.Lock()
        self._on_change = on_change
        self.pause = Pause(live=live)
        """Holds the run up while it is on."""
        self._sinks, self._display = sinks, display
        self._effort: Effort | None = None
        self._finder = FaceFinder(detector, detect_every=detect_every)
        self._freshness = Freshness(classify_every)
        self._labeller = Labeller(
            classifier.contract.labels, smooth=smooth, compare=other is not None, learn_s=calibrate_s
        )
        written = any(sink.needs_pixels for sink in sinks)
        self._lookers = [sink for sink in sinks if isinstance(sink, Looker)]
        shown = written or display is not None
        self._drawing = (drawing or Drawing()) if shown or self._lookers else None
        self._draws, self._bare = written or (display is not None and not bare_display), bare_display
        self._heads = heads
        self._shows_faces = heads is None and (drawing is None or drawing.shows_faces)
        governors = [Governor(target_latency_ms, self._set_effort)] if target_latency_ms is not None else []
        self._admission = Admission() if live else None
        self.observers = Observers([*observers, *governors, *filter(None, [self._admission])])
        """Who looks on; to be told by whoever takes from the display."""
        self._frames = self._faces = 0
        width, height = source.info.size_wh
        self._batch = 1 if live else max(1, min(batch_frames, BATCH_BYTES * 2 // (3 * width * height)))
        self._read: Channel[_Read] = Channel(1, Overflow.DROP_OLDEST) if live else Channel(self._batch, Overflow.BLOCK)
        # From a file, room for a batch that waits while the next stage works on one and the one before makes one.
        self._detected: Channel[_Detected] = Channel(2 if live else self._batch, Overflow.BLOCK)
        self._classified: Channel[Result] = Channel(2 if live else self._batch, Overflow.BLOCK)
        self._live = live
        self.interrupted = self._stopping = self._ending = False
        self._finished = threading.Event()
        self._failure_lock = threading.Lock()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._started_s = self._ended_s = 0.0

    @property
    def is_started(self) -> bool:
        """Whether :meth:`start` was called."""
        return bool(self._threads)

    @property
    def done_frames(self) -> int:
        """Frames annotated and written so far."""
        return self._frames

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to end, or ended by an error: the source may have had more frames."""
        return self._stopping

    @property
    def setup(self) -> Setup:
        """What the next frame will be worked on with."""
        return self._wanted

    @property
    def setups(self) -> tuple[Setup, ...]:
        """What may still be in use: the one that the detector's thread has, and the next one."""
        with self._wanted_lock:
            return self._setup, self._wanted

    def change(
        self, *, detector: Detector | None = None, classifier: Classifier | None = None, smooth: bool | None = None
    ) -> None:
        """Work with something else from the next frame that faces are searched in; None leaves it. From any thread.

        After another detector tracks go on. After another classifier every face is read at once, and what was known
        of its expression is forgotten; a frame is read by the classifier for which its faces were cut out.

        Raises:
            ModelError: the classifier has other labels; or it needs other crops, and is to be compared, or another
                framing, and heads are covered.
        """
        if classifier is not None:
            before, after = self._wanted.classifier.contract, classifier.contract
            check_same_labels(before, after)
            if self._heads is not None:
                check_same_framing(before, after)
            if self._wanted.other is not None:
                check_same_crops(self._wanted.other.contract, after)
        with self._wanted_lock:
            wanted = self._wanted
            self._wanted = replace(
                wanted,
                detector=wanted.detector if detector is None else detector,
                classifier=wanted.classifier if classifier is None else classifier,
                smooth=wanted.smooth if smooth is None else smooth,
            )

    def start(self) -> None:
        """Start the stages. Call :meth:`wait` afterwards, whatever happens."""
        stages: list[tuple[str, Callable[[], None]]] = [
            ("read", self._run_read),
            ("detect", self._run_detect),
            ("classify", self._run_classify),
            ("write", self._run_write),
        ]
        self._started_s = self._ended_s = time.perf_counter()
        self._threads = [
            # Daemons: a camera's driver that never returns must not keep the process alive past JOIN_S.
            threading.Thread(target=self._guard, args=stage, name=f"fer-live {stage[0]}", daemon=True)
            for stage in stages
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the run to end: no more frames are read, those on the way are finished. From any thread, at any time."""
        self._stopping = True
        self.pause.release()

    def interrupt(self) -> None:
        """As :meth:`stop`, from a signal handler: ``interrupted`` is then true. A second time: end at once.

        It only sets plain attributes, for the handler may run while its thread holds any lock; the reader and
        :meth:`is_done` look at them.
        """
        self._ending = self.interrupted
        self.interrupted = self._stopping = True

    def abort(self, reason: BaseException) -> None:
        """End the run now; :meth:`wait` raises ``reason`` unless something else failed before."""
        with self._failure_lock:
            if self._failure is None:
                self._failure = reason
        self._stopping = True
        self.pause.release()
        self._source.stop()
        for channel in (self._read, self._detected, self._classified, self._display):
            if channel is not None:
                channel.abort()
        if self._admission is not None:
            self._admission.abort()
        self._finished.set()

    def is_done(self, timeout_s: float) -> bool:
        """Wait for the end of the run, at most ``timeout_s``; whether it has come."""
        if self._ending:
            self.abort(KeyboardInterrupt())
        elif self._stopping:
            self.pause.release()
            self._source.stop()  # it may be waiting for a frame
        return self._finished.wait(timeout_s)

    def wait_until_done(self) -> None:
        """Wait for the end of the run, looking for a second :meth:`interrupt` meanwhile."""
        while not self.is_done(0.1):  # with a bound, so that Ctrl-C is seen on every platform
            pass

    def wait(self) -> Summary:
        """Wait for the end of the run, then for its threads.

        Raises:
            Exception: whatever a stage raised first, as it was raised.
        """
        self.wait_until_done()
        stuck = []
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                stuck.append(thread.name)
        if self._failure is not None:
            raise self._failure
        if stuck:
            raise FerLiveError(f"{', '.join(stuck)} did not end within {JOIN_S:.0f} s")
        return Summary(
            frames=self._frames,
            faces=self._faces,
            tracks=self._finder.track_count,
            dropped=self._read.dropped,
            seconds=self._ended_s - self._started_s,
            provider=self._setup.classifier.provider,
            paused=self.pause.passed,
        )

    def run(self) -> Summary:
        """Start and wait."""
        self.start()
        return self.wait()

    def _set_effort(self, effort: Effort) -> None:
        self._effort = effort
        asked = self._setup.detector.detect_size
        size = max(min(LEAST_EFFORT_PX, asked), round(effort.detect_size * asked))
        self._finder.set_effort(size, effort.detect_wait)
        self._freshness.set_wait(effort.classify_wait)

    def _guard(self, name: str, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException as error:
            # Aborted, too: of our own channels it changes nothing, of somebody else's it must not leave us waiting.
            self.abort(error)
        finally:
            if name == "write":
                self._finished.set()

    def _run_read(self) -> None:
        began_s = time.perf_counter()
        for frame, is_last in self.pause.passing(self._source):
            grabbed_s = time.perf_counter()
            if self._stopping:
                break
            self.observers.worked("read", (frame.index,), began_s, grabbed_s)
            lost = self._read.put((frame, grabbed_s, is_last))
            if lost is not None:
                self.observers.dropped(lost[0].index)
            self.observers.queued("detect", len(self._read))
            began_s = time.perf_counter()
        self._read.close()

    def _admitted(self) -> Iterator[_Read]:
        """Frames to work on."""
        admission = self._admission
        while True:
            if admission is not None:
                admission.enter()
            # A file's frames change hands in batches, always filled: threads that wake each other for every frame cost
            # more than their waiting, and the same file gives the same batches of faces again. Live never waits.
            taken = self._read.get_many(self._batch, fill=True) if admission is None else self._fresh(admission)
            if not taken:
                return
            yield from taken

    def _fresh(self, admission: Admission) -> list[_Read]:
        return self._read.get_fresh(lambda read: admission.patience_s(time.perf_counter() - read[1]))

    def _run_detect(self) -> None:
        for frame, grabbed_s, is_last in self._admitted():
            started_s = time.perf_counter()
            if self._wanted is not self._setup:
                self._take_over(frame)
            setup = self._setup
            found = self._finder.update(frame)
            rows = self._freshness.due(found.track_ids, frame.time_s)
            squares = found.faces.squares[rows]
            crops = crop_faces(frame.y, squares, setup.classifier.contract, limited_range=frame.limited_range)
            changed = self._freshness.changed(found.track_ids[rows], crops, frame.time_s)
            rows, crops = rows[changed], crops[changed]
            heads = None if self._heads is None else self._heads.update(frame, found.faces)
            done_s = time.perf_counter()
            self.observers.worked("detect" if found.looked else "track", (frame.index,), started_s, done_s)
            latency = {"wait": 1e3 * (started_s - grabbed_s), "detect": 1e3 * (done_s - started_s)}
            self._detected.put(_Detected(frame, grabbed_s, is_last, setup, found, heads, rows, crops, latency))
            self.observers.queued("classify", len(self._detected))
        self._detected.close()

    def _take_over(self, frame: Frame) -> None:
        """Find faces with the setup that is wanted from this frame on; the later stages follow with the frame."""
        with self._wanted_lock:
            before, setup = self._setup, self._wanted
            self._setup = setup
        if setup.detector is not before.detector:
            self._finder.use(setup.detector)
            if self._effort is not None:
                self._set_effort(self._effort)
        if setup.classifier is not before.classifier:
            self._freshness.forget()
        self._on_change(setup, frame)

    def _run_classify(self) -> None:
        before = self._setup
        while batch := self._detected.get_many(self._batch, fill=True):
            for setup, entries in groupby(batch, key=lambda entry: entry.setup):
                if setup.classifier is not before.classifier:
                    self._labeller.forget()
                self._labeller.show_smoothed(setup.smooth)
                before = setup
                self._classify(setup, list(entries))
        self._classified.close()

    def _classify(self, setup: Setup, batch: Sequence[_Detected]) -> None:
        started_s = time.perf_counter()
        crops = np.concatenate([entry.crops for entry in batch])
        predictions = setup.classifier.classify(crops)
        other = None if setup.other is None else setup.other.classify(crops)
        done_s = time.perf_counter()
        self.observers.worked("classify", [entry.frame.index for entry in batch], started_s, done_s)
        each_ms = 1e3 * (done_s - started_s) / len(batch)
        first = 0
        for entry in batch:
            mine = slice(first, first + len(entry.rows))
            first = mine.stop
            raw, second = predictions.only(mine), None if other is None else other.only(mine)
            self._classified.put(self._labelled(entry, raw, second, each_ms))
            self.observers.queued("write", len(self._classified))

    def _labelled(self, entry: _Detected, raw: Predictions, other: Predictions | None, classify_ms: float) -> Result:
        started_s = time.perf_counter()
        faces, rows, track_ids = entry.found.faces, entry.rows, entry.found.track_ids
        keypoints = None if faces.keypoints is None else faces.keypoints[rows]
        quality = measure(entry.crops, faces.squares[rows], keypoints)
        said = self._labeller.update(entry.frame.time_s, track_ids, rows, raw, other, quality)
        done_s = time.perf_counter()
        self.observers.worked("smooth", (entry.frame.index,), started_s, done_s)
        latency = {**entry.latency_ms, "classify": classify_ms, "smooth": 1e3 * (done_s - started_s)}
        crops = entry.crops if self._shows_faces else None
        return Result(
            entry.frame,
            faces,
            track_ids,
            said.expressions,
            latency,
            entry.grabbed_s,
            crops,
            entry.is_last,
            entry.heads,
            said.other,
            said.changes,
        )

    def _run_write(self) -> None:
        while batch := self._classified.get_many(self._batch, fill=True):
            for result in batch:
                self._finish(self._written(result))
        if self._frames or not self._stopping:
            for sink in self._sinks:
                sink.finish()
        if self._display is not None:
            self._display.close()

    def _finish(self, result: Result) -> None:
        if self._display is not None:
            self._display.put(result)
        else:
            self.observers.finished(result, time.perf_counter())
        if self._admission is not None:
            # Its wait before it was let in says nothing of the stages.
            self._admission.leave(max(ms for stage, ms in result.latency_ms.items() if stage != "wait") / 1e3)
        self._frames += 1
        self._faces += len(result.faces)
        self._ended_s = time.perf_counter()

    def _written(self, result: Result) -> Result:
        """The result, drawn and given to the sinks, with how long that took."""
        index, started_s = (result.frame.index,), time.perf_counter()
        written = result
        if self._drawing is not None:
            # First, so that nobody sees the picture without.
            self._drawing.cover(result)
            for looker in self._lookers:
                looker.look(result)
            if self._draws:
                written = replace(result, frame=result.frame.copy()) if self._bare else result
                self._drawing.draw(written)
            self.observers.worked("draw", index, started_s, time.perf_counter())
        drawn_s = time.perf_counter()
        for sink in self._sinks:
            sink.write(written)
        done_s = time.perf_counter()
        if self._sinks:
            self.observers.worked("write", index, drawn_s, done_s)
        spent = {"draw": 1e3 * (drawn_s - started_s), "write": 1e3 * (done_s - drawn_s)}
        return replace(result, latency_ms={**result.latency_ms, **spent})
