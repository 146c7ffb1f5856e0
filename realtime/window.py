"""The window on the main thread, and whether there is a display to open it on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable

import cv2

from .channel import Aborted, Channel
from .colour import frame_to_bgr
from .datatypes import Result

__all__ = ["Window", "why_no_display"]

TRY_S = 10.0


def why_no_display() -> str | None:
    """Why no window can be opened, or None.

    OpenCV's GUI ends the process where a display is gone, refuses or is none, so a process of its own tries first.
    """
    if platform.system() in ("Windows", "Darwin"):
        return None
    display = os.environ.get("DISPLAY", "")
    if not display:
        return "no display (DISPLAY is not set)"
    code = "import cv2; cv2.namedWindow('display'); cv2.destroyAllWindows()"
    try:
        tried = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no display: DISPLAY={display} does not answer within {TRY_S:.0f} s"
    return None if tried.returncode == 0 else f"no display: no window can be opened on DISPLAY={display}"


class Window:
    """Shows results from a channel until it is closed, the user quits, or the window is closed.

    Keys: ``q`` or Escape quits. Use it on the main thread only.

    Args:
        title: of the window.
        results: what to show.
        paced: show each result at its own time (a file that is only watched), else as it comes.
        on_quit: called once when the user wants to end.
    """

    def __init__(self, title: str, results: Channel[Result], *, paced: bool, on_quit: Callable[[], None]) -> None:
        self._title, self._results, self._paced, self._on_quit = title, results, paced, on_quit
        self._quit = False

    def run(self) -> None:
        """Show until the end."""
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        started_s: float | None = None
        try:
            for result in self._results:
                image = frame_to_bgr(result.frame)
                if started_s is None:
                    started_s = time.perf_counter() - result.frame.time_s
                    cv2.resizeWindow(self._title, *_fitting(result.frame.size_wh))
                wait_s = started_s + result.frame.time_s - time.perf_counter() if self._paced else 0.0
                if wait_s < 0:
                    started_s -= wait_s  # too slow for real time: go on from here rather than rush
                cv2.imshow(self._title, image)
                self._keys(max(1, round(1e3 * wait_s)))
                if self._quit:
                    # What is still on its way is finished and drained, so that recordings stay whole.
                    for _ in self._results:
                        pass
                    return
        except Aborted:
            pass  # the pipeline raises the reason
        finally:
            cv2.destroyWindow(self._title)

    def _keys(self, wait_ms: int) -> None:
        key = cv2.waitKey(wait_ms) & 0xFF
        closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        if key in (ord("q"), 27) or closed:
            self._quit = True
            self._on_quit()


def _fitting(size_wh: tuple[int, int]) -> tuple[int, int]:
    """A window size for a video of this size: small ones doubled, none larger than 1280 x 720."""
    width, height = size_wh
    scale = min(2.0, 1280 / width, 720 / height)
    return max(160, round(width * scale)), max(120, round(height * scale))
