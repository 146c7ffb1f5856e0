"""Whether a source gives frames at this moment."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SourceState"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """Frames come, or why they don't and since when.

    ``lost``: why no frames come, in one line; None while they do. ``since_s``: when they stopped, by
    ``time.perf_counter``. ``attempt``: how often it was tried since then to open the source again.
    """

    lost: str | None = None
    since_s: float = 0.0
    attempt: int = 0

    @property
    def is_lost(self) -> bool:
        """Whether no frames come."""
        return self.lost is not None

    def line(self, now_s: float) -> str:
        """For a view: "live", or "lost for 12 s, reconnecting (attempt 3): why"; ``now_s`` by the same clock."""
        if self.lost is None:
            return "live"
        tried = f" (attempt {self.attempt})" if self.attempt else ""
        return f"lost for {max(0.0, now_s - self.since_s):.0f} s, reconnecting{tried}: {self.lost}"
