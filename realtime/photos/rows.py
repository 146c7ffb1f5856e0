"""Rows about photos: as of a video's faces, with the picture's name instead of a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fer_live.realtime.data.rows import FaceRows
from fer_live.realtime.data.schema import Column, Row
from fer_live.realtime.datatypes import Result

__all__ = ["PictureRows"]


class PictureRows(FaceRows):
    """A row a face, columns as of a video's rows at the same places, then ``picture``; ``time_s`` is empty.

    Args:
        labels: the model's.
        names: of the pictures, by the indexes of their frames.
    """

    def __init__(self, labels: Sequence[str], names: Mapping[int, str]) -> None:
        super().__init__(labels)
        time_s, *others = self.columns
        self.columns = (
            replace(time_s, meaning="empty: a photo has no time", may_be_empty=True),
            *others,
            Column("picture", "text", "", "the photo's file name"),
        )
        self._names = names

    def of(self, result: Result, now_s: float) -> list[Row]:
        """See :class:`~fer_live.realtime.data.rows.Rows`."""
        name = self._names[result.frame.index]
        return [(None, *row[1:], name) for row in super().of(result, now_s)]
