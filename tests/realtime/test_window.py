"""The window, its GUI calls replaced, and the question whether there is a display."""

import sys
import threading
from collections.abc import Iterator

import cv2
import pytest

from fer_live.realtime import window as module
from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.cli import _watch
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.testing import FakeClassifier, FakeDetector, ListSource, make_frame, make_result
from fer_live.realtime.window import Window, why_no_display


class FakeGui:
    """Stands in for OpenCV's window functions; answers ``keys`` one a frame, then none."""

    def __init__(self, keys: list[int], closed_at: int | None = None) -> None:
        self.keys = keys
        self.closed_at = closed_at
        self.shown: list[tuple[int, ...]] = []
        self.waits_ms: list[int] = []
        self.destroyed = False

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(cv2, "namedWindow", lambda *_: None)
        patch.setattr(cv2, "resizeWindow", lambda *_: None)
        patch.setattr(cv2, "imshow", lambda _, image: self.shown.append(image.shape))
        patch.setattr(cv2, "waitKey", self.wait)
        patch.setattr(cv2, "getWindowProperty", lambda *_: -1.0 if len(self.shown) == self.closed_at else 1.0)
        patch.setattr(cv2, "destroyWindow", self.destroy)

    def wait(self, milliseconds: int) -> int:
        self.waits_ms.append(milliseconds)
        return self.keys.pop(0) if self.keys else -1

    def destroy(self, _: str) -> None:
        self.destroyed = True


def filled(n: int, *, close: bool = True) -> Channel[Result]:
    channel: Channel[Result] = Channel(max(1, n), Overflow.BLOCK)
    for index in range(n):
        channel.put(make_result(make_frame(64, 48, index, index / 25)))
    if close:
        channel.close()
    return channel


def test_shows_every_result(monkeypatch: pytest.MonkeyPatch) -> None:
    gui = FakeGui([])
    gui.install(monkeypatch)
    Window("title", filled(5), paced=False, on_quit=lambda: pytest.fail("nobody quits")).run()
    assert gui.shown == [(48, 64, 3)] * 5
    assert gui.destroyed


@pytest.mark.parametrize(("keys", "closed_at"), [([-1, ord("q")], None), ([-1, 27], None), ([], 2)])
def test_the_user_ends_it_once_and_the_rest_is_drained(
    keys: list[int], closed_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui, ended, channel = FakeGui(keys, closed_at), [], filled(6)
    gui.install(monkeypatch)
    Window("title", channel, paced=False, on_quit=lambda: ended.append(True)).run()
    assert len(gui.shown) == 2 and ended == [True] and gui.destroyed
    assert channel.get_many(1, fill=False) == []


def test_an_aborted_run_closes_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    gui, channel = FakeGui([]), filled(3)
    gui.install(monkeypatch)
    channel.abort()
    Window("title", channel, paced=False, on_quit=lambda: None).run()
    assert gui.shown == [] and gui.destroyed


def test_a_watched_file_waits_for_each_frames_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so each frame's wait is its own time."""
    gui = FakeGui([])
    gui.install(monkeypatch)
    monkeypatch.setattr(module.time, "perf_counter", lambda: 100.0)
    Window("title", filled(4), paced=True, on_quit=lambda: None).run()
    assert gui.waits_ms == [1, 40, 80, 120]


def test_a_second_interrupt_ends_a_window_that_gets_no_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera whose driver hangs must not leave only kill -9."""
    hangs = threading.Event()

    class HangingSource(ListSource):
        def __iter__(self) -> Iterator[Frame]:
            assert hangs.wait(60)
            yield from ()

    gui, display = FakeGui([]), filled(0, close=False)
    gui.install(monkeypatch)
    source = HangingSource([make_frame(64, 48)])
    pipeline = Pipeline(source, FakeDetector(), FakeClassifier(), [], display)
    pipeline.interrupt()
    pipeline.interrupt()
    _watch(pipeline, display, source.info, paced=False)
    assert gui.destroyed
    hangs.set()
    with pytest.raises(KeyboardInterrupt):
        pipeline.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("display", ["", ":987", "nowhere.invalid:0", "garbage"])
def test_no_display_is_told_and_ends_nothing(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    reason = why_no_display()
    assert reason is not None and reason.startswith("no display") and "\n" not in reason
