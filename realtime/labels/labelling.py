"""Everything that is said of the faces of one frame after another: steadied, compared, set against their neutral."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Changes, Expressions, Predictions

from .baseline import Baseline
from .quality import Qualities
from .smoothing import Smoother

__all__ = ["Labeller", "Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of the faces of a frame: by the model; by another one, and as changes, where that is asked for."""

    expressions: Expressions
    other: Expressions | None = None
    changes: Changes | None = None


class Labeller:
    """Turns answers into what is said, frame by frame.

    Args:
        labels: the classifiers', C of them.
        smooth: see :class:`~.smoothing.Smoother`.
        compare: whether another classifier reads the same faces.
        learn_s: how long to learn the neutral of each face; None: not at all.
    """

    def __init__(
        self, labels: Sequence[str], *, smooth: bool = True, compare: bool = False, learn_s: float | None = None
    ) -> None:
        self._smoother = Smoother(labels, enabled=smooth)
        self._other = Smoother(labels, enabled=smooth) if compare else None
        self._baseline = None if learn_s is None else Baseline(labels, learn_s)

    def show_smoothed(self, smooth: bool) -> None:
        """Say it smoothed over time, or as it was answered."""
        self._smoother.enabled = smooth
        if self._other is not None:
            self._other.enabled = smooth

    def forget(self) -> None:
        """Let all tracks start anew, for another classifier; what the other one says stands."""
        self._smoother.forget()
        if self._baseline is not None:
            self._baseline.forget()

    def update(
        self,
        time_s: float,
        track_ids: NDArray[np.int64],
        rows: NDArray[np.intp],
        raw: Predictions,
        other: Predictions | None,
        quality: Qualities,
    ) -> Said:
        """What is said of the N faces of the next frame; see :meth:`.Smoother.update`. ``other``: as ``raw``."""
        expressions = self._smoother.update(time_s, track_ids, rows, raw, quality)
        second = changes = None
        if self._other is not None and other is not None:
            second = self._other.update(time_s, track_ids, rows, other, quality)
        if self._baseline is not None:
            changes = self._baseline.update(time_s, track_ids, rows, expressions, quality)
        return Said(expressions, second, changes)
