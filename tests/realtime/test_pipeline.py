"""The engine: order, batches, drops, stopping, and a failure in each stage."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.preprocess import crop_faces
from fer_live.realtime import admission
from fer_live.realtime.channel import Aborted, Channel, Overflow
from fer_live.realtime.datatypes import Faces, Frame, Result
from fer_live.realtime.pipeline import BATCH_FRAMES, Pipeline
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, make_frame, make_result

EVERY_FRAME = {"detect_every": 1, "classify_every": 1, "smooth": False}


class Boom(Exception):
    pass


def face_count_of(frame: Frame) -> int:
    return frame.index % 4


def faces_of(frame: Frame) -> Faces:
    n = face_count_of(frame)
    left = np.arange(n, dtype=np.float32) * 20
    boxes = np.stack([left, np.full(n, 8, np.float32), left + 16, np.full(n, 28, np.float32)], 1)
    squares = np.stack([left + 8, np.full(n, 18, np.float32), np.full(n, 20, np.float32), np.zeros(n, np.float32)], 1)
    return Faces(boxes.astype(np.float32), np.ones(n, np.float32), squares.astype(np.float32))


def frames(n: int) -> list[Frame]:
    return [make_frame(96, 64, index, index / 25) for index in range(n)]


def brightest_is(crops: np.ndarray) -> np.ndarray:
    """Probabilities that tell the crop: its mean grey, in the first label."""
    first = crops.mean((1, 2, 3), dtype=np.float64) / 255
    rest = np.repeat(((1 - first) / 6)[:, None], 6, 1)
    return np.concatenate([first[:, None], rest], 1).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3 * BATCH_FRAMES + 1))
def test_file_gives_every_frame_once_in_order(n: int) -> None:
    sink = ListSink()
    classifier = FakeClassifier(function=brightest_is)
    summary = Pipeline(ListSource(frames(n)), FakeDetector(faces_of), classifier, [sink], **EVERY_FRAME).run()
    assert [result.frame.index for result in sink.results] == list(range(n))
    assert [len(result.faces) for result in sink.results] == [index % 4 for index in range(n)]
    assert (summary.frames, summary.dropped, sink.finished) == (n, 0, True)
    assert summary.faces == sum(index % 4 for index in range(n))
    # Batches don't depend on timing: full ones and one rest.
    expected = [sum(index % 4 for index in range(n)[at : at + BATCH_FRAMES]) for at in range(0, n, BATCH_FRAMES)]
    assert classifier.batches == expected


def test_each_face_gets_its_own_prediction() -> None:
    """What a batch across frames answers goes back to the right face of the right frame."""
    sink, classifier = ListSink(), FakeClassifier(function=brightest_is)
    Pipeline(ListSource(frames(20)), FakeDetector(faces_of), classifier, [sink], **EVERY_FRAME).run()
    for frame, result in zip(frames(20), sink.results, strict=True):
        squares = faces_of(frame).squares
        crops = crop_faces(frame.y, squares, classifier.contract, limited_range=frame.limited_range)
        np.testing.assert_array_equal(result.expressions.raw.probabilities, brightest_is(crops))


@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("stage", ["source", "detector", "classifier", "sink"])
def test_the_original_error_of_any_stage_arrives(stage: str, at: int) -> None:
    error = Boom(stage)

    def failing(name: str) -> dict[str, object]:
        return {"error": error, "error_at": at} if name == stage else {}

    sink = ListSink(**failing("sink"))
    pipeline = Pipeline(
        ListSource(frames(100), **failing("source")),
        FakeDetector(faces_of, **failing("detector")),
        FakeClassifier(**failing("classifier")),
        [sink],
        **EVERY_FRAME,
    )
    with pytest.raises(Boom) as caught:
        pipeline.run()
    assert caught.value is error
    assert not sink.finished


def test_a_sink_whose_own_channel_was_aborted_ends_the_run() -> None:
    """Not the pipeline's doing: nobody else would end the other stages."""
    error = Aborted()
    with pytest.raises(Aborted) as caught:
        Pipeline(ListSource(frames(100)), FakeDetector(), FakeClassifier(), [ListSink(error=error, error_at=3)]).run()
    assert caught.value is error


def test_error_while_finishing_arrives() -> None:
    class Unfinished(ListSink):
        def finish(self) -> None:
            raise Boom

    with pytest.raises(Boom):
        Pipeline(ListSource(frames(3)), FakeDetector(), FakeClassifier(), [Unfinished()]).run()


class EndlessSource(ListSource):
    """Frames without end; says how many it gave."""

    given = 0

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            self.given += 1
            yield make_frame(96, 64, index, index / 25)
            index += 1


def test_stop_finishes_what_was_read() -> None:
    reached = threading.Event()

    class Watching(ListSink):
        def write(self, result: Result) -> None:
            super().write(result)
            if result.frame.index == 10:
                reached.set()

    sink = Watching()
    pipeline = Pipeline(EndlessSource(frames(1)), FakeDetector(faces_of), FakeClassifier(), [sink])
    pipeline.start()
    assert reached.wait(60)
    pipeline.stop()
    summary = pipeline.wait()
    assert sink.finished
    assert [result.frame.index for result in sink.results] == list(range(summary.frames))


def test_interrupted_before_the_first_frame_completes_nothing() -> None:
    sink = ListSink()
    pipeline = Pipeline(EndlessSource(frames(1)), FakeDetector(), FakeClassifier(), [sink])
    pipeline.interrupt()
    assert pipeline.run().frames == 0
    assert pipeline.interrupted and not sink.finished


def test_interrupted_twice_ends_at_once() -> None:
    sink = ListSink()
    pipeline = Pipeline(EndlessSource(frames(1)), FakeDetector(), FakeClassifier(), [sink])
    pipeline.start()
    pipeline.interrupt()
    pipeline.interrupt()
    with pytest.raises(KeyboardInterrupt):
        pipeline.wait()


def test_abort_raises_its_reason_and_leaves_the_sink_unfinished() -> None:
    sink = ListSink()
    pipeline = Pipeline(EndlessSource(frames(1)), FakeDetector(), FakeClassifier(), [sink])
    pipeline.start()
    pipeline.abort(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        pipeline.wait()
    assert not sink.finished


def test_live_drops_only_after_the_reader_and_counts_it() -> None:
    """A detector that is held up loses frames of the source, the freshest is kept, and the sum is right."""
    may_go_on, first_seen = threading.Event(), threading.Event()
    given = frames(50)

    def slow(frame: Frame) -> Faces:
        first_seen.set()
        assert may_go_on.wait(60)
        return faces_of(frame)

    class LiveSource(ListSource):
        def __iter__(self) -> Iterator[Frame]:
            yield given[0]
            assert first_seen.wait(60)
            yield from given[1:]
            may_go_on.set()

    source = LiveSource(given)
    source.info = replace(source.info, is_live=True, frame_count=None)
    sink = ListSink()
    summary = Pipeline(source, FakeDetector(slow), FakeClassifier(), [sink]).run()
    assert [result.frame.index for result in sink.results] == [0, 49]
    assert summary.dropped == 48


def test_display_gets_every_result_and_is_closed() -> None:
    display: Channel[Result] = Channel(100, Overflow.BLOCK)
    Pipeline(ListSource(frames(7)), FakeDetector(faces_of), FakeClassifier(), [], display).run()
    assert [result.frame.index for result in display] == list(range(7))


def test_results_carry_the_latency_of_each_stage() -> None:
    display: Channel[Result] = Channel(100, Overflow.BLOCK)
    Pipeline(ListSource(frames(3)), FakeDetector(faces_of), FakeClassifier(), [], display).run()
    for result in display:
        assert set(result.latency_ms) == {"wait", "detect", "classify", "smooth", "draw", "write"}
        assert all(value >= 0 for value in result.latency_ms.values())


def test_live_no_frame_waits_behind_a_slow_classifier() -> None:
    """What comes while the classifier is busy is replaced by the freshest, not kept in a queue."""
    may_go_on, first_seen = threading.Event(), threading.Event()
    given = frames(50)

    def slow(crops: np.ndarray) -> np.ndarray:
        first_seen.set()
        assert may_go_on.wait(60)
        return brightest_is(crops)

    class LiveSource(ListSource):
        def __iter__(self) -> Iterator[Frame]:
            yield given[0]
            assert first_seen.wait(60)
            yield from given[1:]
            may_go_on.set()

    source = LiveSource(given)
    source.info = replace(source.info, is_live=True, frame_count=None)
    sink = ListSink()
    summary = Pipeline(source, FakeDetector(faces_of), FakeClassifier(function=slow), [sink], **EVERY_FRAME).run()
    shown = [result.frame.index for result in sink.results]
    assert shown[0] == 0 and shown[-1] == 49 and len(shown) <= admission.MOST + 1
    assert len(shown) + summary.dropped == 50


@pytest.mark.parametrize("needs_pixels", [False, True])
def test_draws_only_where_somebody_looks(needs_pixels: bool) -> None:
    sink = ListSink(needs_pixels=needs_pixels)
    Pipeline(ListSource(frames(4)), FakeDetector(faces_of), FakeClassifier(), [sink], **EVERY_FRAME).run()
    for before, result in zip(frames(4), sink.results, strict=True):
        drawn = (before.y != result.frame.y).any()
        assert drawn == (needs_pixels and len(result.faces) > 0)


@pytest.mark.parametrize("asked", [FakeDetector.detect_size, 64])
def test_a_late_machine_makes_less_effort_and_the_detector_is_asked_for_no_more(asked: int) -> None:
    """The governor's steps reach the detector; time is the detector's own, frames come when it is done."""
    sizes: list[int | None] = []

    class Sized(FakeDetector):
        detect_size = asked

        def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
            sizes.append(detect_size)
            return super().detect(frame, detect_size, known)

    pipeline = Pipeline(ListSource(frames(1)), Sized(faces_of), FakeClassifier(), target_latency_ms=20)
    result = make_result(make_frame(96, 64))
    for index in range(90):  # 3 s of frames that are 100 ms old
        pipeline.observers.finished(replace(result, grabbed_s=index / 30), index / 30 + 0.1)
    pipeline.run()
    assert sizes and sizes[0] is not None and sizes[0] <= asked
    assert sizes[0] < asked or asked == 64  # so small a copy is not made smaller still
