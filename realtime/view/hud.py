"""Text over the whole picture, on grounds of its own so that it is read on any background: how the engine does (the
HUD), a permanent notice, a message for a moment, the keys, and a banner for what is wrong with the source.

Sprites are kept by what they say: figures that change a few times a second rather than with each frame are read
better and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fer_live.realtime.datatypes import Frame

from .canvas import PANEL, SMALLEST_TEXT, Canvas, Colour, ink_on, line_height, text_sprite, word_width

__all__ = ["HudFigures", "StageFigures", "banner", "draw_help", "draw_hud", "hud_box", "legend", "message", "notice"]

_VALUE: Colour = (255, 255, 255)
_NAME: Colour = (160, 164, 170)
_ALARM: Colour = (230, 159, 0)

_WIDEST_NUMBER = "00000.0"
_MOST_OF_WIDTH = 0.9


@dataclass(frozen=True, slots=True)
class StageFigures:
    """How long a stage took lately: median and 95th percentile, milliseconds a frame."""

    name: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class HudFigures:
    """What the HUD shows.

    ``stages``: in the order of the pipeline. ``fps``: frames shown a second lately. ``age_ms``: of the frame shown,
    since it was grabbed; None for a file. ``dropped``: frames that a live source gave and nobody had time for, so far.
    ``provider``: the execution provider that classifies. ``detector``: as on the command line. ``faces``: on this
    frame. ``model``: its file's name, "" where none is told.
    """

    stages: tuple[StageFigures, ...]
    fps: float
    age_ms: float | None
    dropped: int
    provider: str
    detector: str
    faces: int
    model: str = ""


def draw_hud(frame: Frame, figures: HudFigures, *, left: bool = True) -> None:
    """Draw the figures in the top left corner of a frame, or the top right one; its planes are changed."""
    at, top, _, _ = hud_box(frame, figures, left=left)
    Canvas.of(frame).blit(_table(figures, line_height(frame.size_wh), frame.limited_range), at, top)


def hud_box(frame: Frame, figures: HudFigures, *, left: bool) -> tuple[int, int, int, int]:
    """What :func:`draw_hud` covers: left, top, right, bottom in pixels."""
    line = line_height(frame.size_wh)
    width, height = _table(figures, line, frame.limited_range).size_wh
    margin = line // 2 & ~1
    at = margin if left else (frame.size_wh[0] & ~1) - width - margin
    return at, margin, at + width, margin + height


def notice(frame: Frame, text: str) -> None:
    """Draw a small line in the bottom left corner of a frame, whose planes are changed."""
    line = line_height(frame.size_wh)
    sprite = _line(_cut(text, line, frame.size_wh[0]), line, PANEL, frame.limited_range)
    Canvas.of(frame).blit(sprite, 0, (frame.size_wh[1] & ~1) - line)


def legend(frame: Frame, text: str) -> None:
    """As :func:`notice`, in the bottom right corner."""
    width, height = frame.size_wh
    line = line_height(frame.size_wh)
    sprite = _line(_cut(text, line, width // 2), line, PANEL, frame.limited_range)
    Canvas.of(frame).blit(sprite, width - sprite.size_wh[0], (height & ~1) - line)


def message(frame: Frame, text: str) -> None:
    """Draw a line in the middle near the bottom of a frame, whose planes are changed."""
    width, height = frame.size_wh
    line = line_height(frame.size_wh)
    sprite = _pill(_cut(text, line, round(_MOST_OF_WIDTH * width)), line, frame.limited_range)
    Canvas.of(frame).blit(sprite, (width - sprite.size_wh[0]) // 2, height - 2 * line - sprite.size_wh[1])


def draw_help(frame: Frame, rows: tuple[tuple[str, str], ...]) -> None:
    """Draw keys and what they do in the middle of a frame, whose planes are changed."""
    width, height = frame.size_wh
    line = line_height(frame.size_wh)
    # On a picture that is too small for it the end is cut off, not the beginning.
    sprite = _help(rows, line, frame.limited_range)
    left, top = (width - sprite.size_wh[0]) // 2, (height - sprite.size_wh[1]) // 2
    Canvas.of(frame).blit(sprite, max(0, left), max(0, top))


def banner(frame: Frame, text: str) -> None:
    """Draw a large line across the middle of a frame, whose planes are changed."""
    width, height = frame.size_wh
    line = 2 * line_height(frame.size_wh)
    room = round(_MOST_OF_WIDTH * width)
    while line > SMALLEST_TEXT and _width(tuple(text.split()), line) > room:
        line -= 2
    sprite = _line(_cut(text, line, room), line, _ALARM, frame.limited_range)
    canvas, top = Canvas.of(frame), (height - line) // 2
    canvas.fill(0, top - line // 2, width, top + line + line // 2, _ALARM)
    canvas.blit(sprite, (width - sprite.size_wh[0]) // 2, top)


def _facts(figures: HudFigures) -> tuple[tuple[str, str], ...]:
    age = () if figures.age_ms is None else (("age", f"{figures.age_ms:.0f} ms"),)
    return (
        ("fps", f"{figures.fps:.1f}"),
        *age,
        ("dropped", f"{figures.dropped}"),
        ("faces", f"{figures.faces}"),
        ("provider", figures.provider),
        ("detector", figures.detector),
        *([("model", figures.model)] if figures.model else []),
    )


def _stages(figures: HudFigures) -> tuple[tuple[str, str, str], ...]:
    return (
        ("ms a frame", "p50", "p95"),
        *((stage.name, f"{stage.p50_ms:.1f}", f"{stage.p95_ms:.1f}") for stage in figures.stages),
    )


@lru_cache(maxsize=4)
def _table(figures: HudFigures, line: int, limited_range: bool) -> Canvas:
    """Names on the left; facts beside them; under these the stages' numbers in columns aligned to the right."""
    facts, stages = _facts(figures), _stages(figures)
    margin = 2 * (line // 4)
    names = margin + max(word_width(row[0], line) for row in (*facts, *stages))
    column = word_width(_WIDEST_NUMBER, line)
    right = names + max(2 * column, *(word_width(value, line) for _, value in facts))
    below = 2 * margin + len(facts) * line  # where the stages begin
    height = below + len(stages) * line + margin
    sprite = Canvas.sprite(right + margin, height, PANEL, limited_range=limited_range)
    put = _writer(sprite, line, limited_range)
    for row, (name, value) in enumerate(facts):
        put(name, margin, margin + row * line, _NAME)
        put(value, names, margin + row * line, _VALUE)
    for row, (name, *numbers) in enumerate(stages):
        put(name, margin, below + row * line, _NAME)
        for place, number in enumerate(numbers, 1):
            left = names + place * column - word_width(number, line)
            put(number, left, below + row * line, _VALUE if row else _NAME)
    return sprite


@lru_cache(maxsize=4)
def _help(rows: tuple[tuple[str, str], ...], line: int, limited_range: bool) -> Canvas:
    """A heading, then names on the left and words beside them, half a line apart from row to row."""
    margin, step = 2 * (line // 2), line + 2 * (line // 6)
    names = margin + max(word_width(name, line) for name, _ in rows) + margin
    right = names + max(word_width(words, line) for _, words in rows)
    top = margin + step + 2 * (line // 4)  # where the rows begin
    sprite = Canvas.sprite(right + margin, top + len(rows) * step + margin, PANEL, limited_range=limited_range)
    put = _writer(sprite, line, limited_range)
    put("keys", margin, margin, _NAME)
    for row, (name, words) in enumerate(rows):
        put(name, margin, top + row * step, _ALARM)
        put(words, names, top + row * step, _VALUE)
    return sprite


def _writer(sprite: Canvas, line: int, limited_range: bool) -> Callable[[str, int, int, Colour], None]:
    """What writes a word on a panel: the word, left and top in pixels, and its colour."""

    def put(word: str, left: int, top: int, ink: Colour) -> None:
        sprite.blit(text_sprite((word,), line, ink, PANEL, limited_range=limited_range), left, top)

    return put


@lru_cache(maxsize=16)
def _pill(words: tuple[str, ...], line: int, limited_range: bool) -> Canvas:
    """Words with room around them."""
    text = text_sprite(words, line, _VALUE, PANEL, limited_range=limited_range)
    margin = 2 * (line // 4)
    sprite = Canvas.sprite(text.size_wh[0] + 2 * margin, line + 2 * margin, PANEL, limited_range=limited_range)
    sprite.blit(text, margin, margin)
    return sprite


@lru_cache(maxsize=16)
def _line(words: tuple[str, ...], line: int, ground: Colour, limited_range: bool) -> Canvas:
    return text_sprite(words, line, ink_on(ground), ground, limited_range=limited_range)


def _width(words: Sequence[str], line: int) -> int:
    return sum(word_width(word, line) for word in words)


def _cut(text: str, line: int, room: int) -> tuple[str, ...]:
    """The words of a text, the last ones left out where they do not fit."""
    words = tuple(text.split()) or ("",)
    if _width(words, line) <= room:
        return words
    while len(words) > 1 and _width((*words, "..."), line) > room:
        words = words[:-1]
    return (*words, "...")
