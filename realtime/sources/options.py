"""The options of ``fer-live`` that say where frames come from."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import click

__all__ = ["source_options"]

F = TypeVar("F", bound=Callable[..., Any])


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
            "--camera", metavar="N|NAME", help="Use a camera, by number (0 is the first) or part of its name."
        ),
        click.option(
            "--video",
            metavar="INPUT",
            help="Use a video, GIF or image file; a folder of images or a sequence (img_%04d.png); an address "
            "(http, https, rtsp, rtmp, udp); or - for standard input.",
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
            help="How long to try to come back to a live source that was lost; 0: not at all.  [default: for ever]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
