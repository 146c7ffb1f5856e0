"""Faces whose expression changes at known times, to measure how steady and how prompt labels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import Contract
from fer_live.preprocess import crop_faces
from fer_live.realtime.datatypes import Floats, Predictions

from .quality import Qualities
from .smoothing import Smoother

__all__ = [
    "ROUGH",
    "STILL",
    "TALKING",
    "Noise",
    "Steadiness",
    "Track",
    "fading_crops",
    "make_track",
    "shown_labels",
    "steadiness",
]


@dataclass(frozen=True, slots=True)
class Noise:
    """How a classifier's log-probabilities wander about an expression that stays.

    ``drift_nats``, ``drift_s``: standard deviation and time constant of an Ornstein-Uhlenbeck process in each label.
    ``white_nats``: what every frame has to itself. ``margin_nats``: from, to: by how much the true label leads.
    """

    drift_nats: float
    drift_s: float
    white_nats: float
    margin_nats: tuple[float, float]


TALKING = Noise(0.45, 0.13, 0.1, (0.3, 2.5))
"""As the bundled model answers to the talking faces of the GRID corpus, by the variogram of its log-probabilities."""

STILL = Noise(0.15, 1.0, 0.2, (0.1, 2.0))
"""As to a pan over a photograph with small faces."""

ROUGH = Noise(0.45, 0.1, 0.3, (0.3, 2.5))
"""As to a film with turning heads, cuts and motion blur."""


@dataclass(frozen=True, slots=True)
class Track:
    """A face over time. ``time_s``: (T,). ``label``: (T,) the true one. ``raw``: (T, C) the classifier's answers."""

    time_s: NDArray[np.float64]
    label: NDArray[np.int64]
    raw: Floats

    @property
    def transitions(self) -> NDArray[np.intp]:
        """Indices of the frames that are the first of a new label."""
        return np.flatnonzero(np.diff(self.label)) + 1


def make_track(
    rng: np.random.Generator,
    noise: Noise,
    *,
    classes: int = 7,
    duration_s: float = 30.0,
    fps: float = 25.0,
    lasts_s: tuple[float, float] = (2.5, 6.0),
) -> Track:
    """A face that shows one random expression after another, each for a random time within ``lasts_s``."""
    time_s = np.arange(round(duration_s * fps)) / fps
    label, logs = np.zeros(len(time_s), np.int64), np.zeros((len(time_s), classes))
    start_s, now = 0.0, -1
    while start_s < duration_s:
        now = int(rng.choice([other for other in range(classes) if other != now]))
        end_s = start_s + rng.uniform(*lasts_s)
        level = rng.normal(0, 0.8, classes)
        level[now] = np.delete(level, now).max() + rng.uniform(*noise.margin_nats)
        while_it_lasts = (time_s >= start_s) & (time_s < end_s)
        label[while_it_lasts], logs[while_it_lasts] = now, level
        start_s = end_s
    keep = np.exp(-1 / fps / noise.drift_s)
    drift = rng.normal(0, noise.drift_nats, classes)
    for row in logs:
        row += drift + rng.normal(0, noise.white_nats, classes)
        drift = keep * drift + np.sqrt(1 - keep**2) * rng.normal(0, noise.drift_nats, classes)
    raw = np.exp(logs - logs.max(axis=1, keepdims=True))
    return Track(time_s, label, (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32))


def fading_crops(
    rng: np.random.Generator,
    images: NDArray[np.uint8],
    contract: Contract,
    *,
    frames_each: int,
    fade_frames: int = 5,
    jitter: float = 0.03,
    noise_levels: float = 3.0,
) -> NDArray[np.uint8]:
    """Crops (K frames_each, 1, S, S) of a camera's view of ``images`` (K, S, S), one faded into the next.

    The framing jitters by ``jitter`` of the side (standard deviation, in place and in size) from frame to frame, as a
    detector's does, and each pixel has a camera's noise. The fade's middle is where the next image's frames begin.
    """
    size = images.shape[-1]
    crops = []
    for index in range(len(images) * frames_each):
        # Where between the images this frame is: k + 0.5 is the middle of the fade from image k to k + 1.
        place = (index + 0.5) / frames_each - 0.5
        first = min(max(int(np.floor(place)), 0), len(images) - 1)
        second = min(first + 1, len(images) - 1)
        share = np.clip(((place - first) - 0.5) * frames_each / fade_frames + 0.5, 0, 1)
        view = images[first] * (1 - share) + images[second] * share + rng.normal(0, noise_levels, (size, size))
        centre = size / 2 + size * rng.normal(0, jitter, 2)
        square = np.array([[*centre, size * np.exp(rng.normal(0, jitter)), 0.0]], np.float32)
        crops.append(crop_faces(np.clip(np.rint(view), 0, 255).astype(np.uint8), square, contract)[0])
    return np.stack(crops)


def shown_labels(
    tracks: Sequence[Track], labels: Sequence[str], *, every: int = 1, enabled: bool = True
) -> NDArray[np.int64]:
    """(N, T) the labels that are shown for N well visible faces of one video, classified on every ``every``-th frame.

    Raises:
        ValueError: the tracks have not the same times.
    """
    count, times_s = len(tracks), tracks[0].time_s
    if any(not np.array_equal(track.time_s, times_s) for track in tracks):
        raise ValueError("the tracks must have the same times")
    smoother = Smoother(labels, enabled=enabled)
    good = Qualities(np.full(count, 200, np.float32), np.full(count, 0.4, np.float32), np.zeros(count, np.float32))
    raw, shown = np.stack([track.raw for track in tracks]), np.zeros((count, len(times_s)), np.int64)
    for index, time_s in enumerate(times_s.tolist()):
        rows = np.arange(count if index % every == 0 else 0)
        answers = Predictions(raw[rows, index], tuple(labels))
        shown[:, index] = smoother.update(time_s, np.arange(1, count + 1), rows, answers, good.only(rows)).shown
    return shown


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What :func:`steadiness` finds.

    ``changes_per_minute``: of the label. ``delays_s``: for each transition, how long after it its label was first
    shown; inf where it never was. ``right``: share of the frames with the true label.
    """

    changes_per_minute: float
    delays_s: NDArray[np.float64]
    right: float


def steadiness(tracks: Sequence[Track], shown: NDArray[np.int64]) -> Steadiness:
    """How steady and how prompt the ``shown`` labels (N, T) of N ``tracks`` are.

    The last expression of a track may be cut short by its end, and counts for no delay.
    """
    changes, minutes, delays, right = 0, 0.0, [], []
    for track, labels in zip(tracks, shown, strict=True):
        changes += int(np.count_nonzero(np.diff(labels)))
        minutes += float(track.time_s[-1] - track.time_s[0]) / 60
        right.append(float((labels == track.label).mean()))
        starts = track.transitions
        for start, end in pairwise(starts.tolist()):
            hits = np.flatnonzero(labels[start:end] == track.label[start])
            delays.append(float(track.time_s[start + hits[0]] - track.time_s[start]) if len(hits) else np.inf)
    return Steadiness(changes / minutes, np.array(delays), float(np.mean(right)))
