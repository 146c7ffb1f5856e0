"""Probabilities over time in bins of equal length, so many at most, however long the run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_BINS", "Curves"]

MOST_BINS = 2048
"""Bins that the time of a run has at most: about as many as a large screen has columns."""

_NONE = 255
_UNITS = 250


class Curves:
    """Means of each face's probabilities in bins, which all faces share. When time runs beyond the last bin, all are
    made twice as long.

    Args:
        base_s: length of a bin at first; with the time between two frames, each frame has its own.
        count: of the probabilities.
    """

    def __init__(self, base_s: float, count: int) -> None:
        self._base_s, self._count = base_s, count
        self._level = 0
        self._faces: dict[int, dict[int, NDArray[np.float64]]] = {}
        self._last: dict[int, tuple[int, NDArray[np.float64]]] = {}  # by face: when, in bins of the first length; what

    @property
    def bin_s(self) -> float:
        """Length of a bin, seconds."""
        return float(self._base_s * 2**self._level)

    @property
    def is_binned(self) -> bool:
        """Whether bins have become longer than a frame."""
        return self._level > 0

    def add(self, face: int, after_s: float, probabilities: NDArray[np.float32], *, goes_on: bool = False) -> None:
        """Take one frame's probabilities (C) of a face.

        Args:
            face: whose.
            after_s: since the beginning of the run.
            probabilities: (C).
            goes_on: it was there on the frame before: bins between the two, where frames are further apart than
                bins are long, have what that said.
        """
        place = int(after_s / self._base_s + 0.01)  # times are rounded: a frame may stand a little before its own
        while place >> self._level >= MOST_BINS:
            self._double()
        bins = self._faces.setdefault(face, {})
        if goes_on and face in self._last:
            before, held = self._last[face]
            for between in range((before >> self._level) + 1, place >> self._level):
                bins.setdefault(between, held.copy())
        self._last[face] = place, np.append(probabilities, 1.0)
        entry = bins.get(place >> self._level)
        if entry is None:
            entry = bins[place >> self._level] = np.zeros(self._count + 1)
        entry[:-1] += probabilities
        entry[-1] += 1

    def drop(self, face: int) -> None:
        """Forget a face."""
        self._faces.pop(face, None)
        self._last.pop(face, None)

    def means(self, face: int) -> tuple[int, NDArray[np.float64]]:
        """The first bin of a face, and the means (B, C) from there to its last; NaN where it was not seen."""
        bins = self._faces.get(face, {})
        if not bins:
            return 0, np.zeros((0, self._count))
        first, last = min(bins), max(bins)
        means = np.full((last - first + 1, self._count), np.nan)
        for place, entry in bins.items():
            means[place - first] = entry[:-1] / entry[-1]
        return first, means

    def coded(self, face: int) -> tuple[int, bytes]:
        """As :meth:`means`, a byte each, row by row, in 1/250; 255 where it was not seen."""
        first, means = self.means(face)
        coded = np.full(means.shape, _NONE, np.uint8)
        seen = ~np.isnan(means)
        coded[seen] = np.clip(np.rint(means[seen] * _UNITS), 0, _UNITS)
        return first, coded.tobytes()

    def _double(self) -> None:
        self._level += 1
        for face, bins in self._faces.items():
            merged: dict[int, NDArray[np.float64]] = {}
            for place, entry in bins.items():
                if (kept := merged.get(place >> 1)) is None:
                    merged[place >> 1] = entry
                else:
                    kept += entry
            self._faces[face] = merged
