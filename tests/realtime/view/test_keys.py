"""The one table of keys, what is made from it, and a real window that hears them."""

from pathlib import Path

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
