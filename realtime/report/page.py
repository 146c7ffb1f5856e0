"""A report as one page: its text and tables; the drawings are made in ``lanes``, the look and the manners in assets."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from fer_live.offline_page import offline_page
from fer_live.palette import label_colour
from fer_live.realtime.data.events import BRIDGED_S, LEAST_S
from fer_live.realtime.datatypes import SourceInfo

from .gathering import Gathering
from .lanes import Scale, axis, chip, hatches, state_name
from .quality_section import quality_section
from .tables import sortable_table
from .timeline_section import face_rows, face_said, totals_section
from .wording import clock, counted, lasting, percent

__all__ = ["MOST_LISTED", "Told", "report_page"]

MANY_FACES, MANY_SPANS = 60, 5000
"""With more, rows that are out of view are not laid out before they come into it."""

MOST_LISTED = 2000
"""Events that the page lists, the strongest."""


_LINKS = '<a href="#over-time">Over time</a><a href="#totals">Totals</a><a href="#events">Events</a>'


_NOT_TOLD = ("model", "models", "snapshots")
"""Options that change nothing on this page, or are told elsewhere on it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a run besides what was seen.

    ``facts``: as the manifest's. ``counts``: :meth:`~..data.counts.RunCounts.as_document`. ``began``: when, ISO 8601.
    ``whole``: whether the run came to its end.
    """

    info: SourceInfo
    facts: dict[str, Any]
    counts: dict[str, Any]
    began: str
    whole: bool


def report_page(seen: Gathering, told: Told) -> str:
    """The page as HTML; ``seen`` has been ended."""
    name = file_name(told.info.name)
    body = Template(_asset("report.html")).substitute(
        hatches=hatches(Scale(seen.first_s, seen.end_s)),
        name=escape(name),
        about=_about(seen, told),
        broken="" if told.whole else _note("The run broke off: this page tells what was seen until then."),
        tiles=_tiles(seen, told),
        summary=_summary(seen),
        links=_LINKS if seen.faces else "",
        found=_found(seen) if seen.faces else "",
        quality=quality_section(seen, told.info, told.counts),
        made=_made(told),
        data=_data(seen),
    )
    return offline_page(f"Expressions in {name}", _asset("report.css"), body, script=_asset("report.js"))


def _found(seen: Gathering) -> str:
    """What there is to tell where a face was seen."""
    scale = Scale(seen.first_s, seen.end_s)
    return Template(_asset("found.html")).substitute(
        legend=_legend(seen),
        binned=_binned(seen),
        length_ms=round(1e3 * scale.length_s),
        first_ms=round(1e3 * scale.first_s),
        many=" class='many'" if _is_much(seen) else "",
        axis=axis(scale),
        faces=face_rows(seen, scale),
        totals=totals_section(seen),
        events=_events(seen),
    )


def _is_much(seen: Gathering) -> bool:
    return len(seen.faces) > MANY_FACES or sum(len(face.spans) for face in seen.faces.values()) > MANY_SPANS


def file_name(name: str) -> str:
    """Of a source: without folders, which are nobody's business; an address or a camera as it is."""
    return name if "://" in name else Path(name).name or name


def _about(seen: Gathering, told: Told) -> str:
    """What was analysed, when, in one line of parts."""
    info = told.info
    length_s = seen.end_s - seen.first_s
    parts = [lasting(length_s), counted(seen.frames, "frame")]
    if info.frame_count is not None and info.frame_count > seen.frames:
        parts[-1] = f"{seen.frames:,} of {info.frame_count:,} frames"
    if info.fps is not None:
        parts.append(f"{float(info.fps):.4g} fps")
    elif length_s > 0:
        parts.append(f"about {seen.frames / length_s:.3g} fps")
    parts.append(f"{info.size_wh[0]} x {info.size_wh[1]} px")
    began = told.began[:16].replace("T", " ")
    parts.append(f"{'seen live' if info.is_live else 'analysed'} {began} UTC")
    return "".join(f"<li>{escape(part)}</li>" for part in parts)


def _tiles(seen: Gathering, told: Told) -> str:
    faces_seen = int(seen.totals.sum())
    uncertain = int(seen.totals[len(seen.labels) :].sum())
    tiles = [
        (f"{told.counts['tracks']:,}", "face followed" if told.counts["tracks"] == 1 else "faces followed"),
        (percent(seen.frames_with_faces, seen.frames), "of the frames show a face"),
        (percent(uncertain, faces_seen), "of what was seen is uncertain"),
        (f"{seen.all_events:,}", "event" if seen.all_events == 1 else "events"),
    ]
    return "".join(f"<div><dd>{value}</dd><dt>{what}</dt></div>" for value, what in tiles)


def _summary(seen: Gathering) -> str:
    if not seen.frames:
        return "<p>There was no frame to look at.</p>"
    if not seen.faces:
        return "<p>No face was found.</p>"
    longest = sorted(seen.faces.values(), key=lambda face: (-face.frames, face.track))[:3]
    lines = "".join(f"<li>{face_said(face, seen)}</li>" for face in sorted(longest, key=lambda face: face.track))
    more = len(seen.faces) - len(longest)
    return f"<ul>{lines}</ul>" + (f"<p>{counted(more, 'more face')} below.</p>" if more > 0 else "")


def _legend(seen: Gathering) -> str:
    """All labels, and the reasons that were found."""
    found = zip(seen.states, seen.totals.tolist(), strict=True)
    shown = [state for number, (state, count) in enumerate(found) if count or number < len(seen.labels)]
    return "".join(f"<li>{chip(state)}{escape(state_name(state))}</li>" for state in shown)


def _binned(seen: Gathering) -> str:
    notes = []
    if seen.joined_s:
        notes.append(f"There are so many spans that those which begin within {lasting(seen.joined_s)} are joined.")
    if seen.curves.is_binned:
        notes.append(f"Each point of a curve is the mean over {seen.curves.bin_s:.3g} s.")
    return f"<p class='note'>{escape(' '.join(notes))} The totals count every frame.</p>" if notes else ""


def _events(seen: Gathering) -> str:
    events = seen.events()
    listed = events
    if len(events) > MOST_LISTED:
        kept = sorted(events, key=lambda event: -event.strength)[:MOST_LISTED]
        listed = sorted(kept, key=lambda event: (event.onset_s, event.track))
    how = (
        f"An event is a time in which a face shows one expression other than neutral and is not marked uncertain, "
        f"over interruptions shorter than {BRIDGED_S:g} s and at least {LEAST_S:g} s long. The apex is where the model "
        "is surest, and strength is how sure: it is no measure of how strongly the face moves."
    )
    if not listed:
        return f'<p class="how">{how}</p><p>There are no events.</p>'
    rows = []
    for event in listed:
        place = f'data-track="{event.track}" data-from="{event.onset_s:.3f}" data-to="{event.offset_s:.3f}"'
        rows.append(
            [
                (f"<b>Face {event.track}</b>", event.track),
                (f"{chip(event.label)}{escape(event.label)}", event.label),
                (f'<button class="go" {place}>{clock(event.onset_s)}</button>', f"{event.onset_s:.3f}"),
                (clock(event.apex_s), f"{event.apex_s:.3f}"),
                (clock(event.offset_s), f"{event.offset_s:.3f}"),
                (f"{event.offset_s - event.onset_s:.2f} s", f"{event.offset_s - event.onset_s:.3f}"),
                (f"{100 * event.strength:.0f} %", f"{event.strength:.4f}"),
                (f"{100 * event.mean:.0f} %", f"{event.mean:.4f}"),
            ]
        )
    heads = ["Face", "Expression", "Onset", "Apex", "Offset", "Lasts", "Strength", "Mean"]
    left_out = seen.all_events - len(listed)
    note = (
        _note(f"Listed are the {len(listed):,} strongest of {seen.all_events:,}; --events writes all.")
        if left_out
        else ""
    )
    table = sortable_table("events-table", "Events, by onset", heads, rows, words=2)
    return f'<p class="how">{how}</p>{note}<div id="filters"></div>{table}'


def _made(told: Told) -> str:
    """Terms and what they are; the model by its file's name and digest, none of its figures."""
    facts = told.facts
    model, detector = facts.get("model", {}), facts.get("detector", {})
    asked = facts.get("options", {}).items()
    options = [
        f"{name.replace('_', '-')} {_option(value)}"
        for name, value in asked
        if name not in _NOT_TOLD and value is not None
    ]
    rows = [
        (
            "Model",
            f"{model.get('file', '')}, SHA-256 {str(model.get('sha256', ''))[:16]}…, {model.get('provider', '')}",
        ),
        ("Faces found by", f"{detector.get('name', '')}, in a copy of at most {detector.get('detect_size_px', '')} px"),
        ("Options", ", ".join(options)),
        ("Programs", ", ".join(f"{name} {v}" for name, v in _programs(facts))),
        ("Platform", f"Python {facts.get('python', '')}, {facts.get('platform', '')}"),
    ]
    if changes := facts.get("changes"):
        rows.insert(3, ("Changed", "; ".join(_change(change) for change in changes)))
    return "".join(f"<dt>{term}</dt><dd>{escape(str(value))}</dd>" for term, value in rows)


def _change(change: dict[str, Any]) -> str:
    smooth = "smoothed" if change["smooth"] else "raw"
    return f"from {clock(change['from_s'])} on {change['model']['file']}, {change['detector']['name']}, {smooth}"


def _programs(facts: dict[str, Any]) -> Sequence[tuple[str, str]]:
    return [("fer-live", str(facts.get("fer_live", ""))), *facts.get("libraries", {}).items()]


def _option(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else file_name(str(value))


def _data(seen: Gathering) -> str:
    """What the script draws from, as JSON that cannot end its element."""
    faces = {}
    for track in sorted(seen.faces):
        first, coded = seen.curves.coded(track)
        faces[track] = {"first": first, "coded": base64.b64encode(coded).decode()}
    document = {
        "labels": seen.labels,
        "colours": ["#{:02x}{:02x}{:02x}".format(*label_colour(label)) for label in seen.labels],
        "states": [state_name(state) for state in seen.states],
        "bin_ms": 1e3 * seen.curves.bin_s,
        "binned": seen.curves.is_binned,
        "faces": faces,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
