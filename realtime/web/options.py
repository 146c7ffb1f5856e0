"""The options of ``fer-live`` that ask for the web page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

import click

from fer_live.cli_options import with_options

__all__ = ["ServeOptions", "is_loopback", "serve_options"]

F = TypeVar("F", bound=Callable[..., Any])

PORT = 8000
MAX_UPLOAD_MB = 500
LEAST_TOKEN = 12
"""Characters of a token that somebody chose: fewer are guessed."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The page: ``serve`` whether it is wanted, the rest where it listens and who may come.

    ``port``: 0 for any that is free. ``token``: what a visitor must bring; None for none on this machine alone, and
    for a new one everywhere else. ``max_upload``: the largest file that the page takes, megabytes.
    """

    serve: bool = False
    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = None
    max_upload: int = MAX_UPLOAD_MB
    open_browser: bool = False

    @classmethod
    def taken_from(cls, values: dict[str, Any]) -> Self:
        """The values of these options, which are removed from a command's.

        Raises:
            click.UsageError: they don't go together, or the token is too weak.
        """
        options = cls(**{field.name: values.pop(field.name) for field in fields(cls)})
        if not options.serve:
            alone = cls(token=options.token)  # may come from the environment, where it harms nobody
            for field in fields(cls):
                if getattr(options, field.name) != getattr(alone, field.name):
                    name = {"open_browser": "open"}.get(field.name, field.name).replace("_", "-")
                    raise click.UsageError(f"--{name} is for the web page: give --serve too")
        elif options.token is not None and not re.fullmatch(rf"[\w~.-]{{{LEAST_TOKEN},}}", options.token, re.ASCII):
            raise click.UsageError(
                f"--token must have at least {LEAST_TOKEN} letters, digits, or any of - . _ ~; leave it out and one "
                "is made where it is needed"
            )
        return options

    @property
    def needs_token(self) -> bool:
        """Whether only those who know a token may come."""
        return self.token is not None or not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether only this machine itself can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve_options(command: F) -> F:
    """Add them to a command."""
    options = [
        click.option(
            "--serve", is_flag=True, help="Open a web page on this machine: live view, photos and clips. Ctrl-C ends."
        ),
        click.option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            metavar="ADDRESS",
            help="Address that --serve listens on. Any but this machine's own requires a token of visitors.",
        ),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            default=PORT,
            show_default=True,
            metavar="N",
            help="Port of --serve; 0: any that is free.",
        ),
        click.option(
            "--token",
            envvar="FER_LIVE_TOKEN",
            metavar="TEXT",
            help="Token that visitors of --serve need; also FER_LIVE_TOKEN.  [default: a new one if one is needed]",
        ),
        click.option(
            "--max-upload",
            type=click.IntRange(1, 100_000),
            default=MAX_UPLOAD_MB,
            show_default=True,
            metavar="MB",
            help="The largest photo or clip that the page of --serve takes.",
        ),
        click.option("--open", "open_browser", is_flag=True, help="Open the page of --serve in the browser."),
    ]
    return with_options(command, options, heading="Web page")
