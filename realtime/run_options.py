"""All that a run is asked for, together."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click

from .data.options import DataOptions
from .engine_options import EngineOptions
from .sinks.options import VideoOptions
from .sources.options import SourceOptions
from .view.options import ViewOptions

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked for. ``source``: None where frames come from elsewhere. ``trace``: its file, None for none."""

    source: SourceOptions | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    video: VideoOptions = field(default_factory=VideoOptions)
    data: DataOptions = field(default_factory=DataOptions)
    view: ViewOptions = field(default_factory=ViewOptions)
    trace: Path | None = None

    @classmethod
    def taken_from(cls, values: dict[str, Any], *, needs_source: bool = True) -> Self:
        """The values of these options, which are removed from a command's.

        Raises:
            click.UsageError: they don't go together, or two outputs have one target.
        """
        options = cls(
            SourceOptions.taken_from(values, needed=needs_source),
            EngineOptions.taken_from(values),
            VideoOptions.taken_from(values),
            DataOptions.taken_from(values),
            ViewOptions.taken_from(values),
            values.pop("trace"),
        )
        options._check_different()
        for name in ("calibrate", "compare"):
            if options.data.groups is not None and getattr(options.engine, name) is not None:
                raise click.UsageError(f"--{name} tells of single faces: leave it out with --aggregate-only")
        return options

    @property
    def writes(self) -> bool:
        """Whether there is an output that the run is for."""
        return self.video.out is not None or self.data.asked

    @property
    def targets(self) -> list[tuple[str, Path]]:
        """Every output with the option that names it."""
        named = [*self.data.targets, ("--out", self.video.out), ("--trace", self.trace)]
        return [(option, path) for option, path in named if path is not None]

    def _check_different(self) -> None:
        taken: dict[str, str] = {}
        for option, path in self.targets:
            place = os.path.realpath(path)
            if place in taken:
                raise click.UsageError(
                    f"{path}: is named by {taken[place]} and {option}; every output needs its own file"
                )
            taken[place] = option
