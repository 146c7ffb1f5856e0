"""The window, its GUI calls replaced, and the question whether there is a display."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fer_live.realtime.channel import Channel, Overflow
from fer_live.realtime.cli import _watch
from fer_live.realtime.controls import Controls
from fer_live.realtime.datatypes import Frame, Result
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.messages import Messages
from fer_live.realtime.observer import Observers
from fer_live.realtime.pipeline import Pipeline
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.stats import RecentStats
from fer_live.realtime.testing.fakes import FakeClassifier, FakeDetector, ListSource, make_frame, make_result
from fer_live.realtime.view import window as module
from fer_live.realtime.view.keys import Action
from fer_live.realtime.view.overlay import Overlay
from fer_live.realtime.view.window import Window, why_no_display

ROOT = Path(__file__).parents[3]


class FakeGui:
    """Stands in for OpenCV's window functions; answers ``keys`` one a frame, then none."""

    def __init__(self, keys: list[int], closed_at: int | None = None) -> None:
        self.keys = keys
        self.closed_at = closed_at
        self.shown: list[tuple[int, ...]] = []
        self.last = np.zeros(0, np.uint8)
        self.waits_ms: list[int] = []
        self.destroyed = False
        self.click: Callable[..., None] = lambda *_: None

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(cv2, "namedWindow", lambda *_: None)
        patch.setattr(cv2, "setWindowTitle", lambda *_: None)
        patch.setattr(cv2, "resizeWindow", lambda *_: None)
        patch.setattr(cv2, "imshow", self.show)
        patch.setattr(cv2, "waitKeyEx", self.wait)
        patch.setattr(cv2, "setMouseCallback", self.hear_clicks)
        patch.setattr(cv2, "getWindowProperty", lambda *_: -1.0 if len(self.shown) == self.closed_at else 1.0)
        patch.setattr(cv2, "destroyWindow", self.destroy)

    def show(self, _: str, image: np.ndarray) -> None:
        self.shown.append(image.shape)
        self.last = image.copy()

    def wait(self, milliseconds: int) -> int:
        self.waits_ms.append(milliseconds)
        return self.keys.pop(0) if self.keys else -1

    def hear_clicks(self, _: str, callback: Callable[..., None]) -> None:
        self.click = callback

    def destroy(self, _: str) -> None:
        self.destroyed = True


def window(
    results: Channel[Result],
    *,
    paced: bool = False,
    on_quit: Callable[[], None] = lambda: None,
    state: Callable[[], SourceState] = SourceState,
    stats: RecentStats | None = None,
    overlay: Overlay | None = None,
    actions: dict[Action, Callable[[], None]] | None = None,
    title: str = "title",
    **options: object,
) -> Window:
    stats = stats or RecentStats("yunet", "CPUExecutionProvider", is_live=True)
    overlay = overlay or Overlay(stats.figures, state)
    observers = Observers([stats])
    return Window(
        title, results, overlay, (64, 48), observers, paced=paced, on_quit=on_quit, actions=actions, **options
    )


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
    stats = RecentStats("yunet", "CPUExecutionProvider", is_live=True)
    window(filled(5), on_quit=lambda: pytest.fail("nobody quits"), stats=stats).run()
    assert [stage.name for stage in stats.figures().stages] == ["show"]
    assert gui.shown == [(48, 64, 3)] * 5
    assert gui.destroyed


@pytest.mark.parametrize(("keys", "closed_at"), [([-1, ord("q")], None), ([-1, 27], None), ([], 2)])
def test_the_user_ends_it_once_and_the_rest_is_drained(
    keys: list[int], closed_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui, ended, channel = FakeGui(keys, closed_at), [], filled(6)
    gui.install(monkeypatch)
    window(channel, on_quit=lambda: ended.append(True)).run()
    assert len(gui.shown) == 2 and ended == [True] and gui.destroyed
    assert channel.get_many(1, fill=False) == []


def test_an_aborted_run_closes_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    gui, channel = FakeGui([]), filled(3)
    gui.install(monkeypatch)
    channel.abort()
    window(channel).run()
    assert gui.shown == [] and gui.destroyed


def test_a_watched_file_waits_for_each_frames_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so each frame's wait is its own time."""
    gui = FakeGui([])
    gui.install(monkeypatch)
    monkeypatch.setattr(module.time, "perf_counter", lambda: 100.0)
    window(filled(4), paced=True).run()
    assert gui.waits_ms == [5, 40, 50, 30, 50, 50, 20]  # in pieces of at most 50 ms


def test_a_second_interrupt_ends_a_window_that_gets_no_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    session = SimpleNamespace(
        pipeline=pipeline,
        display=display,
        source=source,
        stats=RecentStats("fake", "fake", is_live=True),
        controls=Controls(pipeline, EngineOptions(), source.info, print),
        messages=Messages(),
        paced=False,
    )
    _watch(session, tmp_path)
    assert gui.destroyed
    hangs.set()
    with pytest.raises(KeyboardInterrupt):
        pipeline.wait()


def test_what_a_key_shows_is_drawn_at_once_and_on_the_views_copy_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gui, results = FakeGui([-1, ord("h"), -1, ord("h")]), filled(5)
    kept = list(results)
    before = [result.frame.y.copy() for result in kept]
    again: Channel[Result] = Channel(5, Overflow.BLOCK)
    for result in kept:
        again.put(result)
    again.close()
    gui.install(monkeypatch)
    corners = []
    monkeypatch.setattr(
        cv2, "imshow", lambda _, image: (gui.show(_, image), corners.append(image[10:30, 10:30].mean()))
    )
    overlay = Overlay(RecentStats("yunet", "CPUExecutionProvider", is_live=True).figures, SourceState)

    def toggle() -> None:
        overlay.hud = not overlay.hud

    window(again, overlay=overlay, actions={Action.HUD: toggle}).run()
    # Five frames, and one more picture for each time that the key was pressed.
    assert len(gui.shown) == 7
    hidden, shown = [corners[index] for index in (0, 1, 5, 6)], [corners[index] for index in (2, 3, 4)]
    assert min(abs(a - b) for a in hidden for b in shown) > 5
    for result, y in zip(kept, before, strict=True):
        assert (result.frame.y == y).all()


def test_a_frozen_picture_takes_nothing_and_hears_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen by a key, then thawed by the same: the frames that waited are all shown."""
    frozen: list[bool] = []

    def toggle() -> None:
        frozen.append(True) if not frozen else frozen.clear()

    gui, channel, waiting = FakeGui([-1, ord(" "), -1, -1, ord(" ")]), filled(5), []
    gui.install(monkeypatch)

    def is_frozen() -> bool:
        if frozen:
            waiting.append(len(channel))
        return bool(frozen)

    window(channel, actions={Action.PAUSE: toggle}, is_frozen=is_frozen).run()
    assert waiting == [3, 3, 3]
    assert len(gui.shown) == 5 + 2  # frames, and once more for each key


def test_a_click_is_told_in_pixels_of_the_frame_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    gui, clicks = FakeGui([]), []
    gui.install(monkeypatch)
    wait = gui.wait

    def clicking(milliseconds: int) -> int:
        if len(gui.shown) == 1:
            gui.click(cv2.EVENT_MOUSEMOVE, 1, 2, 0, None)
            gui.click(cv2.EVENT_LBUTTONDOWN, 30, 20, 0, None)
        return wait(milliseconds)

    monkeypatch.setattr(cv2, "waitKeyEx", clicking)
    window(filled(2), on_click=lambda x, y: clicks.append((x, y))).run()
    assert clicks == [(30, 20)] and len(gui.shown) == 3


def test_a_message_comes_and_goes_while_no_frames_come(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str | None] = [None]
    gui, channel = FakeGui([]), filled(1, close=False)
    gui.install(monkeypatch)
    monkeypatch.setattr(module, "PUMP_S", 0.001)
    monkeypatch.setattr(module, "REFRESH_S", 0.0)
    steps = iter([*[None] * 5, *["saved"] * 5, *[None] * 5])

    def wait(_: int) -> int:
        said[0] = next(steps, "end")
        return ord("q") if said[0] == "end" else -1

    monkeypatch.setattr(cv2, "waitKeyEx", wait)
    overlay = Overlay(RecentStats("yunet", "", is_live=True).figures, SourceState, say=lambda: said[0])
    window(channel, overlay=overlay, on_quit=channel.close).run()
    assert len(gui.shown) == 3  # the frame, the frame with the message, the frame without


@pytest.mark.parametrize("frames", [0, 1])
def test_a_lost_source_is_told_while_no_frames_come(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window goes on to live: the banner is drawn over the last frame, or over nothing, and keys are heard."""
    lost, results = SourceState("camera 0: gives no frames", 0.0), filled(frames, close=False)
    gui = FakeGui([])
    gui.install(monkeypatch)
    monkeypatch.setattr(module, "PUMP_S", 0.001)
    asked: list[bool] = []

    def state() -> SourceState:
        return lost

    def wait(_: int) -> int:
        asked.append(True)
        return ord("q") if len(gui.shown) == frames + 1 else -1

    monkeypatch.setattr(cv2, "waitKeyEx", wait)
    window(results, state=state, on_quit=results.close).run()
    assert len(gui.shown) == frames + 1
    middle = gui.last[22:26].reshape(-1, 3).astype(int)
    # Orange ground: much red, little blue.
    assert (middle[:, 2] - middle[:, 0]).max() > 100


@pytest.mark.parametrize("name", ["Müller 日本.mp4", os.fsdecode(b"caf\xe9.mp4"), "50 %d\n.mp4"])
def test_a_real_window_has_any_title(name: str, display: str) -> None:
    """In a process of its own: what OpenCV does not take may end it."""
    program = (
        "import sys\n"
        "from tests.realtime.view.test_window import filled, window\n"
        "window(filled(2), title=sys.argv[1]).run()\n"
    )
    environment = os.environ | {"DISPLAY": display}
    done = subprocess.run([sys.executable, "-c", program, name], env=environment, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("display", ["", ":987", "nowhere.invalid:0", "garbage"])
def test_no_display_is_told_and_ends_nothing(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    reason = why_no_display()
    assert reason is not None and reason.startswith("no display") and "\n" not in reason


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("platform", ["", "wayland", "wayland-egl", "xcb"])
def test_sessions_under_wayland_have_a_display(platform: str, display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("QT_QPA_PLATFORM", platform)
    if not platform:
        monkeypatch.delenv("QT_QPA_PLATFORM")
    assert why_no_display() is None
