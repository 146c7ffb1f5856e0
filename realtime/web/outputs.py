"""The files that come of an upload: what each is called in its folder, and on the computer of who downloads it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from fer_live.realtime.data.options import TABLE_SUFFIXES

from .task import Task

__all__ = ["FACES", "OUTPUTS", "THUMBS", "Output", "display_name", "stem_of", "tables_of"]

_MOST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Output:
    """One of them.

    ``key``: in its address. ``suffix``: what follows the stem in its name. ``title``: for people. ``media_type``: as
    it is sent.
    """

    key: str
    suffix: str
    title: str
    media_type: str


OUTPUTS = (
    Output("video", ".annotated.mp4", "Annotated video", "video/mp4"),
    Output("picture", ".annotated.jpg", "Annotated picture", "image/jpeg"),
    Output("picture", ".annotated.png", "Annotated picture", "image/png"),
    Output("report", ".report.html", "Report: HTML", "text/html"),
    Output("csv", ".csv", "Rows: CSV", "text/csv"),
    Output("jsonl", ".jsonl", "Rows: JSONL", "application/jsonl"),
    Output("parquet", ".parquet", "Rows: Parquet", "application/vnd.apache.parquet"),
    Output("vtt", ".vtt", "Events: WebVTT", "text/vtt"),
    Output("srt", ".srt", "Events: SRT", "application/x-subrip"),
    Output("eaf", ".eaf", "Events: ELAN", "application/xml"),
    Output("boris", ".events.csv", "Events: BORIS", "text/csv"),
    Output("manifest", ".csv.manifest.json", "Manifest", "application/json"),
)
"""All there can be; an upload has those of its kind."""

FACES = "faces.json"
"""What the page shows of an upload: for a photo its faces, for a clip their curves and events."""

THUMBS = "thumbs.jpg"
"""The faces of a photo, a square each, side by side."""


def display_name(name: str) -> str:
    """A name from somebody else's computer as it is shown and put into data: one line, of no special meaning in
    JSON, XML, HTML, CSV or a path.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(each if each.isalnum() or each in " ._-()+@#" else "_" for each in last)
    kept = kept.strip(" .")
    if len(kept) > _MOST_CHARACTERS:
        suffix = PurePosixPath(kept).suffix[:8]
        kept = kept[: _MOST_CHARACTERS - len(suffix)].rstrip(" .") + suffix
    return kept or "upload"


def tables_of(task: Task) -> tuple[Path, ...]:
    """The tables of an upload, all that can be written here."""
    suffixes = [each for each in TABLE_SUFFIXES if each != ".parquet" or find_spec("pyarrow") is not None]
    return tuple(Path(task.stem + each) for each in suffixes)


def stem_of(name: str) -> str:
    """A displayed name without its suffix."""
    return PurePosixPath(name).stem or name
