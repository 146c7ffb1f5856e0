"""A face's own neutral, and how it has changed from that.

What a classifier answers to a face depends on its features as well as on its expression: heavy brows read as angry,
drooping lids as sad. Such an offset is there all the time, so it is in the answers to the neutral face, too, and goes
away where these are subtracted. Both are compared as what they are, compositions, of which only ratios mean anything
(Aitchison 1982, "The Statistical Analysis of Compositional Data"): the change is the difference of the centred
log-ratios, log p minus its mean over the labels. It is the same as that of the logits, whatever the temperature's
offset, and it is zero for every label while the face is as it was. docs/calibration.md tells what it can't do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Changes, Expressions, Floats
from fer_live.realtime.tracking.tracker import LOST_AFTER_S

from .quality import Qualities
from .smoothing import FIRST_S, LASTS_S, reliability

__all__ = ["CLAIM_FROM", "CLAIM_UNTIL", "FLOOR", "Baseline", "log_ratios"]

FLOOR = 0.02
"""Probabilities below it count as this much: ratios of next to nothing are noise. Aitchison's way with rounded zeros
(Martín-Fernández et al. 2003). So no change is more than 4 nats, what one observation may say for a label at most."""

CLAIM_FROM, CLAIM_UNTIL = 0.5, 0.35
"""A change is claimed once a label has this share of it, 1/7 being none, and until it has less than that."""

_MOST_STEP_S = 1.0
"""Time between two frames that counts as seen at most: nobody knows what was in between."""

Values = NDArray[np.float64]


def log_ratios(probabilities: Floats) -> Values:
    """Centred log-ratios (N, C) of probabilities (N, C), in nats; each row sums to 0."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), np.float64)


@dataclass(slots=True)
class _Neutral:
    """What is known of a track. ``total``: (C,) weighted sum of log-ratios while it is learned, then their mean."""

    total: Values
    weight: float = 0.0
    in_sight_s: float = 0.0
    seen_s: float = 0.0
    read_s: float = -np.inf
    learned: bool = False
    shown: int = -1


class Baseline:
    """Learns the neutral of each track in its first seconds, and tells the change from it afterwards.

    Kept per track, forgotten with it, and stored nowhere.

    Args:
        labels: the classifier's, C of them.
        learn_s: how long a face must be in sight.
    """

    def __init__(self, labels: Sequence[str], learn_s: float) -> None:
        self._classes, self._learn_s = len(labels), learn_s
        self._known: dict[int, _Neutral] = {}
        self._before: set[int] = set()

    def forget(self) -> None:
        """Learn every face anew: another classifier has other offsets."""
        self._known = {}

    def update(
        self,
        time_s: float,
        track_ids: NDArray[np.int64],
        rows: NDArray[np.intp],
        expressions: Expressions,
        quality: Qualities,
    ) -> Changes:
        """The changes of the N faces of the next frame.

        Args:
            time_s: when the frame is shown.
            track_ids: (N,), no number twice.
            rows: (M,) which of the faces were classified on this frame.
            expressions: what is said of the N faces; the change is that of what is shown, ``smoothed``.
            quality: of the M faces.
        """
        # As the tracker forgets: whoever was there one frame before is known, however long ago that was.
        self._known = {
            key: known
            for key, known in self._known.items()
            if key in self._before or time_s - known.seen_s <= LOST_AFTER_S
        }
        self._before = set(track_ids.tolist())
        worth = dict(zip(rows.tolist(), reliability(quality).tolist(), strict=True))
        ratios = log_ratios(expressions.raw.probabilities)
        for row, key in enumerate(track_ids.tolist()):
            self._learn(time_s, key, ratios[row], worth.get(row))
        return self._changes(track_ids, log_ratios(expressions.smoothed.probabilities))

    def _learn(self, time_s: float, key: int, ratios: Values, worth: float | None) -> None:
        """One face of one frame; ``worth``: how far its answer can be trusted, None where it is an old one."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Neutral(np.zeros(self._classes), seen_s=time_s)
        known.in_sight_s += min(max(time_s - known.seen_s, 0.0), _MOST_STEP_S)
        known.seen_s = time_s
        if known.learned:
            return
        if worth is not None:
            # As in the smoother: an answer weighs by the time that it stands for.
            stands_for_s = FIRST_S if known.read_s == -np.inf else min(max(time_s - known.read_s, 0.0), LASTS_S)
            known.total += worth * stands_for_s * ratios
            known.weight += worth * stands_for_s
            known.read_s = time_s
        if known.in_sight_s >= self._learn_s and known.weight > 0:
            known.total /= known.weight
            known.learned = True

    def _changes(self, track_ids: NDArray[np.int64], ratios: Values) -> Changes:
        nats = np.full(ratios.shape, np.nan, np.float32)
        left_s, shown = np.zeros(len(ratios), np.float32), np.full(len(ratios), -1, np.int64)
        for row, key in enumerate(track_ids.tolist()):
            known = self._known[key]
            if not known.learned:
                left_s[row] = max(self._learn_s - known.in_sight_s, 0.0)
                continue
            nats[row] = ratios[row] - known.total
            share = np.exp(nats[row] - nats[row].max())
            share /= share.sum()
            best = int(share.argmax())
            if share[best] >= CLAIM_FROM:
                known.shown = best
            elif known.shown >= 0 and share[known.shown] < CLAIM_UNTIL:
                known.shown = -1
            shown[row] = known.shown
        return Changes(nats, shown, left_s)
