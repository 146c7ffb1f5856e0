"""The drawings of a report as SVG: lanes over time, bars of shares, hatching for what is not claimed.

Lanes are drawn in milliseconds and stretched to the width that there is, so that the script zooms by changing one
attribute and a span takes a dozen bytes. All spans of one state are one path; where they lie is read from it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from fer_live.palette import label_colour
from fer_live.realtime.data.events import Event
from fer_live.realtime.datatypes import Doubt

from .spans import Span
from .wording import clock

__all__ = ["LANE_PX", "Scale", "axis", "chip", "hatches", "lane", "share_bar", "state_name"]

LANE_PX = 40
"""Height of a lane; ``report.css`` has it, too."""

_BAND_Y, _BAND_PX = 25, 28
_EVENT_Y, _TICK_Y = 6, 1
_USUAL_PX = 900  # width of a lane on a common screen, for what the script does not correct
_LETTER_PX = 7.2

_DRAWN = {
    Doubt.TOO_SMALL: "M2 2h2v2h-2z M6 6h2v2h-2z",
    Doubt.BLURRED: "M0 1.5h8 M0 5.5h8",
    Doubt.TURNED_AWAY: "M-2 10 10 -2 M-2 2 2 -2 M6 10 10 6",
    Doubt.LOW_CONFIDENCE: "M-2 -2 10 10 M6 -2 10 2 M-2 6 2 10",
}
"""A tile of 8 x 8 for each reason: dots, lines, and slashes of either kind."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The time that is shown, seconds; at least a hundredth."""

    first_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long it is."""
        return max(0.01, self.end_s - self.first_s)

    def ms(self, time_s: float) -> int:
        """Since its beginning."""
        return round(1e3 * (time_s - self.first_s))

    def percent(self, time_s: float) -> str:
        """Where a time lies, as a coordinate."""
        return f"{100 * (time_s - self.first_s) / self.length_s:.2f}%"


def state_name(state: str) -> str:
    """A label or a reason in words."""
    return f"uncertain: {state.value}" if isinstance(state, Doubt) else state


def hatches(scale: Scale) -> str:
    """The patterns that lanes and chips refer to; once in a page."""
    stretch = 1e3 * scale.length_s / _USUAL_PX
    drawn = []
    for number, tile in enumerate(_DRAWN.values()):
        for name, transform in ((f"why-{number}", ""), (f"lane-why-{number}", f"scale({stretch:.4g} 1)")):
            turned = f' patternTransform="{transform}"' if transform else ""
            drawn.append(
                f'<pattern id="{name}" width="8" height="8" patternUnits="userSpaceOnUse"{turned}>'
                f'<rect width="8" height="8"/><path d="{tile}"/></pattern>'
            )
    return f'<svg class="hatches" width="0" height="0" aria-hidden="true"><defs>{"".join(drawn)}</defs></svg>'


def chip(state: str) -> str:
    """A sample of a state for a legend."""
    return f'<svg class="chip" width="22" height="14" aria-hidden="true"><rect width="22" height="14" rx="3" fill="{_paint(state)}"/></svg>'  # noqa: E501


def lane(spans: Iterable[Span], states: Sequence[str], events: Sequence[Event], scale: Scale) -> str:
    """Two SVGs, one upon the other: bands for the spans with brackets for the events above them, and the words."""
    paths: dict[int, list[str]] = {}
    at_ms: dict[int, int] = {}
    words = []
    for span in spans:
        start, end = scale.ms(span.start_s), scale.ms(span.end_s)
        path = paths.setdefault(span.state, [])
        path.append(f"m{start - at_ms[span.state]} 0h{end - start}" if path else f"M{start} {_BAND_Y}h{end - start}")
        at_ms[span.state] = end
        state = states[span.state]
        text = str(state)
        if (span.end_s - span.start_s) / scale.length_s * _USUAL_PX > _LETTER_PX * len(text) + 12:
            kind = ' class="why"' if isinstance(state, Doubt) else ""
            middle = scale.percent((span.start_s + span.end_s) / 2)
            words.append(f'<text{kind} x="{middle}" y="{_BAND_Y + 4}">{escape(text)}</text>')
    bands = [
        f'<path data-state="{state}" stroke="{_paint(states[state], "lane-")}" stroke-width="{_BAND_PX}" '
        f'd="{"".join(path)}"/>'
        for state, path in sorted(paths.items())
    ]
    if events:
        marks = [
            f"M{scale.ms(event.onset_s)} {_EVENT_Y}H{scale.ms(event.offset_s)}M{scale.ms(event.apex_s)} {_TICK_Y}v5"
            for event in events
        ]
        bands.append(f'<path class="events" d="{"".join(marks)}"/>')
    view = f"0 0 {round(1e3 * scale.length_s)} {LANE_PX}"
    return (
        f'<svg class="lane" viewBox="{view}" preserveAspectRatio="none" aria-hidden="true">{"".join(bands)}</svg>'
        f'<svg class="words" aria-hidden="true">{"".join(words)}</svg>'
    )


def axis(scale: Scale) -> str:
    """Times below each other's lines."""
    step = _round_step(scale.length_s / 7)
    ticks, number = [], 0
    while (after_s := number * step) <= scale.length_s * 0.97:
        x = f"{100 * after_s / scale.length_s:.2f}%"
        ticks.append(
            f'<line x1="{x}" x2="{x}" y1="14" y2="20"/><text x="{x}" y="11">{clock(scale.first_s + after_s)}</text>'
        )
        number += 1
    return f'<svg class="axis" aria-hidden="true">{"".join(ticks)}</svg>'


def share_bar(shares: Sequence[int], states: Sequence[str], named: str) -> str:
    """One bar whose parts are the shares; with what it says in words."""
    whole, at, parts = sum(shares), 0.0, []
    for count, state in zip(shares, states, strict=True):
        if not count:
            continue
        width = 100 * count / whole
        parts.append(f'<rect x="{at:.3f}%" width="{width:.3f}%" height="100%" fill="{_paint(state)}"/>')
        kind = ' class="why"' if isinstance(state, Doubt) else ""
        text = f"{state} {width:.0f} %"
        if width / 100 * _USUAL_PX * 0.7 > _LETTER_PX * len(text) + 10:
            parts.append(f'<text{kind} x="{at + width / 2:.2f}%" y="17">{escape(text)}</text>')
        at += width
    return f'<svg class="share" role="img" aria-label="{escape(named)}">{"".join(parts)}</svg>'


def _paint(state: str, kind: str = "") -> str:
    if isinstance(state, Doubt):
        return f"url(#{kind}why-{list(Doubt).index(state)})"
    return "#{:02x}{:02x}{:02x}".format(*label_colour(state))


def _round_step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten, or of what minutes and hours are counted in, that is not less."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600):
        if step >= least:
            return step
    return 86400.0 * max(1, round(least / 86400))
