"""Where frames come from: what can be asked for, and the options of ``fer-live`` that ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options
from fer_live.realtime.completion import complete_camera, complete_path

__all__ = ["SourceOptions", "source_options"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which source and how; just one of ``camera``, ``image``, ``video`` and ``screen`` is given.

    ``camera``: a number or a part of a name. ``image``: a photo or a folder of photos; they have no time and are no
    frames, see :class:`~fer_live.realtime.photos.run.PhotoRun`. ``video``: a video, GIF or image file, a folder of
    images, a numbered sequence such as ``img_%04d.png``, an address, or ``-`` for standard input. ``screen``: the
    screen. ``fps``: frames a second of images and of the screen, None for 25; nothing else has a choice. ``stream``:
    which video stream of several, 0 for the first. ``reconnect_s``: how long to try where something live was lost;
    None for ever, 0 not at all.
    """

    camera: str | None = None
    video: str | None = None
    screen: bool = False
    fps: Fraction | None = None
    stream: int | None = None
    reconnect_s: float | None = None
    image: Path | None = None

    def __post_init__(self) -> None:
        given = (self.camera, self.image, self.video, self.screen or None)
        if sum(each is not None for each in given) != 1:
            raise ValueError(f"just one of camera, image, video and screen must be given, found {self}")
        if (self.fps is not None and self.fps <= 0) or (self.stream is not None and self.stream < 0):
            raise ValueError(f"fps must be positive and stream 0 or more, found {self.fps}, {self.stream}")

    @classmethod
    def taken_from(cls, values: dict[str, Any], *, needed: bool = True) -> Self | None:
        """The values of these options, which are removed from a command's; None where none is given and needed.

        Raises:
            click.UsageError: no source is given though one is needed, or several are.
        """
        taken = {name: values.pop(name) for name in ("camera", "image", "video", "screen", "fps", "stream")}
        reconnect_s = values.pop("reconnect")
        given = sum(taken[name] is not None for name in ("camera", "image", "video")) + taken["screen"]
        if given == 0 and not needed:
            return None
        if given != 1:
            raise click.UsageError("give one of --camera N, --video INPUT, --image PHOTO and --screen")
        return cls(**taken, reconnect_s=reconnect_s)


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 1000) <= rate <= 1000:
        raise click.BadParameter(f"{text!r} is no rate: give frames a second, such as 25, 29.97 or 30000/1001")
    return rate


def source_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--camera",
            metavar="N|NAME",
            shell_complete=complete_camera,
            help="Use a camera, by number (0 is the first) or part of its name.",
        ),
        click.option(
            "--video",
            metavar="INPUT",
            shell_complete=complete_path,
            help="Use a video, GIF or image file; a folder of images or a sequence (img_%04d.png); an address "
            "(http, https, rtsp, rtmp, udp); or - for standard input.",
        ),
        click.option(
            "--image",
            type=click.Path(path_type=Path),
            metavar="PHOTO",
            help="Use a photo, or each photo of a folder, and find every face; --out is then a picture or a folder.",
        ),
        click.option("--screen", is_flag=True, help="Use the screen."),
        click.option(
            "--fps",
            type=_rate,
            metavar="RATE",
            help="Frames a second of a folder or sequence of images, and of --screen.  [default: 25]",
        ),
        click.option(
            "--stream",
            type=click.IntRange(0),
            metavar="N",
            help="Which video stream, of a file or address that has several; 0 is the first.",
        ),
        click.option(
            "--reconnect",
            type=click.FloatRange(0),
            metavar="SECONDS",
            help="How long to try to reconnect to a live source that was lost; 0: not at all.  [default: for ever]",
        ),
    ]
    return with_options(command, options, heading="Source")
