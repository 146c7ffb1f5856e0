"""The window on the main thread, and whether there is a display to open it on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import cv2

from fer_live.printable import printable
from fer_live.realtime.channel import Aborted, Channel
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.datatypes import Result
from fer_live.realtime.observer import Observer

from .keys import Action, action_of
from .overlay import REFRESH_S, Overlay

__all__ = ["Window", "why_no_display"]

TRY_S = 10.0

PUMP_S = 0.05
"""How long the window's own events (keys, moving, closing) wait at most while no frame comes."""


def why_no_display() -> str | None:
    """Why no window can be opened, or None.

    OpenCV's GUI ends the process where a display is gone, refuses or is none, so a process of its own tries first.
    """
    if platform.system() in ("Windows", "Darwin"):
        return None
    display = os.environ.get("DISPLAY", "")
    if not display:
        return "no display (DISPLAY is not set)"
    _choose_x()
    code = "import cv2; cv2.namedWindow('display'); cv2.destroyAllWindows()"
    try:
        tried = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no display: DISPLAY={display} does not answer within {TRY_S:.0f} s"
    return None if tried.returncode == 0 else f"no display: no window can be opened on DISPLAY={display}"


def _choose_x() -> None:
    """The Qt in OpenCV's wheels knows X only. Sessions under Wayland answer at DISPLAY, too, but many tell programs to
    take Wayland, and that Qt then ends the process.
    """
    if os.environ.get("QT_QPA_PLATFORM", "wayland").startswith("wayland"):
        os.environ["QT_QPA_PLATFORM"] = "xcb"


_WINDOW = "fer-live"
"""What OpenCV finds the window by, apart from its title: Qt's finds none whose name is not ASCII."""

PAINT_MS = 5
"""Given to the window for each picture at least: after 1 or 2 ms, on a busy machine, Qt had painted nothing."""


class Window:
    """Shows results from a channel until it is closed, the user quits, or the window is closed.

    It hears the keys of :mod:`.keys`. Use it on the main thread only.

    Args:
        title: of the window.
        results: what to show.
        overlay: draws over the picture, also while no frames come.
        size_wh: of the frames, (width, height) in pixels.
        observer: is told of each result when it is in the window.
        paced: show each result at its own time (a file that is only watched), else as it comes.
        on_quit: called once when the user wants to end.
        actions: what keys do, but for quitting.
        on_click: called with the place of a click, (x, y) in pixels of the frame.
        is_frozen: whether the picture stands: nothing more is taken meanwhile.
    """

    def __init__(
        self,
        title: str,
        results: Channel[Result],
        overlay: Overlay,
        size_wh: tuple[int, int],
        observer: Observer,
        *,
        paced: bool,
        on_quit: Callable[[], None],
        actions: Mapping[Action, Callable[[], None]] | None = None,
        on_click: Callable[[int, int], None] = lambda _, __: None,
        is_frozen: Callable[[], bool] = lambda: False,
    ) -> None:
        self._title, self._results, self._overlay, self._size_wh = title, results, overlay, size_wh
        self._observer, self._paced, self._on_quit = observer, paced, on_quit
        self._actions = {} if actions is None else actions
        self._on_click, self._is_frozen = on_click, is_frozen
        self._last: Result | None = None
        self._drawn_s = self._started_s = 0.0
        self._quit = False

    def run(self) -> None:
        """Show until the end."""
        cv2.namedWindow(_WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.setWindowTitle(_WINDOW, printable(self._title))
        cv2.resizeWindow(_WINDOW, *_fitting(self._size_wh))
        cv2.setMouseCallback(_WINDOW, self._clicked)
        try:
            while not self._quit:
                if self._is_frozen():
                    self._idle(PUMP_S)
                    continue
                taken = self._results.get_many(1, fill=False, timeout_s=PUMP_S)
                if taken:
                    self._show(taken[0])
                elif self._results.is_drained:
                    return
                else:
                    self._idle(0.0)
            # What is still on its way is finished and drained, so that recordings stay whole.
            for _ in self._results:
                pass
        except Aborted:
            pass  # the pipeline raises the reason
        finally:
            cv2.destroyWindow(_WINDOW)

    def _show(self, result: Result) -> None:
        began_s = time.perf_counter()
        if self._last is None:
            self._started_s = began_s - result.frame.time_s
        self._last = result
        self._draw()
        wait_s = self._started_s + result.frame.time_s - time.perf_counter() if self._paced else 0.0
        if wait_s < 0:
            self._started_s -= wait_s  # too slow for real time: go on from here rather than rush
        if self._paced:
            self._finished(result, began_s)
        self._keys(wait_s)
        if not self._paced:
            # The picture is painted while keys are waited for.
            self._finished(result, began_s)

    def _finished(self, result: Result, began_s: float) -> None:
        now_s = time.perf_counter()
        self._observer.worked("show", (result.frame.index,), began_s, now_s)
        self._observer.finished(result, now_s)

    def _idle(self, wait_s: float) -> None:
        """Nothing came: say why if there is a reason, and let the window live."""
        if self._overlay.is_urgent and time.perf_counter() - self._drawn_s >= REFRESH_S:
            self._draw()
        self._keys(wait_s)

    def _draw(self) -> None:
        frame = self._last.frame if self._last is not None else self._overlay.blank(self._size_wh)
        cv2.imshow(_WINDOW, frame_to_bgr(self._overlay.over(frame, self._last)))
        self._drawn_s = time.perf_counter()

    def _keys(self, wait_s: float) -> None:
        """Handle keys and the window's own events, for this long."""
        until_s, left_s = time.perf_counter() + wait_s, wait_s
        while True:
            # In pieces: signals are not seen inside, and time stamps may jump by hours.
            pressed = cv2.waitKeyEx(max(PAINT_MS, round(1e3 * min(left_s, PUMP_S))))
            action = action_of(pressed)
            closed = cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) < 1
            if action is Action.QUIT or closed:
                self._quit = True
                self._on_quit()
                return
            if action is not None and action in self._actions:
                self._actions[action]()
                self._draw()
            left_s = left_s - PUMP_S if pressed == -1 else until_s - time.perf_counter()
            if left_s <= 0 or self._results.is_aborted:
                return

    def _clicked(self, event: int, x: int, y: int, *_: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            self._on_click(x, y)
            self._draw()


def _fitting(size_wh: tuple[int, int]) -> tuple[int, int]:
    """A window size for a video of this size: small ones doubled, none larger than 1280 x 720."""
    width, height = size_wh
    scale = min(2.0, 1280 / width, 720 / height)
    return max(160, round(width * scale)), max(120, round(height * scale))
