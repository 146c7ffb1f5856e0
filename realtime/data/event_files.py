"""Events as subtitles (WebVTT, SubRip) and as a table as BORIS exports it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_live.realtime.datatypes import SourceInfo

from .eaf import as_eaf
from .events import Event

__all__ = ["BORIS_COLUMNS", "EVENT_FILES", "Observed", "as_boris", "as_srt", "as_vtt"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What the events were seen in, and where they go.

    ``file``: of the video, None where it is none. ``folder``: of the target. ``began``: when the run did, ISO 8601 with
    a time zone. ``end_s``: when the last frame ends, seconds.
    """

    info: SourceInfo
    file: Path | None
    folder: Path
    began: str
    end_s: float


def as_vtt(events: Sequence[Event], observed: Observed) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): a cue an event, in the order of their onsets."""
    cues = (
        f"\n{number}\n{_clock(event.onset_s, '.')} --> {_clock(event.offset_s, '.')}\n{_escaped(_said(event))}\n"
        for number, event in enumerate(events, 1)
    )
    return "WEBVTT\n" + "".join(cues)


def as_srt(events: Sequence[Event], observed: Observed) -> str:
    """SubRip: the same cues, numbered, with a comma before the milliseconds."""
    cues = (
        f"{number}\n{_clock(event.onset_s, ',')} --> {_clock(event.offset_s, ',')}\n{_said(event)}\n"
        for number, event in enumerate(events, 1)
    )
    return "\n".join(cues)


BORIS_COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Coding duration",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Observation duration by subject by observation",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Media file name",
    "Image index start",
    "Image index stop",
    "Image file path start",
    "Image file path stop",
    "Comment start",
    "Comment stop",
)
"""Of BORIS's aggregated events, where a state has one row with its start and stop; as of its release 8.
https://www.boris.unito.it/user_guide/export_events/"""

_OWN_COLUMNS = ("Apex (s)", "Strength", "Mean probability")


def as_boris(events: Sequence[Event], observed: Observed) -> str:
    """A table with :data:`BORIS_COLUMNS`, then apex, strength and mean, which BORIS has no columns for."""
    info = observed.info
    name = observed.file.name if observed.file is not None else info.name
    duration_s = f"{observed.end_s:.3f}"
    fps = "" if info.fps is None else f"{float(info.fps):.3f}"
    text = io.StringIO()
    table = csv.DictWriter(text, (*BORIS_COLUMNS, *_OWN_COLUMNS), restval="", lineterminator="\n")
    table.writeheader()
    for event in events:
        row = {
            "Observation id": Path(name).stem,
            "Observation date": observed.began,
            "Description": "fer-live",
            "Observation type": "Live" if info.is_live else "Media file",
            "Source": name,
            "Time offset (s)": "0.000",
            "Coding duration": duration_s,
            "Media duration (s)": duration_s,
            "FPS (frame/s)": fps,
            "Subject": f"face {event.track}",
            "Observation duration by subject by observation": duration_s,
            "Behavior": event.label,
            "Behavioral category": "expression",
            "Behavior type": "STATE",
            "Start (s)": f"{event.onset_s:.3f}",
            "Stop (s)": f"{event.offset_s:.3f}",
            "Duration (s)": f"{event.offset_s - event.onset_s:.3f}",
            "Media file name": name,
            "Image index start": event.first_frame,
            "Image index stop": event.last_frame,
            "Apex (s)": f"{event.apex_s:.3f}",
            "Strength": f"{event.strength:.4f}",
            "Mean probability": f"{event.mean:.4f}",
        }
        table.writerow(row)
    return text.getvalue()


EVENT_FILES: dict[str, Callable[[Sequence[Event], Observed], str]] = {
    ".vtt": as_vtt,
    ".srt": as_srt,
    ".eaf": lambda events, observed: as_eaf(events, observed.file, observed.folder, observed.began),
    ".csv": as_boris,
}
"""By suffix."""


def _said(event: Event) -> str:
    return f"face {event.track}: {event.label} {100 * event.strength:.0f} %"


def _clock(time_s: float, mark: str) -> str:
    ms = max(0, round(1000 * time_s))
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
