"""A run that stands still for a while."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.pause import Pause
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSink, ListSource, grey_frame, make_result
from fer_live.realtime.view.drawing import Drawing


def frames(n: int) -> list[Frame]:
    return [grey_frame(np.zeros((48, 64), np.uint8), index) for index in range(n)]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_of_a_live_source_one_frame_of_each_pause_passes_and_the_rest_is_counted(on: list[bool]) -> None:
    pause, given_frames = Pause(live=True), frames(len(on))

    def source() -> Iterator[Frame]:
        for frame, held in zip(given_frames, on, strict=True):
            (pause.begin if held else pause.end)()
            yield frame

    passed = [(frame.index, is_last) for frame, is_last in pause.passing(source())]
    firsts = [index for index, held in enumerate(on) if held and not (index and on[index - 1])]
    assert passed == [(index, index in firsts) for index, held in enumerate(on) if not held or index in firsts]
    assert pause.passed == len(on) - len(passed)
    ended = [index for index, held in enumerate(on) if not held and index and on[index - 1]]
    assert [hole.to_s for hole in pause.holes] == [index / 25 for index in ended]
    assert [round(25 * (hole.to_s - hole.from_s)) - 1 for hole in pause.holes] == [h.frames for h in pause.holes]


def test_a_file_waits_and_misses_nothing() -> None:
    display: Channel[Result] = Channel(4, Overflow.BLOCK)
    pipeline = Pipeline(ListSource(frames(60)), FakeDetector(), FakeClassifier(), [], display, batch_frames=1)
    pipeline.pause.begin()
    pipeline.start()
    assert display.get_many(1, fill=False, timeout_s=0.1) == []
    pipeline.pause.end()
    first = display.get_many(1, fill=False)[0]
    pipeline.pause.begin()
    on_the_way = []
    while batch := display.get_many(4, fill=False, timeout_s=0.2):
        on_the_way += batch
    assert len(on_the_way) < 12
    pipeline.pause.end()
    assert [first.frame.index, *(r.frame.index for r in [*on_the_way, *display])] == list(range(60))
    assert pipeline.wait().frames == 60 and not pipeline.pause.holes


def test_who_begins_a_pause_while_the_run_ends_does_not_hold_it_up() -> None:
    pause = Pause(live=False)
    clear = pause._going.clear

    def release_before() -> None:
        pause.release()
        clear()

    pause._going.clear = release_before  # type: ignore[method-assign]
    pause.begin()
    assert not pause.is_on


@pytest.mark.parametrize("is_last", [False, True])
def test_the_picture_that_stands_for_a_pause_says_so(is_last: bool) -> None:
    result = replace(make_result(frames(1)[0]), is_last=is_last)
    before = result.frame.y.copy()
    Drawing().draw(result)
    assert (result.frame.y != before).any() == is_last


@pytest.mark.parametrize("end", [Pipeline.stop, Pipeline.interrupt])
def test_a_run_that_stands_still_can_be_ended(end) -> None:
    pipeline = Pipeline(ListSource(frames(60)), FakeDetector(), FakeClassifier(), [ListSink()])
    pipeline.pause.begin()
    pipeline.start()
    end(pipeline)
    assert pipeline.wait().frames == 0
    pipeline.pause.begin()
    assert not pipeline.pause.is_on


def test_a_live_run_says_on_its_last_frame_that_it_pauses() -> None:
    """The source is paused before its second frame and goes on with its fifth."""
    shown: Channel[Result] = Channel(9, Overflow.BLOCK)
    seen = {0: threading.Event(), 1: threading.Event()}

    class Camera(ListSource):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                if frame.index == 1:
                    assert seen[0].wait(30)
                    pipeline.pause.begin()
                if frame.index == 4:
                    assert seen[1].wait(30)
                    pipeline.pause.end()
                yield frame

    source = Camera(frames(5))
    source.info = replace(source.info, is_live=True)
    pipeline = Pipeline(source, FakeDetector(), FakeClassifier(), [], shown)
    pipeline.start()
    results = []
    for result in shown:
        results.append((result.frame.index, result.is_last))
        if result.frame.index in seen:
            seen[result.frame.index].set()
    summary = pipeline.wait()
    assert results == [(0, False), (1, True), (4, False)]
    assert summary.paused == 2 and "2 went by while paused" in summary.line()
    assert [hole.frames for hole in pipeline.pause.holes] == [2]
