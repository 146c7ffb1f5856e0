"""How far two models agree on the faces that both read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fer_live.realtime.datatypes import Result

__all__ = ["Comparison"]


class Comparison:
    """Counts pairs of labels, the model's and the other's; a :class:`~fer_live.realtime.datatypes.Sink`.

    Only faces that were read on the very frame count, once each, by the likeliest label of each answer: what is
    shown of them is steadied, and would count the same answers many times.

    Args:
        labels: of both models.
        name: of the other model's file.
        sha256: of that file.
    """

    needs_pixels = False

    def __init__(self, labels: Sequence[str], name: str, sha256: str) -> None:
        self._labels, self._name, self._sha256 = tuple(labels), name, sha256
        self._pairs = np.zeros((len(labels), len(labels)), np.int64)

    @property
    def answers(self) -> int:
        """Faces that both read."""
        return int(self._pairs.sum())

    @property
    def agreement(self) -> float | None:
        """Share of them that both call the same; None where there are none."""
        return float(np.trace(self._pairs) / self.answers) if self.answers else None

    def line(self) -> str:
        """For the summary of a run."""
        if self.agreement is None:
            return f"nothing to compare with {self._name}"
        return f"{self._name} agrees on {100 * self.agreement:.1f} % of {self.answers:,} answers"

    def as_document(self) -> dict[str, Any]:
        """For a manifest. ``disagreements``: pairs of labels, the most frequent first."""
        rows, columns = np.nonzero(self._pairs * (1 - np.eye(len(self._labels), dtype=np.int64)))
        pairs = sorted(zip(-self._pairs[rows, columns], rows.tolist(), columns.tolist(), strict=True))
        return {
            "model": {"file": self._name, "sha256": self._sha256},
            "answers": self.answers,
            "agreement": None if self.agreement is None else round(self.agreement, 4),
            "disagreements": [
                {"label": self._labels[row], "other_label": self._labels[column], "answers": int(-count)}
                for count, row, column in pairs
            ],
        }

    def write(self, result: Result) -> None:
        """Count a frame."""
        if result.other is None:
            return
        fresh = result.expressions.fresh
        mine = result.expressions.raw.probabilities[fresh].argmax(axis=1)
        others = result.other.raw.probabilities[fresh].argmax(axis=1)
        np.add.at(self._pairs, (mine, others), 1)

    def finish(self) -> None:
        """There is nothing to complete."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
