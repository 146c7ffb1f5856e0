"""Groups of options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["with_options"]

F = TypeVar("F", bound=Callable[..., Any])


def with_options(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """Add ``click.option``s to a command; its help shows them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
