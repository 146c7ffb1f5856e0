"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from .advice import ADVICE

__all__ = ["REQUIREMENTS", "Finding", "Mark"]

REQUIREMENTS = ("cuda", "camera", "display")
"""What ``--require`` knows."""


class Mark(StrEnum):
    """How good or bad it is; the worst last.

    ``OK``: it works. ``NOTE``: it isn't there, and needn't be. ``WARNING``: fer-live works, less well than it could.
    ``TROUBLE``: something of fer-live doesn't work, or something that was required isn't met.
    """

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    ``name``: the thing. ``told``: what was found, a line. ``advice``: the key in :data:`~.advice.ADVICE` of what to do
    about it, None where there is nothing to do. ``facts``: the same for machines, values that JSON has. ``meets``: the
    requirement (``--require``) that this meets, None where it meets none.
    """

    name: str
    mark: Mark
    told: str
    advice: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    meets: str | None = None

    def __post_init__(self) -> None:
        if self.advice is not None and self.advice not in ADVICE:
            raise ValueError(f"unknown advice {self.advice!r}")
        if self.meets not in (None, *REQUIREMENTS):
            raise ValueError(f"unknown requirement {self.meets!r}")
        if self.meets is not None and self.mark is Mark.TROUBLE:
            raise ValueError(f"{self.name}: trouble meets no requirement")

    @property
    def way_out(self) -> str | None:
        """What to do about it, a line."""
        return None if self.advice is None else ADVICE[self.advice]

    def to_json(self) -> dict[str, Any]:
        """For machines; :meth:`from_json` reads it back."""
        return {**asdict(self), "mark": self.mark.value, "way_out": self.way_out}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The finding that :meth:`to_json` wrote."""
        rest = {name: value for name, value in values.items() if name not in ("mark", "way_out")}
        return cls(mark=Mark(values["mark"]), **rest)
