"""The keys of the window: the one table that it hears by, and that its help and the documentation are made from."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["KEYS", "Action", "Key", "action_of", "as_markdown", "help_rows"]


class Action(StrEnum):
    """What a key does."""

    PAUSE = "pause"
    HUD = "hud"
    MODEL = "model"
    DETECTOR = "detector"
    RAW = "raw"
    SELECT = "select"
    HEAT = "heat"
    LAYER = "layer"
    LAYER_BACK = "layer back"
    SNAPSHOT = "snapshot"
    HELP = "help"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Key:
    """``names``: the keys, any of which will do; a letter is the same in capitals, which OpenCV's windows can't tell
    apart everywhere. ``words``: what they do; short, for the help stands on small pictures, too.
    """

    action: Action
    names: tuple[str, ...]
    words: str


KEYS = (
    Key(Action.PAUSE, ("space",), "pause, resume"),
    Key(Action.HUD, ("h",), "speed, delay, engine"),
    Key(Action.MODEL, ("m",), "next model"),
    Key(Action.DETECTOR, ("d",), "next detector"),
    Key(Action.RAW, ("r",), "raw or smoothed"),
    Key(Action.SELECT, ("Tab", "click"), "select a face"),
    Key(Action.HEAT, ("g",), "where the model looks"),
    Key(Action.LAYER, ("f",), "feature maps: next layer"),
    Key(Action.LAYER_BACK, ("b",), "feature maps: previous"),
    Key(Action.SNAPSHOT, ("s",), "save this picture"),
    Key(Action.HELP, ("?", "F1"), "show or hide this help"),
    Key(Action.QUIT, ("q", "Esc"), "quit"),
)
"""In the order of the help."""

_CODES = {
    "space": (32,),
    "Tab": (9,),
    "Esc": (27,),
    "F1": (0xFFBE, 0x700000, 0xF704),  # of X11, Windows and macOS, as cv2.waitKeyEx gives them
    "click": (),
}

_ACTIONS = {
    code: key.action
    for key in KEYS
    for name in key.names
    for code in _CODES.get(name, tuple({ord(name[0]), ord(name[0].upper())}))
}


def action_of(code: int) -> Action | None:
    """What a key does, by what ``cv2.waitKeyEx`` says of it; -1 is no key."""
    return _ACTIONS.get(code)


def as_markdown() -> str:
    """The keys as a table for the documentation."""
    rows = [f"| {' or '.join(f'`{name}`' for name in key.names)} | {key.words} |" for key in KEYS]
    return "\n".join(["| key | what it does |", "|---|---|", *rows])


def help_rows(bound: Container[Action]) -> tuple[tuple[str, str], ...]:
    """The keys that do something in this run, and what."""
    return tuple((", ".join(key.names), key.words) for key in KEYS if key.action in bound)
