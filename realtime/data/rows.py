"""What rows a table gets: one a face and frame, or one for a group in a stretch of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fer_live.realtime.datatypes import Result

from .options import Groups
from .schema import Column, Row, columns_for, group_columns_for, rows_of

__all__ = ["FaceRows", "GroupRows", "Rows"]

_SHARE_DIGITS = 2
"""Of the group's figures: finer ones would tell of single faces on single frames."""


class Rows(Protocol):
    """Makes rows of the results of a run, given in order."""

    @property
    def columns(self) -> Sequence[Column]:
        """Of each row."""

    def of(self, result: Result, now_s: float) -> list[Row]:
        """The rows that can be written now; ``now_s``: by ``time.perf_counter``."""

    def rest(self) -> list[Row]:
        """No results follow: the rows that are left."""


class FaceRows:
    """A row a face and frame, see :func:`~.schema.columns_for`.

    Args:
        labels: the model's.
        compared: see :func:`~.schema.columns_for`, like the next.
        calibrated: likewise.
    """

    def __init__(self, labels: Sequence[str], *, compared: bool = False, calibrated: bool = False) -> None:
        self.columns = columns_for(labels, compared=compared, calibrated=calibrated)

    def of(self, result: Result, now_s: float) -> list[Row]:
        """See :class:`Rows`, like the next."""
        return rows_of(result, now_s)

    def rest(self) -> list[Row]:
        """Nothing is held."""
        return []


class GroupRows:
    """A row a bin and none about a face, see :func:`~.schema.group_columns_for`.

    Only frames count that show enough faces at once, so that neither a face that comes and goes, nor an id that
    changes, passes for a group. A bin without frames has no row.

    Args:
        labels: the model's.
        groups: how long a bin is, and how many faces are enough.
    """

    def __init__(self, labels: Sequence[str], groups: Groups) -> None:
        self.columns = group_columns_for(labels, groups.min_group)
        self._labels, self._groups = len(labels), groups
        self._bin: int | None = None
        self._begin()

    def of(self, result: Result, now_s: float) -> list[Row]:
        """See :class:`Rows`, like the next; a bin's row comes with the first frame after it."""
        number = math.floor(result.frame.time_s / self._groups.bin_s + 1e-9)
        # Time that runs backwards stays in the bin.
        ended = self.rest() if self._bin is not None and number > self._bin else []
        self._bin = number if self._bin is None else max(number, self._bin)
        self._add(result)
        return ended

    def rest(self) -> list[Row]:
        """The bin that has not ended."""
        if self._bin is None:
            return []
        faces = int(self._states.sum())
        shares: list[float | None] = [None] * len(self._states)
        mean, most = None, None
        if self._counted:
            shares = np.round(self._states / faces, _SHARE_DIGITS).tolist()
            mean, most = round(faces / self._counted, _SHARE_DIGITS), self._most
        begin_s, end_s = (round((self._bin + end) * self._groups.bin_s, 6) for end in (0, 1))
        row = (begin_s, end_s, self._frames, self._counted, not self._counted, mean, most, *shares)
        self._bin = None
        self._begin()
        return [row]

    def _begin(self) -> None:
        self._frames = self._counted = self._most = 0
        self._states = np.zeros(self._labels + 1, np.int64)  # of the faces on frames that count; the last: uncertain

    def _add(self, result: Result) -> None:
        self._frames += 1
        n, said = len(result.faces), result.expressions
        if n < self._groups.min_group:
            return
        self._counted += 1
        self._most = max(self._most, n)
        states = [self._labels if doubt else int(shown) for doubt, shown in zip(said.doubts, said.shown, strict=True)]
        self._states += np.bincount(states, minlength=self._labels + 1)
