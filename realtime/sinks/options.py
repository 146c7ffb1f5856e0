"""The options of ``fer-live`` that ask for an annotated video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options

__all__ = ["VideoOptions", "video_options"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """The annotated video: ``out`` its file, None for none; the rest as the encoder is told, None for its default."""

    out: Path | None = None
    codec: str = "h264"
    preset: str | None = None
    crf: int | None = None

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's."""
        return cls(**{field.name: values.pop(field.name) for field in fields(cls)})


def video_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write the annotated video: .mp4, .mov or .mkv, with the input's size, times and sound.",
        ),
        click.option(
            "--codec",
            type=click.Choice(["h264", "av1", "vp9"]),
            default="h264",
            show_default=True,
            help="Codec of --out; every browser plays h264.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="Preset (speed) of the encoder, by its own name.  [default for h264: ultrafast]",
        ),
        click.option(
            "--crf",
            type=click.IntRange(0, 63),
            metavar="N",
            help="Quality of --out; lower is better.  [default for h264: 23]",
        ),
    ]
    return with_options(command, options, heading="Video")
