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
    assert help_rows({Action.QUIT, Action.PAUSE}) == (("space", "pause, go on"), ("q, Esc", "quit"))


def test_the_documentation_has_the_table() -> None:
    assert as_markdown() in (ROOT / "docs" / "window.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_real_window_hears_real_keys(display: str, tmp_path: Path) -> None:
    """While it is paused nothing is missed; a picture is saved only when it is asked for; q ends in good order."""
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    environment = os.environ | {"DISPLAY": display}
    clip = ROOT / "samples" / "astronaut.mp4"
    arguments = ["-m", "fer_live.realtime.cli", "--video", str(clip), "--snapshots", str(tmp_path / "pictures")]
    run = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    try:

        def do(*words: str) -> None:
            subprocess.run(["xdotool", *words], env=environment, check=True, capture_output=True, timeout=60)

        do("search", "--sync", "--onlyvisible", "--name", "^fer-live: ", "windowfocus")
        time.sleep(1)  # until Qt hears keys
        for key in ("space", "question", "Tab", "s"):
            do("key", key)
        saved, until_s = tmp_path / "pictures", time.monotonic() + 60
        while not (saved.is_dir() and any(saved.iterdir())) and time.monotonic() < until_s:
            time.sleep(0.1)
        do("key", "q")
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0, err.decode()
    pictures = list(saved.iterdir())
    assert len(pictures) == 1 and cv2.imread(str(pictures[0])).shape == (360, 640, 3)
    # It was paused soon after its first frame, and ended without going on.
    assert 0 < int(out.split()[0]) < 175
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]
