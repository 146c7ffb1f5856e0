"""Keyword options of the Python API: the command line's, by the same names, checked by the same code."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

from fer_live.realtime.cli import command
from fer_live.realtime.photos.options import check_photo_options
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.network import is_address

__all__ = ["run_options", "source_option"]

_PROG = "fer_live"


def source_option(source: str | os.PathLike[str] | int) -> dict[str, str]:
    """The option that ``source`` means by what it is: a number a camera; an image file or a folder photos; a video."""
    from fer_live.realtime.photos.picture import PHOTO_SUFFIXES

    if isinstance(source, int):
        return {"camera": str(source)}
    name = os.fspath(source)
    path = Path(name)
    if not is_address(name) and (path.is_dir() or (path.is_file() and path.suffix.lower() in PHOTO_SUFFIXES)):
        return {"image": name}
    return {"video": name}


def run_options(
    caller: str, options: Mapping[str, Any], *, without: Iterable[str] = (), photos: bool = False
) -> RunOptions:
    """What options ask for.

    Args:
        caller: for messages, such as ``open``.
        options: by name, dashes as underscores; None is as if not given. A path may be a string.
        without: names that don't go with the caller.
        photos: whether they are about photos, whatever the source.

    Raises:
        TypeError: there is no option of that name; the message has the nearest.
        ValueError: a value is not possible, or options don't go together.
    """
    known = _accepted() - set(without)
    for name in options:
        if name not in known:
            raise TypeError(f"{caller}() has no option {name!r}{_nearest(name, known)}")
    arguments = ["--no-config"]
    for name, value in options.items():
        arguments += _arguments(caller, name, value)
    try:
        context = command.make_context(_PROG, arguments)
        asked = RunOptions.taken_from(context.params, needs_source=False)
        if photos or (asked.source is not None and asked.source.image is not None):
            check_photo_options(name for name, value in options.items() if value is not None)
        return asked
    except click.ClickException as error:
        raise ValueError(_in_python(error.format_message())) from error


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else "; its options are those of fer-live --help"


@cache
def _accepted() -> frozenset[str]:
    """Names of the options that a run takes; the others are of the command line itself, its window and its page."""
    context = command.make_context(_PROG, ["--no-config", "--video", "-"])
    before = set(context.params)
    RunOptions.taken_from(context.params)
    return frozenset(before - set(context.params))


def _arguments(caller: str, name: str, value: Any) -> list[str]:
    """As the command line would have it."""
    option = next(each for each in command.params if isinstance(each, click.Option) and each.name == name)
    if value is None:
        return []
    if option.is_flag:
        if not isinstance(value, bool):
            raise ValueError(f"{caller}(): {name} must be True or False, found {value!r}")
        return [option.opts[0]] if value else option.secondary_opts[:1]
    values = value if option.multiple and not isinstance(value, str | os.PathLike) else [value]
    return [f"{option.opts[0]}={os.fspath(each) if isinstance(each, os.PathLike) else each}" for each in values]


def _in_python(message: str) -> str:
    """A message about ``--detect-every`` as one about ``detect_every``."""
    return re.sub(r"--([a-z][a-z-]*)", lambda match: match[1].replace("-", "_"), message)
