"""The one table of keys, what is made from it, and a real window that hears them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from fer_live.realtime.view.keys import KEYS, Action, action_of, as_markdown, help_rows

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (ord(" "), Action.PAUSE),
        (ord("h"), Action.HUD),
        (ord("H"), Action.HUD),
        (9, Action.SELECT),
        (27, Action.QUIT),
        (ord("?"), Action.HELP),
        (0xFFBE, Action.HELP),  # F1 as X11 has it
        (0x700000, Action.HELP),  # and Windows
        (-1, None),
        (0xFFE1, None),  # Shift alone
    ],
)
def test_what_opencv_says_of_a_key_is_understood(code: int, action: Action | None) -> None:
    assert action_of(code) is action


def test_no_key_does_two_things_and_every_action_has_one() -> None:
    names = [name.lower() for key in KEYS for name in key.names]
    assert len(names) == len(set(names))
    assert [key.action for key in KEYS] == list(dict.fromkeys(key.action for key in KEYS))
    assert {key.action for key in KEYS} == set(Action)


def test_the_help_tells_what_this_run_has() -> None:
    assert help_rows({Action.QUIT, Action.PAUSE}) == (("space", "pause, resume"), ("q, Esc", "quit"))


def test_the_documentation_has_the_table() -> None:
    assert as_markdown() in (ROOT / "docs" / "window.md").read_text(encoding="utf-8")


class Keyboard:
    """Presses keys in the window of a run, and sees by the pictures that it saves what came of them.

    Of keys that come at once OpenCV hears the last one only, and Qt hears none for a while: each is pressed until it
    has had its effect.
    """

    def __init__(self, run: subprocess.Popen[bytes], pictures: Path, environment: dict[str, str]) -> None:
        self._run, self._pictures, self._environment = run, pictures, environment
        self._until_s = time.monotonic() + 120
        self.asked = 0
        self._do("search", "--sync", "--onlyvisible", "--name", "^fer-live: ", "windowfocus")

    def _do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self._environment, check=True, capture_output=True, timeout=120)

    def press(self, key: str) -> None:
        self._do("key", key)
        time.sleep(0.3)

    def saved(self) -> list[Path]:
        return sorted(self._pictures.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)

    def save(self) -> bytes:
        """Save one more picture; its pixels."""
        before = len(self.saved())
        while len(self.saved()) == before:
            assert self._run.poll() is None and time.monotonic() < self._until_s
            self.asked += 1
            self.press("s")
            patience_s = time.monotonic() + 3
            while len(self.saved()) == before and time.monotonic() < patience_s:
                time.sleep(0.05)
        while (image := cv2.imread(str(self.saved()[-1]))) is None:  # still being written
            assert time.monotonic() < self._until_s
        return image.tobytes()

    def pause(self) -> None:
        """Until two pictures are the same, and were not before."""
        while self.save() == self.save():
            assert time.monotonic() < self._until_s
        self.press("space")
        while self.save() != self.save():
            assert time.monotonic() < self._until_s
            self.press("space")

    def quit(self) -> None:
        while self._run.poll() is None:
            assert time.monotonic() < self._until_s
            self.press("q")


@pytest.mark.slow
def test_a_real_window_hears_real_keys(display: str, long_clip: Path, tmp_path: Path) -> None:
    """It stands still when it is told to; a picture is saved only when it is asked for; q ends in good order."""
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    environment, pictures = os.environ | {"DISPLAY": display}, tmp_path / "pictures"
    arguments = ["-m", "fer_live.realtime.cli", "--video", str(long_clip), "--snapshots", str(pictures)]
    run = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    try:
        keyboard = Keyboard(run, pictures, environment)
        keyboard.pause()
        for key in ("question", "Tab"):
            keyboard.press(key)
        keyboard.quit()
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0, err.decode()
    assert 4 <= len(keyboard.saved()) <= keyboard.asked
    assert all(cv2.imread(str(path)).shape == (360, 640, 3) for path in keyboard.saved())
    assert 0 < int(out.split()[0].replace(b",", b"")) < 10_500  # it ended without going on
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]
