import shutil
import subprocess
import sys
from itertools import islice

import pytest

from fer_live.errors import SourceError
from fer_live.realtime.sources.live import Backoff
from fer_live.realtime.sources.open_source import SourceOptions, open_source
from fer_live.realtime.sources.screen import ScreenSource
from fer_live.realtime.testing.display import virtual_display

SHOW_AND_GRAB = """
import sys, time
import cv2, numpy
from itertools import islice
from fer_live.realtime.colour import frame_to_bgr
from fer_live.realtime.sources.open_source import SourceOptions, open_source
with open_source(SourceOptions(screen=True, fps=20)) as source:
    cv2.namedWindow("shown", cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO)
    cv2.resizeWindow("shown", 800, 600)
    times, most = [], 0
    for frame in islice(source, 1000):
        cv2.imshow("shown", numpy.full((120, 160, 3), (0, 0, 255), numpy.uint8))
        cv2.waitKey(50)  # less, and on a busy machine Qt paints nothing
        times.append(frame.time_s)
        bgr = frame_to_bgr(frame).astype(int)
        most = max(most, ((bgr[..., 2] > 200) & (bgr[..., :2] < 60).all(axis=2)).mean())
        if most > 0.2 and len(times) > 5:
            break
    cv2.destroyAllWindows()
print(source.info.size_wh, source.info.is_live, most > 0.2, times == sorted(set(times)))
"""


def test_the_screen_is_grabbed_beside_a_window_of_opencv(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: the libraries behind both have crashed each other."""
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("QT_X11_NO_MITSHM", "1")
    done = subprocess.run(
        [sys.executable, "-c", SHOW_AND_GRAB], capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stdout) == (0, "(1000, 700) True True True\n"), done.stderr


@pytest.mark.parametrize("display", [None, ":987"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="DISPLAY is of X11")
def test_a_screen_that_is_not_there(display: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if display is None:
        monkeypatch.delenv("DISPLAY", raising=False)
    else:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(SourceError, match="screen: cannot be grabbed"):
        ScreenSource()
    with pytest.raises(SourceError, match="run where there is one"):
        open_source(SourceOptions(screen=True))


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")
def test_a_screen_that_goes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """mss raises not only when it grabs then, but also when it is closed."""
    with virtual_display(320, 240) as display:
        monkeypatch.setenv("DISPLAY", display)
        source = ScreenSource(fps=50, backoff=Backoff(first_s=0.01, give_up_s=0.05))
        given = iter(source)
        assert len(list(islice(given, 3))) == 3
    with source, pytest.raises(SourceError, match=r"screen: cannot be grabbed .*gave up"):
        list(given)
