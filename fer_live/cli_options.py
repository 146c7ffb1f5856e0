"""Groups of options that commands share, under headings in ``--help``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import click

__all__ = ["HeadedCommand", "HeadedGroup", "headings_of", "with_options"]

F = TypeVar("F", bound=Callable[..., Any])

_WIDEST_NAME = 30  # as click's own: a longer name has its help below it

_headings: WeakKeyDictionary[click.Parameter, str] = WeakKeyDictionary()


def with_options(command: F, options: Sequence[Callable[[F], F]], *, heading: str | None = None) -> F:
    """Add ``click.option``s to a command; its help shows them in this order.

    Args:
        command: the function, or the command made of it.
        options: what ``click.option`` gives.
        heading: what they stand under in the help of a :class:`HeadedCommand` or :class:`HeadedGroup`, there together
            with all others that have it; None leaves them without.
    """
    for option in reversed(options):
        command = option(command)
        if heading is not None:
            # click keeps the options of a function on the function until a command is made of it.
            params = command.params if isinstance(command, click.Command) else command.__click_params__  # type: ignore[attr-defined]
            _headings[params[-1]] = heading
    return command


def headings_of(command: click.Command, context: click.Context) -> dict[str, list[click.Parameter]]:
    """The options of a command by heading, in the order of their first ones.

    Those without one are ``Options`` where they come first, else ``Other``.
    """
    found: dict[str | None, list[click.Parameter]] = {}
    for param in command.get_params(context):
        if isinstance(param, click.Option) and not param.hidden:
            found.setdefault(_headings.get(param), []).append(param)
    none = "Options" if next(iter(found), None) is None else "Other"
    return {heading or none: params for heading, params in found.items()}


class HeadedCommand(click.Command):
    """A command whose help groups its options under their headings, with all explanations in one column."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        sections = {}
        for heading, params in headings_of(self, ctx).items():
            records = [param.get_help_record(ctx) for param in params]
            sections[heading] = [record for record in records if record is not None]
        width = min(_WIDEST_NAME, max((len(name) for rows in sections.values() for name, _ in rows), default=0))
        for heading, ((name, told), *others) in sections.items():
            with formatter.section(heading):
                # click finds a section's column by its longest name.
                formatter.write_dl([(name.ljust(width), told), *others], col_max=_WIDEST_NAME)


class HeadedGroup(HeadedCommand, click.Group):
    """The same for a command that has commands; they come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options and the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)
