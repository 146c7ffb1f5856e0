"""The faces of a report: a row with its timeline for each, and their totals."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from fer_live.offline_page import data_uri

from .gathering import FaceSeen, Gathering
from .lanes import Scale, lane, share_bar, state_name
from .tables import plain_table
from .wording import clock, percent

__all__ = ["face_rows", "face_said", "totals_section"]


def face_said(face: FaceSeen, seen: Gathering) -> str:
    """One sentence about a face, as markup."""
    states, labels = face.states, seen.labels
    uncertain = int(states[len(labels) :].sum())
    claimed = states[: len(labels)]
    name = f"<b>Face {face.track}</b>"
    if not claimed.sum():
        return f"{name} is uncertain all the time."
    most = int(claimed.argmax())
    label = f"<b>{escape(labels[most])}</b>"
    if claimed[most] == face.frames:
        return f"{name} looks {label} all the time."
    looks = f"looks {label} for {percent(int(claimed[most]), face.frames)}"
    if not uncertain:
        return f"{name} {looks} of its time."
    doubted = f"is uncertain for {percent(uncertain, face.frames)}"
    first, second = (doubted, looks) if uncertain > claimed[most] else (looks, doubted)
    return f"{name} {first} of its time, and {second}."


def face_rows(seen: Gathering, scale: Scale) -> str:
    """A row for each face, in the order in which they appeared."""
    return "\n".join(_face_row(seen.faces[track], seen, scale) for track in sorted(seen.faces))


def _face_row(face: FaceSeen, seen: Gathering, scale: Scale) -> str:
    track = face.track
    jpeg = None if seen.thumbnails is None else seen.thumbnails.jpeg(track)
    picture = ""
    if jpeg is not None:
        uri = data_uri(jpeg, "image/jpeg")
        picture = f'<img src="{uri}" width="48" height="48" alt="Face {track}, where it is best seen">'
    most = int(face.states.argmax())
    events = sorted((event for _, _, event in face.events), key=lambda event: event.onset_s)
    about = f"{seen.states[most]} {percent(int(face.states[most]), face.frames)}"
    said = f"Face {track}: {_shares_in_words(face.states, seen)}"
    return f"""<article class="face" id="face-{track}" data-track="{track}">
<header>{picture}<div><h3>Face {track}</h3> <p>{escape(about)}</p><p class="soft">{_seen_from(face)}</p></div></header>
<div class="plot" role="img" aria-label="{escape(said)}">{lane(face.spans, seen.states, events, scale)}</div>
<details><summary>Probabilities</summary><div class="curves"></div></details>
</article>"""


def _seen_from(face: FaceSeen) -> str:
    spans = list(face.spans)
    return f"{clock(spans[0].start_s)} to {clock(spans[-1].end_s)}"


def _shares_in_words(states: NDArray[np.int64], seen: Gathering) -> str:
    order = np.argsort(-states, kind="stable").tolist()
    said = [f"{state_name(seen.states[n])} {percent(int(states[n]), int(states.sum()))}" for n in order if states[n]]
    return ", ".join(said) or "nothing"


def totals_section(seen: Gathering) -> str:
    """Bars of the shares of all faces together and of each, and the same as a table."""
    if not seen.totals.sum():
        return "<p>No face was found.</p>"
    faces = [seen.faces[track] for track in sorted(seen.faces)]
    bars = [_bar("All faces", seen.totals, seen)]
    if len(faces) > 1:
        bars += [_bar(f"Face {face.track}", face.states, seen) for face in faces]
    rows = [_table_row("All faces", seen.totals, seen)]
    rows += [_table_row(f"Face {face.track}", face.states, seen) for face in faces]
    heads = ["", "frames", *seen.labels, "uncertain", *(f"… {reason}" for reason in seen.states[len(seen.labels) :])]
    table = plain_table("Share of the frames that show the face", heads, rows)
    return f'<div class="bars">{"".join(bars)}</div><details><summary>As a table</summary>{table}</details>'


def _bar(name: str, states: NDArray[np.int64], seen: Gathering) -> str:
    said = f"{name}: {_shares_in_words(states, seen)}"
    return f"<span>{name}</span>{share_bar(states.tolist(), seen.states, said)}"


def _table_row(name: str, states: NDArray[np.int64], seen: Gathering) -> Sequence[str]:
    whole, count = int(states.sum()), len(seen.labels)
    shares = [*states[:count].tolist(), int(states[count:].sum()), *states[count:].tolist()]
    return [name, f"{whole:,}", *(percent(share, whole) if share else "" for share in shares)]
