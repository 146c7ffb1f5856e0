"""What a report says of its data: how far they can be trusted."""

from __future__ import annotations

from html import escape
from typing import Any

from fer_live.realtime.datatypes import Doubt, SourceInfo

from .gathering import Gathering
from .wording import NOTHING, counted, lasting, percent, significant

__all__ = ["quality_section"]

_WHY = {
    Doubt.TOO_SMALL: "too few pixels: come closer, or record larger",
    Doubt.BLURRED: "motion, focus or compression took the detail: more light, a shorter exposure",
    Doubt.TURNED_AWAY: "too much of the face is out of sight: put the camera in front of it",
    Doubt.LOW_CONFIDENCE: "the face can be seen, but the model can't decide",
}


def quality_section(seen: Gathering, info: SourceInfo, counts: dict[str, Any]) -> str:
    """Figures, each with how to read it."""
    faces = int(seen.totals.sum())
    shown = [
        (
            "Frames with a face",
            percent(seen.frames_with_faces, seen.frames),
            f"<p>{seen.frames_with_faces:,} of {counted(seen.frames, 'frame')} that were looked at, at most "
            f"{counted(seen.most_at_once, 'face')} at once. Where nobody is in the picture this is as it should be; "
            "where somebody is, the detector did not find them.</p>",
        ),
        _uncertain(seen, faces),
        _dropped(info, counts),
    ]
    if faces:
        shown.append(_sizes(seen))
    if seen.frames:
        shown.append(_latency(seen, info))
    return "".join(f"<div><dt>{title}</dt><dd><b>{value}</b>{text}</dd></div>" for title, value, text in shown)


def _uncertain(seen: Gathering, faces: int) -> tuple[str, str, str]:
    doubted = seen.totals[len(seen.labels) :].tolist()
    text = "Of all faces on all frames. No expression is claimed for these, and they are part of no event."
    reasons = "".join(
        f"<li><b>{escape(doubt)}</b> {percent(count, faces)}: {_WHY[doubt]}.</li>"
        for doubt, count in zip(Doubt, doubted, strict=True)
        if count
    )
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return "Uncertain", percent(sum(doubted), faces), f"<p>{text}</p>{listed}"


def _dropped(info: SourceInfo, counts: dict[str, Any]) -> tuple[str, str, str]:
    dropped, read = counts["frames_dropped"], counts["frames_read"]
    if not info.is_live:
        return "Dropped frames", "none", "<p>Every frame of a file is looked at, however long that takes.</p>"
    text = (
        f"<p>{dropped:,} of {counted(read, 'frame')} came while the one before was worked on, and were let go so that "
        "the view stays fresh. Brief expressions are missed where this is much.</p>"
    )
    return "Dropped frames", percent(dropped, read), text


def _sizes(seen: Gathering) -> tuple[str, str, str]:
    low, middle, high = (seen.side_px.quantile(share) for share in (0.05, 0.5, 0.95))
    text = (
        f"<p>The middle size of the square read of a face; nine of ten lie between {significant(low, 'px')} "
        f"and {significant(high, 'px')}. The model reads 48 x 48 pixels: a smaller face has less than it could use.</p>"
    )
    return "Size of faces", significant(middle, "px"), text


def _latency(seen: Gathering, info: SourceInfo) -> tuple[str, str, str]:
    middle, most = (seen.latency_ms.quantile(share) for share in (0.5, 0.95))
    if info.is_live:
        text = (
            f"<p>Half of the frames were ready that soon after the camera gave them, 95 of 100 within "
            f"{significant(most, 'ms')}. It does not change what is found, but how late one sees it.</p>"
        )
        return "Latency", significant(middle, "ms"), text
    speed = f"{seen.frames / seen.wall_s:,.0f} fps" if seen.wall_s > 0 else NOTHING
    text = (
        f"<p>The frames took {lasting(seen.wall_s)}. One was on its way for {significant(middle, 'ms')}, 95 of 100 for "
        f"at most {significant(most, 'ms')}: they travel in batches. It does not change what is found.</p>"
    )
    return "Speed", speed, text
