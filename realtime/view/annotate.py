"""What is drawn for each face, and where: its box, a tag that says the expression, and bars of all probabilities.

Bars are sprites, rendered when a bar's length in steps of two pixels is new. What a face's drawing looks like (side,
size of text, how much its tag says) is kept from frame to frame, so that it does not flicker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_live.palette import label_colour
from fer_live.realtime.datatypes import Changes, Doubt, Expressions, Result

from .canvas import PANEL, SMALLEST_TEXT, Canvas, Colour, even, ink_on, line_height, text_sprite, word_width

__all__ = ["Annotator"]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, even."""

_Spans = tuple[tuple[int, int], ...]
"""Where bars begin and end, pixels, even."""

MOST_NATS = 4.0
"""A change that fills a bar: about the largest that can be, see :data:`~..labels.baseline.FLOOR`."""

_WHITE: Colour = (255, 255, 255)
_RAIL: Colour = (54, 56, 60)
_DOUBTED: Colour = (190, 194, 200)
_DOUBTED_TAG: Colour = (58, 61, 66)

_FORGOTTEN_AFTER_S = 1.0
_SLACK = 1.15
"""A tag says more only where it fits this much more than once, and less only where it is this much too wide."""


@dataclass(slots=True)
class _Look:
    """How a track's face was drawn last. ``form``: which of the ways to say it, 0 says most. ``side``: of its panel."""

    text: int
    form: int | None
    side: str
    seen_s: float


@dataclass(slots=True)
class Annotator:
    """Draws results. A face gets its box, a tag with track id, label and probability, and a bar for each label.

    Bars are a panel with names beside the face where one of a readable size fits without covering another face, else
    a compact row under it, tallest bar the likeliest, in the colours of the labels. Tags say less where faces stand
    close together. A face whose expression is in doubt has a dashed box in grey, and its tag says why. Nothing is
    drawn for a face that is wholly outside the frame.

    What another model says has thin bars and a tag at the foot of the box, grey where both say the same. Of a face
    that is set against its neutral, tag and bars tell the change: bars to the right (or up) for more, to the left (or
    down) for less.
    """

    show_ids: bool = True
    _looks: dict[int, _Look] = field(default_factory=dict)

    def draw(self, result: Result) -> None:
        """Draw on the planes of ``result.frame``, which are changed."""
        frame, expressions = result.frame, result.expressions
        self._looks = {
            track: look for track, look in self._looks.items() if frame.time_s - look.seen_s <= _FORGOTTEN_AFTER_S
        }
        canvas, size_wh = Canvas.of(frame), frame.size_wh
        line, stroke = line_height(size_wh), 2 * max(1, round(min(size_wh) / 540))
        boxes = _snapped(result.faces.xyxy)
        labels, probabilities = expressions.smoothed.labels, expressions.smoothed.probabilities.tolist()
        with_ids = self.show_ids and len(boxes) > 1
        taken, tags = list(boxes), []
        seen = zip(boxes, _rooms(boxes, line), result.track_ids.tolist(), expressions.shown.tolist(), strict=True)
        for number, (box, room, track, shown) in enumerate(seen):
            row, doubt = probabilities[number], expressions.doubts[number]
            if box[2] <= 0 or box[3] <= 0 or box[0] >= size_wh[0] or box[1] >= size_wh[1]:
                continue
            look = self._look(track, box[2] - box[0], line, frame.time_s)
            name, label = track if with_ids else None, labels[shown]
            if doubt is None and result.changes is not None:
                label, left_s = _change_of(result.changes, number, labels)
                said = _ways_to_say_change(name, label, left_s)
            else:
                said = _ways_to_say(name, label, round(100 * row[shown]), doubt)
            ground = label_colour(label) if doubt is None and label else _DOUBTED_TAG
            if doubt is None:
                canvas.outline(*box, stroke, ground if label else _DOUBTED)
            else:
                canvas.dashes(*box, stroke, _DOUBTED)
            tag = _tag(_that_fits(look, room, said), look.text, ground, frame.limited_range)
            tag_left, tag_top = _tag_place(box, tag.size_wh, size_wh)
            tags.append((tag, tag_left, tag_top))
            if result.other is not None:
                second = _other_tag(result.other, number, shown, look.text, frame.limited_range)
                tags.append((second, box[0], max(box[1], min(box[3], size_wh[1] & ~1) - look.text)))
            panel = _panel_place(look, box, labels, size_wh, taken)
            if panel is not None:
                taken.append(panel)
                spans = _spans(result, number, row, _plan(labels, look.text).room)
                canvas.blit(_panel(labels, look.text, *spans, frame.limited_range), panel[0], panel[1])
            else:
                step = max(6, 2 * round((box[2] - box[0]) / (2 * len(labels))))
                spans = _spans(result, number, row, look.text)
                bars = _bars(labels, step, look.text, *spans, frame.limited_range)
                under = box[3] + (look.text if tag_top == box[3] else 0)
                bars_top = min(under, (size_wh[1] & ~1) - look.text)
                canvas.blit(bars, (box[0] + box[2] - bars.size_wh[0]) // 2, bars_top)
        # Last, so that no neighbour's bars hide a label.
        for tag, tag_left, tag_top in tags:
            canvas.blit(tag, tag_left, tag_top)

    def _look(self, track: int, width: int, line: int, time_s: float) -> _Look:
        # Small faces stand close together: their text is smaller too.
        wanted = min(float(line), max(float(SMALLEST_TEXT), width / 3))
        look = self._looks.get(track)
        if look is None:
            look = self._looks[track] = _Look(2 * round(wanted / 2), None, "right", time_s)
        elif abs(look.text - wanted) > 1.5:
            look.text = 2 * round(wanted / 2)
        look.seen_s = time_s
        return look


def _snapped(xyxy: NDArray[np.float32]) -> list[Box]:
    """Boxes (N, 4) to whole even pixels, outwards."""
    corners = np.rint(xyxy).astype(np.int64)
    corners[:, 2:] += 1
    corners &= ~1
    return [(left, top, right, bottom) for left, top, right, bottom in corners.tolist()]


def _rooms(boxes: Sequence[Box], line: int) -> list[float]:
    """How wide each box's tag, over its middle, may be so that it does not run into a neighbour and its tag."""
    rooms = []
    order = sorted(range(len(boxes)), key=lambda number: boxes[number][0] + boxes[number][2])
    place = {number: position for position, number in enumerate(order)}
    for number, (left, top, right, _) in enumerate(boxes):
        room = 20.0 * line  # more than any tag takes
        position = place[number]
        for neighbours in (order[position + 1 :], order[:position][::-1]):
            for other in neighbours:
                o_left, o_top, o_right, o_bottom = boxes[other]
                apart = abs(o_left + o_right - left - right) / 2
                if apart >= room:
                    break
                if apart == 0 or top - line >= o_bottom or o_top - line >= top:
                    continue
                # Two tags share the way between them; a neighbour's box may be come close to.
                room = min(room, apart if abs(top - o_top) < line else 2 * apart - (o_right - o_left))
        rooms.append(max(room, right - left))
    return rooms


@lru_cache(maxsize=1024)
def _ways_to_say(track: int | None, label: str, percent: int, doubt: Doubt | None) -> tuple[tuple[str, ...], ...]:
    """The words of a face's tag, the way that says most first."""
    number = () if track is None else (f"#{track}",)
    if doubt is not None:
        said = f"uncertain: {doubt.value}"
        return (*number, said), (said,), ("uncertain",), ("?",)
    return (*number, label, f"{percent}%"), (label, f"{percent}%"), (label,)


def _change_of(changes: Changes, row: int, labels: tuple[str, ...]) -> tuple[str, int]:
    """The label that a face shows more of than in its neutral, else "", and seconds for which that is still learned."""
    shown = int(changes.shown[row])
    return labels[shown] if shown >= 0 else "", math.ceil(changes.left_s[row])


@lru_cache(maxsize=256)
def _ways_to_say_change(track: int | None, label: str, left_s: int) -> tuple[tuple[str, ...], ...]:
    """As :func:`_ways_to_say`, of a face that is set against its neutral."""
    number = () if track is None else (f"#{track}",)
    if left_s:
        return (*number, f"learning neutral: {left_s} s"), (f"learning: {left_s} s",), (f"{left_s} s",)
    said = f"more {label}" if label else "as neutral"
    return (*number, said), (said,), (f"+{label}" if label else "=",)


def _other_tag(other: Expressions, row: int, shown: int, text: int, limited_range: bool) -> Canvas:
    """What another model says of a face of which ``shown`` is said: in colour only where it is something else."""
    theirs = int(other.shown[row])
    label, percent = other.smoothed.labels[theirs], round(100 * float(other.smoothed.probabilities[row, theirs]))
    ground = _DOUBTED_TAG if theirs == shown else label_colour(label)
    return _tag(("2nd:", label, f"{percent}%"), text, ground, limited_range)


def _that_fits(look: _Look, room: float, ways: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The way that says most and fits, changing from the one before only where it is clearly better."""
    for form, words in enumerate(ways):
        slack = 1.0 if look.form is None else _SLACK if form >= look.form else 1 / _SLACK
        if sum([word_width(word, look.text) for word in words]) <= room * slack:
            break
    look.form = form
    return ways[form]


def _tag_place(box: Box, tag_wh: tuple[int, int], frame_wh: tuple[int, int]) -> tuple[int, int]:
    """(left, top) of a tag: over its box, else under it, else in it; never beyond the frame where it fits in."""
    left, top, right, bottom = box
    width, height = tag_wh
    # A tag wider than its face stands over its middle.
    tag_left = left if width <= right - left else (left + right - width) // 2
    tag_top = top - height if top >= height else bottom if bottom + height <= frame_wh[1] else max(0, top)
    return max(0, min(tag_left, frame_wh[0] - width)) & ~1, tag_top


def _panel_place(
    look: _Look, box: Box, labels: tuple[str, ...], frame_wh: tuple[int, int], taken: Sequence[Box]
) -> Box | None:
    """Where the panel of bars goes: the side it was on before if it fits there, else the other, else None."""
    plan = _plan(labels, look.text)
    if box[3] - box[1] < plan.height * 0.55 or plan.height > frame_wh[1]:
        return None
    top = min(max(0, box[1]), frame_wh[1] - plan.height) & ~1
    gap = 2 * (look.text // 6)
    for side in (look.side, "left" if look.side == "right" else "right"):
        left = box[2] + gap if side == "right" else box[0] - gap - plan.width
        right, bottom = left + plan.width, top + plan.height
        if left < 0 or right > frame_wh[0]:
            continue
        if any([a < right and left < c and b < bottom and top < d for a, b, c, d in taken]):
            continue
        look.side = side
        return left, top, right, bottom
    return None


@lru_cache(maxsize=512)
def _tag(words: tuple[str, ...], text: int, ground: Colour, limited_range: bool) -> Canvas:
    return text_sprite(words, text, ink_on(ground), ground, limited_range=limited_range)


def _spans(result: Result, row: int, probabilities: Sequence[float], room: int) -> tuple[_Spans, _Spans | None]:
    """Where the bars of a face begin and end, of ``room``, and the thin ones of another model."""
    changes, other = result.changes, result.other
    spans = _from_zero(probabilities, room)
    if changes is not None and changes.left_s[row] == 0:
        spans = _from_middle(changes.nats[row].tolist(), room)
    return spans, None if other is None else _from_zero(other.smoothed.probabilities[row].tolist(), room)


def _from_zero(probabilities: Sequence[float], room: int) -> _Spans:
    """Bars of lengths in pixels, even, at least 2, of at most ``room``."""
    half = room / 2
    return tuple([(0, 2 * round(probability * half) or 2) for probability in probabilities])


def _from_middle(nats: Sequence[float], room: int) -> _Spans:
    """Bars to either side of the middle of ``room``, which are as long as that at :data:`MOST_NATS`; even."""
    middle = 2 * (room // 4)
    ends = [middle + 2 * round(min(max(value / MOST_NATS, -1.0), 1.0) * middle / 2) for value in nats]
    return tuple([(min(middle, end), max(middle + 2, end)) for end in ends])


@dataclass(frozen=True, slots=True)
class _Plan:
    """Sizes in pixels of a panel. ``names``: width of the column of names. ``room``: length of a bar of 100 %."""

    names: int
    room: int
    width: int
    height: int


@lru_cache(maxsize=64)
def _plan(labels: tuple[str, ...], text: int) -> _Plan:
    names = max(word_width(label, text) for label in labels)
    margin = 2 * (text // 4)
    room = even(round(4.25 * text))
    return _Plan(names, room, names + room + margin, len(labels) * text + margin)


@lru_cache(maxsize=64)
def _panel(labels: tuple[str, ...], text: int, spans: _Spans, thin: _Spans | None, limited_range: bool) -> Canvas:
    """A panel with names and bars, which thin ones of another model are under."""
    sprite, left = _empty_panel(labels, text, limited_range).copy(), _plan(labels, text).names
    for row, (label, (begin, end)) in enumerate(zip(labels, spans, strict=True)):
        top, bottom = _bar_rows(row, text)
        if thin is not None:
            middle = bottom - 2 * max(1, text // 9)
            sprite.fill(left + thin[row][0], middle, left + thin[row][1], bottom, _WHITE)
            bottom = middle
        sprite.fill(left + begin, top, left + end, bottom, label_colour(label))
    return sprite


@lru_cache(maxsize=32)
def _empty_panel(labels: tuple[str, ...], text: int, limited_range: bool) -> Canvas:
    plan = _plan(labels, text)
    sprite = Canvas.sprite(plan.width, plan.height, PANEL, limited_range=limited_range)
    for row, label in enumerate(labels):
        name = text_sprite((label,), text, _WHITE, PANEL, limited_range=limited_range)
        sprite.blit(name, 0, 2 * (text // 8) + row * text)
        top, bottom = _bar_rows(row, text)
        sprite.fill(plan.names, top, plan.names + plan.room, bottom, _RAIL)
    return sprite


def _bar_rows(row: int, text: int) -> tuple[int, int]:
    """Top and bottom of the bar in a row of a panel."""
    top = row * text + 4 * (text // 8)
    return top, top + 2 * (text // 3)


@lru_cache(maxsize=512)
def _bars(
    labels: tuple[str, ...], step: int, height: int, spans: _Spans, thin: _Spans | None, limited_range: bool
) -> Canvas:
    """A compact row of upright bars, ``step`` pixels apart, thin ones of another model to the right of them."""
    sprite = Canvas.sprite(step * len(labels), height, PANEL, limited_range=limited_range)
    for column, (label, (begin, end)) in enumerate(zip(labels, spans, strict=True)):
        right = (column + 1) * step - 2
        if thin is not None:
            right -= 2
            sprite.fill(right, height - thin[column][1], right + 2, height - thin[column][0], _WHITE)
        sprite.fill(column * step, height - end, right, height - begin, label_colour(label))
    return sprite
