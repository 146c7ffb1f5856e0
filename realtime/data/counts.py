"""What a run has counted when it ends, however it ends."""

from __future__ import annotations

from typing import Any, Self

from fer_live.realtime.datatypes import Result
from fer_live.realtime.observer import Observer

__all__ = ["RunCounts"]


class RunCounts(Observer):
    """Counts frames and faces; a :class:`~fer_live.realtime.datatypes.Sink`, and an observer for the frames that never
    reach a sink.
    """

    needs_pixels = False

    def __init__(self) -> None:
        self._frames = self._with_faces = self._faces = self._uncertain = self._fresh = self._dropped = 0
        self._tracks: set[int] = set()

    @property
    def frames(self) -> int:
        """Frames that were analysed."""
        return self._frames

    def as_document(self, *, with_expressions: bool = True) -> dict[str, Any]:
        """For a manifest. ``share_uncertain``: of the faces, None where there are none.

        Args:
            with_expressions: tell how faces were read, too. With the rows of groups one could work out from it what
                was left out of them.
        """
        document: dict[str, Any] = {
            "frames_read": self._frames + self._dropped,
            "frames_dropped": self._dropped,
            "frames_analysed": self._frames,
            "frames_with_faces": self._with_faces,
            "faces": self._faces,
            "tracks": len(self._tracks),
        }
        if not with_expressions:
            return document
        return document | {
            "faces_classified": self._fresh,
            "faces_uncertain": self._uncertain,
            "share_uncertain": round(self._uncertain / self._faces, 4) if self._faces else None,
        }

    def write(self, result: Result) -> None:
        """Count a frame."""
        self._frames += 1
        if len(result.faces):
            said = result.expressions
            self._with_faces += 1
            self._faces += len(result.faces)
            self._uncertain += sum(doubt is not None for doubt in said.doubts)
            self._fresh += int(said.fresh.sum())
            self._tracks.update(result.track_ids.tolist())

    def finish(self) -> None:
        """There is nothing to complete."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def dropped(self, frame: int) -> None:
        """Count a frame that nobody had time for."""
        self._dropped += 1
