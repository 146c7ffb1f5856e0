"""Steady labels: what the classifier says of each tracked face, over time.

Two things are kept of a track. An exponentially fading mean of its probabilities, in which an observation weighs by
the time that it stands for and by how well the face could be read. And, for each label that is not shown, the
evidence that it has taken the place of the one that is: a cumulative sum test (Page 1954, "Continuous inspection
schemes"), of all tests for a change the fastest at a given rate of false alarms (Moustakides 1986). Log-likelihood
ratios add up over *time*, not over frames, since neighbouring frames show nearly the same picture; so frame rates,
gaps and faces that are classified on some frames only make no difference. docs/experiments.md, "steady labels", has the
comparison with other filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Expressions, Predictions
from fer_live.realtime.tracking.tracker import LOST_AFTER_S

from .doubts import MIN_CONFIDENCE, REASONS, change_doubts, first_doubts, severity
from .quality import Qualities

__all__ = ["Smoother", "reliability"]

FADE_S = 0.2
"""Time constant of the fading mean of probabilities and of qualities."""

EVIDENCE_NATS_S = 0.2
"""Evidence that a label change needs: 1 nat in favour of the new label for 0.2 s, or 2 nats for 0.1 s, beyond:"""

DRIFT_NATS = 0.1
"""Log-likelihood ratio by which a new label must lead to gather any evidence."""

MOST_NATS = 4.0
"""One observation says no more than this for a label: a softmax is sure of itself on strange pictures, too."""

LASTS_S = 0.2
"""An observation is evidence, for a label or a doubt, for no longer than this, however long ago the one before was."""

FIRST_S = 1 / 30
"""The time that the first observation of a track stands for."""

_SIDE_PX = ([10, 12, 14, 16, 18, 20, 24, 32, 40, 48], [0.51, 0.66, 0.74, 0.81, 0.84, 0.89, 0.93, 0.97, 0.98, 1.0])
_SHARPNESS = (
    [0.025, 0.035, 0.045, 0.06, 0.075, 0.09, 0.135, 0.175, 0.25],
    [0.47, 0.55, 0.64, 0.76, 0.80, 0.87, 0.93, 0.96, 1.0],
)
_TURNED_DEG = ([20.0, 45.0, 90.0], [1.0, 0.75, 0.4])


def reliability(quality: Qualities) -> NDArray[np.float64]:
    """How much the answer for each of M faces is worth (M,), 0..1: the weakest of what size, sharpness and pose leave.

    The share of its accuracy above chance that the bundled model keeps on PublicTest images that were made that
    small or that blurred (``benchmarks/doubts.py``), and on those of faces turned that far (docs/experiments.md,
    "doubts").
    """
    turned = np.where(np.isnan(quality.turned_deg), 0.0, quality.turned_deg)
    left = [
        np.interp(quality.side_px, *_SIDE_PX),
        np.interp(quality.sharpness, *_SHARPNESS),
        np.interp(turned, *_TURNED_DEG),
    ]
    return np.asarray(np.minimum.reduce(left), np.float64)


@dataclass(slots=True)
class _Tracks:
    """What is known of K tracks; every array has K rows."""

    key: NDArray[np.int64]
    seen_s: NDArray[np.float64]  # when the face was last there
    classified_s: NDArray[np.float64]
    raw: NDArray[np.float32]  # (K, C) the newest answer
    total: NDArray[np.float64]  # (K, C) fading sum of weighted probabilities
    weight: NDArray[np.float64]  # fading sum of the weights
    evidence: NDArray[np.float64]  # (K, C) nat s for each label against the one that is shown
    shown: NDArray[np.int64]
    quality: NDArray[np.float64]  # (K, 3) fading mean
    doubtful: NDArray[np.bool_]  # (K, 4)
    waiting_s: NDArray[np.float64]  # (K, 4)

    @classmethod
    def new(cls, count: int, classes: int) -> _Tracks:
        return cls(
            key=np.zeros(count, np.int64),
            seen_s=np.zeros(count),
            classified_s=np.zeros(count),
            raw=np.zeros((count, classes), np.float32),
            total=np.zeros((count, classes)),
            weight=np.zeros(count),
            evidence=np.zeros((count, classes)),
            shown=np.zeros(count, np.int64),
            quality=np.zeros((count, 3)),
            doubtful=np.zeros((count, len(REASONS)), np.bool_),
            waiting_s=np.zeros((count, len(REASONS))),
        )

    def only(self, keep: NDArray[np.bool_]) -> _Tracks:
        return _Tracks(*(getattr(self, field.name)[keep] for field in fields(self)))

    def and_new(self, keys: NDArray[np.int64]) -> _Tracks:
        new = _Tracks.new(len(keys), self.raw.shape[1])
        new.key = keys
        return _Tracks(*(np.concatenate([getattr(self, f.name), getattr(new, f.name)]) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class _Before:
    """What was said of the frame before: it stands while the same faces are there and none is classified."""

    track_ids: list[int]
    slots: NDArray[np.intp]
    expressions: Expressions


class Smoother:
    """Steadies the labels of tracked faces, frame by frame.

    Args:
        labels: the classifier's, C of them.
        enabled: False gives the classifier's answers as they are; doubts are told all the same.
        min_confidence: the label of a face is in doubt below this probability.
        forget_after_s: a track that was not seen for longer than this starts anew.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        enabled: bool = True,
        min_confidence: float = MIN_CONFIDENCE,
        forget_after_s: float = LOST_AFTER_S,
    ) -> None:
        self._labels = tuple(labels)
        self._enabled = enabled
        self._min_confidence = min_confidence
        self._forget_after_s = forget_after_s
        self._tracks = _Tracks.new(0, len(self._labels))
        self._before: _Before | None = None

    @property
    def enabled(self) -> bool:
        """Whether answers are smoothed. What is known of a track is kept up either way, so a change shows at once."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if enabled != self._enabled:
            self._enabled, self._before = enabled, None

    def forget(self) -> None:
        """Let every track start anew: what another classifier says is no evidence for or against this one's."""
        self._tracks = _Tracks.new(0, len(self._labels))
        self._before = None

    def update(
        self,
        time_s: float,
        track_ids: NDArray[np.int64],
        rows: NDArray[np.intp],
        raw: Predictions,
        quality: Qualities,
    ) -> Expressions:
        """What is said of the N faces of the next frame.

        Args:
            time_s: when the frame is shown; where that is before the last frame, no time has passed.
            track_ids: (N,), no number twice.
            rows: (M,) which of the N faces were classified on this frame; the others keep their state.
            raw: of those M faces, in that order.
            quality: likewise.

        Raises:
            ValueError: the labels are others, the counts don't match, or a face whose track is new is not in ``rows``.
        """
        if raw.labels != self._labels or not len(rows) == len(raw) == len(quality):
            raise ValueError(
                f"expected {len(rows)} predictions of {self._labels} and as many qualities, "
                f"found {len(raw)} of {raw.labels} and {len(quality)}"
            )
        known = time_s - self._tracks.seen_s <= self._forget_after_s
        if not known.all():
            self._tracks = self._tracks.only(known)
        elif not len(rows) and self._before is not None and self._before.track_ids == track_ids.tolist():
            self._tracks.seen_s[self._before.slots] = time_s
            return self._before.expressions
        self._tracks.seen_s = np.minimum(self._tracks.seen_s, time_s)
        slots, is_new = self._slots(track_ids)
        fresh = np.zeros(len(track_ids), np.bool_)
        fresh[rows] = True
        if missing := track_ids[is_new & ~fresh].tolist():
            raise ValueError(f"the first face of a track must be classified; those of {missing} were not")
        self._tracks.seen_s[slots] = time_s
        begins = is_new[rows]
        self._begin(time_s, slots[rows[begins]], begins, raw, quality)
        self._go_on(time_s, slots[rows[~begins]], ~begins, raw, quality)
        expressions = self._expressions(slots, fresh)
        stale = replace(expressions, fresh=np.zeros(len(track_ids), np.bool_))
        self._before = _Before(track_ids.tolist(), slots, stale)
        return expressions

    def _slots(self, track_ids: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where the state of each face's track is (N,), made where there was none, and whether it was made (N,)."""
        known = {key: slot for slot, key in enumerate(self._tracks.key.tolist())}
        is_new = np.array([key not in known for key in track_ids.tolist()], np.bool_)
        if is_new.any():
            self._tracks = self._tracks.and_new(track_ids[is_new])
            known = {key: slot for slot, key in enumerate(self._tracks.key.tolist())}
        return np.array([known[key] for key in track_ids.tolist()], np.intp), is_new

    def _begin(
        self, time_s: float, slots: NDArray[np.intp], which: NDArray[np.bool_], raw: Predictions, quality: Qualities
    ) -> None:
        if not len(slots):
            return
        tracks, seen = self._tracks, quality.only(which)
        probabilities = raw.probabilities[which]
        weight = (1 - np.exp(-FIRST_S / FADE_S)) * reliability(seen)
        tracks.classified_s[slots] = time_s
        tracks.raw[slots] = probabilities
        tracks.total[slots] = weight[:, None] * probabilities
        tracks.weight[slots] = weight
        tracks.shown[slots] = probabilities.argmax(axis=1)
        tracks.quality[slots] = np.stack([seen.side_px, seen.sharpness, seen.turned_deg], axis=1)
        tracks.doubtful[slots] = first_doubts(self._severity(slots))

    def _go_on(
        self, time_s: float, slots: NDArray[np.intp], which: NDArray[np.bool_], raw: Predictions, quality: Qualities
    ) -> None:
        if not len(slots):
            return
        tracks, seen = self._tracks, quality.only(which)
        probabilities = raw.probabilities[which].astype(np.float64)
        passed_s = np.maximum(time_s - tracks.classified_s[slots], 0.0)
        worth = reliability(seen)
        fade = np.exp(-passed_s / FADE_S)
        tracks.classified_s[slots] = time_s
        tracks.raw[slots] = probabilities
        tracks.total[slots] = fade[:, None] * tracks.total[slots] + ((1 - fade) * worth)[:, None] * probabilities
        tracks.weight[slots] = fade * tracks.weight[slots] + (1 - fade) * worth
        stands_for_s = np.minimum(passed_s, LASTS_S)
        self._weigh(slots, probabilities, worth * stands_for_s)
        now = np.stack([seen.side_px, seen.sharpness, seen.turned_deg], axis=1).astype(np.float64)
        before = tracks.quality[slots]
        mean = fade[:, None] * before + (1 - fade)[:, None] * now
        tracks.quality[slots] = np.where(np.isnan(now), before, np.where(np.isnan(before), now, mean))
        tracks.doubtful[slots], tracks.waiting_s[slots] = change_doubts(
            tracks.doubtful[slots], tracks.waiting_s[slots], self._severity(slots), stands_for_s
        )

    def _weigh(
        self, slots: NDArray[np.intp], probabilities: NDArray[np.float64], stands_for_s: NDArray[np.float64]
    ) -> None:
        """Gather evidence for the labels that are not shown; show the one that has enough."""
        tracks, each = self._tracks, np.arange(len(slots))
        logs = np.log(np.maximum(probabilities, 1e-6))
        ratio = np.minimum(logs - logs[each, tracks.shown[slots]][:, None], MOST_NATS) - DRIFT_NATS
        evidence = np.maximum(tracks.evidence[slots] + stands_for_s[:, None] * ratio, 0.0)
        best = evidence.argmax(axis=1)
        change = evidence[each, best] > EVIDENCE_NATS_S
        tracks.shown[slots] = np.where(change, best, tracks.shown[slots])
        evidence[change] = 0.0
        tracks.evidence[slots] = evidence

    def _severity(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        tracks, shown = self._tracks, self._shown(slots)
        confidence = tracks.total[slots, shown] / tracks.weight[slots]
        return severity(tracks.quality[slots], confidence, self._min_confidence)

    def _shown(self, slots: NDArray[np.intp]) -> NDArray[np.int64]:
        shown = self._tracks.shown[slots] if self._enabled else self._tracks.raw[slots].argmax(axis=1)
        return np.asarray(shown, np.int64)

    def _expressions(self, slots: NDArray[np.intp], fresh: NDArray[np.bool_]) -> Expressions:
        tracks = self._tracks
        raw = Predictions(tracks.raw[slots], self._labels)
        mean = tracks.total[slots] / tracks.weight[slots][:, None]
        smoothed = Predictions(mean.astype(np.float32), self._labels) if self._enabled else raw
        doubts = tuple(
            next((reason for reason, holds in zip(REASONS, flags, strict=True) if holds), None)
            for flags in tracks.doubtful[slots].tolist()
        )
        return Expressions(raw, smoothed, self._shown(slots), doubts, fresh)
