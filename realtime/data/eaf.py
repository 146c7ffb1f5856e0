"""Events as an ELAN annotation document, EAF 3.0 (https://www.mpi.nl/tools/elan/EAFv3.0.xsd)."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from .events import Event

__all__ = ["as_eaf"]

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_EVENT, _FIGURE = "expression", "figure of an expression"

_CONSTRAINTS = (
    ("Time_Subdivision", "Time subdivision of parent annotation's time interval, no time gaps allowed"),
    (
        "Symbolic_Subdivision",
        "Symbolic subdivision of a parent annotation, ordered",
    ),
    ("Symbolic_Association", "1-1 association with a parent annotation"),
    ("Included_In", "Time alignable annotations within the parent annotation's time interval, gaps are allowed"),
)
"""As ELAN writes them into every document."""


def as_eaf(events: Sequence[Event], file: Path | None, folder: Path, began: str) -> str:
    """A document with a tier for each track, whose annotations are its events, and tiers below it for each event's
    apex (seconds), strength and mean probability.

    Args:
        events: of one track none overlaps another.
        file: the video, which ELAN then opens too; None where there is none.
        folder: where the document will lie, for the video's place relative to it.
        began: when the document was made, ISO 8601 with a time zone.
    """
    Xml.register_namespace("xsi", _XSI)
    root = Xml.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "fer-live",
            "DATE": began,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = Xml.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if file is not None:
        kind = mimetypes.guess_type(file.name)[0] or "unknown"
        media = {"MEDIA_URL": file.resolve().as_uri(), "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": _relative(file, folder)}
        Xml.SubElement(header, "MEDIA_DESCRIPTOR", media)
    last_id = Xml.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    times = _add_times(root, events)
    last_id.text = str(_add_tiers(root, events, times))
    Xml.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"LINGUISTIC_TYPE_ID": _EVENT, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"},
    )
    Xml.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {
            "LINGUISTIC_TYPE_ID": _FIGURE,
            "TIME_ALIGNABLE": "false",
            "GRAPHIC_REFERENCES": "false",
            "CONSTRAINTS": "Symbolic_Association",
        },
    )
    for stereotype, description in _CONSTRAINTS:
        Xml.SubElement(root, "CONSTRAINT", {"STEREOTYPE": stereotype, "DESCRIPTION": description})
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _add_times(root: Xml.Element, events: Sequence[Event]) -> list[tuple[str, str]]:
    """The slots of each event's onset and offset; two of its own, in the order of their times."""
    order = Xml.SubElement(root, "TIME_ORDER")
    ends = [(_ms(time_s), number, end) for number, e in enumerate(events) for end, time_s in _ends(e)]
    slots: dict[tuple[int, int], str] = {}
    for count, (ms, number, end) in enumerate(sorted(ends), 1):
        slots[number, end] = f"ts{count}"
        Xml.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{count}", "TIME_VALUE": str(ms)})
    return [(slots[number, 0], slots[number, 1]) for number in range(len(events))]


def _add_tiers(root: Xml.Element, events: Sequence[Event], times: Sequence[tuple[str, str]]) -> int:
    """Tiers of every track; how many annotations they have."""
    count = 0
    for track in sorted({event.track for event in events}):
        name = f"face {track}"
        tier = Xml.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": _EVENT, "TIER_ID": name})
        below = {
            each: Xml.SubElement(
                root, "TIER", {"LINGUISTIC_TYPE_REF": _FIGURE, "PARENT_REF": name, "TIER_ID": f"{name} {each}"}
            )
            for each in ("apex_s", "strength", "mean")
        }
        for event, (onset, offset) in zip(events, times, strict=True):
            if event.track != track:
                continue
            count += 1
            parent = f"a{count}"
            where = {"ANNOTATION_ID": parent, "TIME_SLOT_REF1": onset, "TIME_SLOT_REF2": offset}
            _annotate(tier, "ALIGNABLE_ANNOTATION", where, event.label)
            figures = {
                "apex_s": f"{event.apex_s:.3f}",
                "strength": f"{event.strength:.4f}",
                "mean": f"{event.mean:.4f}",
            }
            for each, value in figures.items():
                count += 1
                referring = {"ANNOTATION_ID": f"a{count}", "ANNOTATION_REF": parent}
                _annotate(below[each], "REF_ANNOTATION", referring, value)
    return count


def _annotate(tier: Xml.Element, kind: str, attributes: dict[str, str], value: str) -> None:
    annotation = Xml.SubElement(Xml.SubElement(tier, "ANNOTATION"), kind, attributes)
    Xml.SubElement(annotation, "ANNOTATION_VALUE").text = value


def _ends(event: Event) -> tuple[tuple[int, float], tuple[int, float]]:
    return (0, event.onset_s), (1, event.offset_s)


def _relative(file: Path, folder: Path) -> str:
    try:
        place = Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on Windows, on another drive
        place = file.name
    return place if place.startswith("../") else f"./{place}"


def _ms(time_s: float) -> int:
    return max(0, round(1000 * time_s))
