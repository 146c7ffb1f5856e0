"""The values that travel between the stages, and what the stages are.

All are frozen; arrays are checked once, here. Pixel coordinates are continuous: pixel (0, 0) covers [0, 1) x [0, 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import Contract

from .source_state import SourceState

__all__ = [
    "Changes",
    "Classifier",
    "ColourTags",
    "Detector",
    "Doubt",
    "Expressions",
    "Faces",
    "Frame",
    "Looker",
    "Predictions",
    "Result",
    "Sink",
    "Source",
    "SourceInfo",
]

Floats = NDArray[np.float32]
Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One video frame as planar YUV 4:2:0 (I420), which is what decoders give and encoders take.

    ``y``: (H, W) uint8, the grey image. ``u``, ``v``: (ceil(H / 2), ceil(W / 2)) uint8. No stage after the source
    but the annotator writes to the planes. They are C-contiguous and belong to this frame, unless the source lends
    them, write-protected, for a run in which nothing is drawn: their rows may then be padded.
    ``index``: 0, 1, 2, … in the source's order. ``time_s``: presentation time in seconds since the source's start,
    from the container, or from a monotonic clock when live. ``limited_range``: luma is 16..235 (video), else 0..255.
    ``moved_s``: by how much ``time_s`` is moved against the clock of a file whose time stamps begin anew; 0 elsewhere.
    """

    y: Plane
    u: Plane
    v: Plane
    index: int
    time_s: float
    limited_range: bool = True
    moved_s: float = 0.0

    def __post_init__(self) -> None:
        if self.y.ndim != 2 or self.y.dtype != np.uint8 or 0 in self.y.shape:
            raise ValueError(f"y must be (H, W) uint8 of at least one pixel, found {self.y.shape} {self.y.dtype}")
        chroma = ((self.y.shape[0] + 1) // 2, (self.y.shape[1] + 1) // 2)
        for name, plane in (("u", self.u), ("v", self.v)):
            if plane.shape != chroma or plane.dtype != np.uint8:
                raise ValueError(f"{name} must be {chroma} uint8, found {plane.shape} {plane.dtype}")

    @property
    def size_wh(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.y.shape[1], self.y.shape[0]

    def copy(self) -> Frame:
        """The same on planes of its own."""
        return replace(self, y=self.y.copy(), u=self.u.copy(), v=self.v.copy())


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How a video's numbers mean colours, in the code points of ITU-T H.273; 2 is "unspecified"."""

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    limited_range: bool = True


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first frame.

    ``name``: for messages. ``size_wh``: pixels, as displayed (rotation applied). ``fps``: average frame rate, None
    where unknown. ``frame_count``: None where unknown or endless. ``is_live``: frames come by the clock and are lost
    if nobody takes them.
    """

    name: str
    size_wh: tuple[int, int]
    fps: Fraction | None
    frame_count: int | None
    is_live: bool
    colour: ColourTags = ColourTags()


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one frame; N = 0 is ordinary.

    ``xyxy``: (N, 4) float32 pixels, left, top, right, bottom of the detector's own box; may reach beyond the frame.
    ``score``: (N,) float32, 0..1. ``squares``: (N, 4) float32 (centre x, centre y, side, roll in degrees), the square
    that the contract's framing names, from the detector's own measured mapping. ``keypoints``: (N, 5, 2) float32
    pixels in the order eye, eye (left on the screen first), nose, mouth corner, mouth corner; None where the detector
    gives none.
    """

    xyxy: Floats
    score: Floats
    squares: Floats
    keypoints: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        shapes: list[tuple[str, Floats | None, tuple[int, ...]]] = [
            ("xyxy", self.xyxy, (n, 4)),
            ("score", self.score, (n,)),
            ("squares", self.squares, (n, 4)),
            ("keypoints", self.keypoints, (n, 5, 2)),
        ]
        for name, array, shape in shapes:
            if array is not None and (array.shape != shape or array.dtype != np.float32):
                raise ValueError(f"{name} must be {shape} float32, found {array.shape} {array.dtype}")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def empty(cls) -> Self:
        """No faces."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Faces]) -> Faces:
        """All faces of several together, in that order; with keypoints where all that have faces have them."""
        filled = [part for part in parts if len(part)]
        if len(filled) <= 1:
            return (filled or list(parts) or [cls.empty()])[0]
        keypoints = [part.keypoints for part in filled if part.keypoints is not None]
        return cls(
            np.concatenate([part.xyxy for part in filled]),
            np.concatenate([part.score for part in filled]),
            np.concatenate([part.squares for part in filled]),
            np.concatenate(keypoints) if len(keypoints) == len(filled) else None,
        )

    def only(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Faces:
        """The faces that a mask (N,) or index array selects, in that order."""
        keypoints = None if self.keypoints is None else self.keypoints[keep]
        return Faces(self.xyxy[keep], self.score[keep], self.squares[keep], keypoints)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the classifier says of N faces: ``probabilities`` (N, C) float32, rows sum to 1, for ``labels`` (C)."""

    probabilities: Floats
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.labels):
            raise ValueError(f"probabilities must be (N, {len(self.labels)}), found {self.probabilities.shape}")

    def __len__(self) -> int:
        return len(self.probabilities)

    def only(self, which: slice) -> Predictions:
        """Those of some of the faces."""
        return Predictions(self.probabilities[which], self.labels)


class Doubt(StrEnum):
    """Why no expression is claimed for a face; the value is how it is shown."""

    TOO_SMALL = "too small"
    BLURRED = "blurred"
    TURNED_AWAY = "turned away"
    LOW_CONFIDENCE = "low confidence"


@dataclass(frozen=True, slots=True)
class Expressions:
    """What is said of the N faces of one frame.

    ``raw``: the classifier's answer to the newest crop of each face that it saw. ``smoothed``: the same over time.
    ``shown``: (N,) int64, which of the labels each face carries; with hysteresis, so not always the likeliest of
    ``smoothed``. ``doubts``: (N,), None where the label is meant. ``fresh``: (N,) bool, whether the face was
    classified on this very frame.
    """

    raw: Predictions
    smoothed: Predictions
    shown: NDArray[np.int64]
    doubts: tuple[Doubt | None, ...]
    fresh: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.raw)
        found = (len(self.smoothed), len(self.shown), len(self.doubts), len(self.fresh))
        if found != (n, n, n, n) or self.raw.labels != self.smoothed.labels:
            raise ValueError(f"raw, smoothed, shown, doubts and fresh must be of the same faces, found {n}, {found}")

    def __len__(self) -> int:
        return len(self.raw)

    @classmethod
    def of(cls, raw: Predictions) -> Self:
        """Taken as they are: unsmoothed, the likeliest label shown, nothing doubted."""
        n = len(raw)
        return cls(raw, raw, raw.probabilities.argmax(1).astype(np.int64), (None,) * n, np.ones(n, np.bool_))


@dataclass(frozen=True, slots=True)
class Changes:
    """How the N faces of one frame have changed from their own neutral.

    ``nats``: (N, C) float32, for each label how much more (or less) than then its probability stands out, as a
    centred log-ratio; rows sum to 0; NaN while the neutral is being learned. ``shown``: (N,) int64, which label has
    gained so much that it is told; -1 for none. ``left_s``: (N,) float32, seconds for which the neutral must still be
    learned, 0 when it is known.
    """

    nats: Floats
    shown: NDArray[np.int64]
    left_s: Floats

    def __post_init__(self) -> None:
        n = len(self.nats)
        if self.nats.ndim != 2 or self.shown.shape != (n,) or self.left_s.shape != (n,):
            raise ValueError(
                f"expected (N, C), (N,), (N,), found {self.nats.shape}, {self.shown.shape}, {self.left_s.shape}"
            )

    def __len__(self) -> int:
        return len(self.nats)


@dataclass(frozen=True, slots=True)
class Result:
    """A frame with all that was found in it.

    ``track_ids``: (N,) int64, one a face, the same number for the same face across frames. ``latency_ms``:
    milliseconds that each stage worked on this frame (its share of a batch), by stage name. ``grabbed_s``: when the
    source gave the frame, by ``time.perf_counter``. ``crops``: (M, 1, S, S) uint8 of the faces that are fresh, in
    their order, as the classifier saw them: nothing is drawn on them; None where nobody cut any. ``is_last``: whether
    a live run pauses after this frame. ``heads``: (K, 4) float32, as ``Faces.squares``, all that may be a head and is
    covered on the frame, labelled or not, and there are no ``crops`` then; None where faces are shown. ``other``: what
    another model says of the same faces; None where none is compared. ``changes``: from each face's own neutral; None
    where it is not learned.
    """

    frame: Frame
    faces: Faces
    track_ids: NDArray[np.int64]
    expressions: Expressions
    latency_ms: Mapping[str, float]
    grabbed_s: float = 0.0
    crops: NDArray[np.uint8] | None = None
    is_last: bool = False
    heads: Floats | None = None
    other: Expressions | None = None
    changes: Changes | None = None

    def __post_init__(self) -> None:
        if not len(self.faces) == len(self.track_ids) == len(self.expressions):
            raise ValueError(
                f"faces, track_ids and expressions must be equally many, found {len(self.faces)}, "
                f"{len(self.track_ids)}, {len(self.expressions)}"
            )
        for each in (self.other, self.changes):
            if each is not None and len(each) != len(self.faces):
                raise ValueError(f"other and changes must be of the {len(self.faces)} faces, found {len(each)}")


class Source(Protocol):
    """Gives frames. Opened by its constructor; a context manager that lets go of what it holds."""

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""

    @property
    def state(self) -> SourceState:
        """Whether frames come, at this moment; from any thread."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, one line each; complete once the frames were read."""

    def stop(self) -> None:
        """End the iteration soon, even one that waits for a frame; from any thread, any number of times."""

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Detector(Protocol):
    """Finds faces."""

    @property
    def name(self) -> str:
        """As on the command line."""

    @property
    def detect_size(self) -> int:
        """Longer side in pixels of the copy that is searched."""

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        """The faces of a frame, surest first.

        Args:
            frame: any.
            detect_size: instead of the detector's own, for this once.
            known: faces as they are expected in the frame, told by an earlier one: hints that may save work.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Classifier(Protocol):
    """Labels face crops."""

    @property
    def contract(self) -> Contract:
        """How faces must be cropped for it."""

    @property
    def provider(self) -> str:
        """The execution provider that really runs it."""

    def classify(self, crops: NDArray[np.uint8]) -> Predictions:
        """Predictions for crops (N, 1, S, S) uint8; N may be 0."""


@runtime_checkable
class Looker(Protocol):
    """A sink that looks at pictures before anything is drawn on them; heads that are to be covered are."""

    def look(self, result: Result) -> None:
        """See a result, just before it is drawn on and written."""


class Sink(Protocol):
    """Takes annotated results, in order.

    :meth:`finish` makes the output complete and puts it in its place. Leaving the context without it (an error
    passed through) keeps what was written as a playable partial file and leaves the target as it was.
    """

    @property
    def needs_pixels(self) -> bool:
        """Whether it looks at the frames: where nobody does, nothing is drawn on them."""

    def write(self, result: Result) -> None:
        """Take one result; its frame is annotated where this needs pixels."""

    def finish(self) -> None:
        """All results were written: complete the output."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
