"""What a program gets: a result a frame or photo, with its faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime import datatypes
from fer_live.realtime.colour import true_bgr
from fer_live.realtime.photos.annotated import covered, draw_on
from fer_live.realtime.photos.photo import Photo
from fer_live.realtime.view.options import ViewOptions

__all__ = ["Face", "Result"]

_UNTAGGED = datatypes.ColourTags()


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a frame or photo. ``dataclasses.asdict`` of it goes into JSON and into a table.

    An expression is how a face appears, not what a person feels.

    Attributes:
        track: the same number for the same face across frames; in a photo, counted from left to right.
        box: left, top, right, bottom in pixels, (0, 0) is the upper left corner; may reach beyond the picture.
        score: how sure the detector was when it last saw the face, 0..1.
        label: the expression shown on the face, smoothed over time.
        uncertain: why the label is not claimed (too small, blurred, turned away, low confidence), None where it is.
        probabilities: by label, smoothed over time; they add up to 1 but for rounding.
        raw: by label, the model's newest answer.
        fresh: whether the model read the face on this very frame.
    """

    track: int
    box: tuple[float, float, float, float]
    score: float
    label: str
    uncertain: str | None
    probabilities: dict[str, float]
    raw: dict[str, float]
    fresh: bool


class Result:
    """What was found in one frame of a video, or in one photo.

    Attributes:
        name: of the video, camera or photo.
        index: of the frame, 0 is the first, a gap is a frame that a live source lost; of the photo in its folder.
        time_s: when the frame is shown, in seconds since the start, from the container; None for a photo.
        faces: those that were found; of a photo, from left to right.
        size_wh: width and height of the picture in pixels.
        latency_ms: milliseconds that each stage worked on it, by name.
    """

    __slots__ = ("_colour", "_found", "_photo", "_view", "faces", "index", "latency_ms", "name", "size_wh", "time_s")

    def __init__(
        self,
        name: str,
        found: datatypes.Result,
        view: ViewOptions,
        *,
        photo: Photo | None = None,
        colour: datatypes.ColourTags = _UNTAGGED,
    ) -> None:
        self._found, self._photo, self._view, self._colour = found, photo, view, colour
        self.name: str = name
        self.index: int = found.frame.index
        self.time_s: float | None = found.frame.time_s if photo is None else None
        self.faces: tuple[Face, ...] = faces_of(found)
        self.size_wh: tuple[int, int] = found.frame.size_wh
        self.latency_ms: Mapping[str, float] = dict(found.latency_ms)

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as an array (H, W, 3) uint8, nothing drawn on it; yours to change.

        Made when it is asked for: a photo's in sRGB, a frame's by the colour matrix that its video names. Heads are
        covered where ``anonymise`` was given.
        """
        if self._photo is None:
            return _reversed(true_bgr(self._found.frame, self._colour))
        return _reversed(covered(self._photo.image, self._found, self._view))

    def annotated(self) -> NDArray[np.uint8]:
        """The picture with boxes, labels and bars drawn on it, (H, W, 3) uint8 RGB."""
        if self._photo is not None:
            return _reversed(draw_on(self._photo.image, self._found, self._view))
        # Of a video's frame heads were covered already.
        image = true_bgr(self._found.frame, self._colour)
        return _reversed(draw_on(image, self._found, replace(self._view, anonymise=None)))

    def __repr__(self) -> str:
        when = "" if self.time_s is None else f", time_s={self.time_s:.3f}"
        said = ", ".join(face.label if face.uncertain is None else "uncertain" for face in self.faces)
        return f"<Result {self.name!r}, index={self.index}{when}, {len(self.faces)} faces{': ' if said else ''}{said}>"


def faces_of(found: datatypes.Result) -> tuple[Face, ...]:
    """The faces of a result, in its order, with as many decimals as in rows (docs/data.md)."""
    said = found.expressions
    labels = said.raw.labels
    columns: Any = zip(
        found.track_ids.tolist(),
        np.round(found.faces.xyxy.astype(np.float64), 2).tolist(),
        np.round(found.faces.score.astype(np.float64), 6).tolist(),
        said.shown.tolist(),
        said.doubts,
        np.round(said.smoothed.probabilities.astype(np.float64), 6).tolist(),
        np.round(said.raw.probabilities.astype(np.float64), 6).tolist(),
        said.fresh.tolist(),
        strict=True,
    )
    return tuple(
        Face(
            track=track,
            box=tuple(box),
            score=score,
            label=labels[shown],
            uncertain=None if doubt is None else str(doubt),
            probabilities=dict(zip(labels, smoothed, strict=True)),
            raw=dict(zip(labels, raw, strict=True)),
            fresh=fresh,
        )
        for track, box, score, shown, doubt, smoothed, raw, fresh in columns
    )


def _reversed(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(bgr[:, :, ::-1])
