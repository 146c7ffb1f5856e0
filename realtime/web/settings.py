"""What the web page was started with, for all of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from fer_live.realtime.run_options import RunOptions

from .options import MAX_UPLOAD_MB

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line said.

    ``run``: what runs that the page starts have in common; its source is the one of the command line, None for none.
    ``token``: what a visitor must bring, None where only this machine can come. ``max_upload_mb``: the largest photo
    or clip that is taken, megabytes.
    """

    run: RunOptions = field(default_factory=RunOptions)
    token: str | None = None
    max_upload_mb: int = MAX_UPLOAD_MB
