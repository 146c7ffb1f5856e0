"""Options from a TOML file: its keys are the options' names, and the command line goes before it.

A value means what it means on the command line, a path that is not absolute stands for one in the current folder, and
a leading ``~/`` for the user's own. The file is read before the other options; what is wrong with it is told by the
command itself (:meth:`Settings.check`), so that its subcommands work whatever the file says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from .cli_errors import one_line
from .cli_options import with_options

__all__ = ["Settings", "config_options", "default_path", "without_idle", "without_rivals"]

F = TypeVar("F", bound=Callable[..., Any])

_META = "fer_live.settings"
_MOST_CHARACTERS = 1_000_000
_BOTH = "--config and --no-config exclude each other"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a settings file says.

    ``path``: the file, None where there is none or none is wanted. ``values``: by the option's name in a command's
    function, as the command line would give them. ``error``: what is wrong with the file, None where nothing is; then
    no value of it counts.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    @classmethod
    def of(cls, context: click.Context) -> Settings:
        """Those in force for a command line."""
        settings: Settings = context.meta.get(_META, cls())
        return settings

    def check(self) -> None:
        """See that nothing is wrong with the file.

        Raises:
            click.UsageError: something is.
        """
        if self.error is not None:
            raise click.UsageError(self.error)


def default_path(prog: str) -> Path:
    """Where the settings file of a program is looked for: on Linux ``~/.config/PROG/config.toml``."""
    return Path(click.get_app_dir(prog)) / "config.toml"


def config_options(prog: str) -> Callable[[F], F]:
    """Decorator: adds ``--config FILE`` and ``--no-config``, which give the command's other options their defaults.

    Args:
        prog: the program's name, for the default place.
    """

    def decline(context: click.Context, _: click.Parameter, declined: bool) -> None:
        if declined and _META in context.meta:
            raise click.UsageError(_BOTH)
        if declined:
            context.meta[_META] = Settings()

    def load(context: click.Context, _: click.Parameter, given: Path | None) -> None:
        if context.resilient_parsing:
            return
        declined = _META in context.meta
        if given is None:
            path = default_path(prog)
            if declined or not os.path.exists(path):  # also where the folder is another user's
                return
        elif declined:
            raise click.UsageError(_BOTH)
        else:
            path = given
        settings = _read(path, context)
        if given is None and settings.error is not None:
            # Whoever didn't name the file may not know of it.
            settings = replace(settings, error=f"{settings.error}; --no-config goes without the file")
        context.meta[_META] = settings
        context.default_map = dict(settings.values)

    options = [
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=load,
            help="Take options from this TOML file; those given on the command line take precedence.  "
            f"[default: {prog}/config.toml in the user's settings, which doctor names]",
        ),
        # Without the file the command is as its help says.
        click.option(
            "--no-config",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=decline,
            help="Take no options from a file.",
        ),
    ]
    return lambda command: with_options(command, options, heading="Settings")


def without_rivals(
    context: click.Context, values: Mapping[str, Any], rivals: Iterable[Iterable[str]]
) -> dict[str, Any]:
    """The values of a command's options, without those of the file whose rival is on the command line.

    Args:
        context: of the command.
        values: by name.
        rivals: groups of names of options of which only one can be given.
    """
    kept = dict(values)
    for names in map(tuple, rivals):
        if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names):
            kept |= _unsaid(context, names)
    return kept


def without_idle(
    context: click.Context, values: Mapping[str, Any], needs: Mapping[str, Iterable[str]]
) -> dict[str, Any]:
    """The values of a command's options, without those of the file that only mean something with one that isn't given.

    Args:
        context: of the command.
        values: by name.
        needs: names of options, by the name of the one that they need.
    """
    kept = dict(values)
    for needed, names in needs.items():
        if not kept[needed]:
            kept |= _unsaid(context, names)
    return kept


def _unsaid(context: click.Context, names: Iterable[str]) -> dict[str, Any]:
    """Those of these options that the file sets, as they are where nobody says anything: by their own defaults."""
    set_there = [name for name in names if context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP]
    if not set_there:
        return {}  # the usual case, which every start would wait for
    own = context.command.make_context(context.info_name, [], resilient_parsing=True).params
    return {name: own[name] for name in set_there}


def _read(path: Path, context: click.Context) -> Settings:
    import tomllib

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)  # no more: a device may never end
        if len(text) > _MOST_CHARACTERS:
            return Settings(path, error=f"{path}: too large for a settings file")
        table = tomllib.loads(text)
    except OSError as error:
        return Settings(path, error=f"{path}: cannot be read: {error.strerror or error}")
    except ValueError as error:  # no TOML, no UTF-8
        return Settings(path, error=f"{path}: is no TOML: {one_line(error)}")
    params = {
        option.removeprefix("--"): param
        for param in context.command.params
        if isinstance(param, click.Option) and param.expose_value
        for option in param.opts
        if option.startswith("--")
    }
    values = {}
    for key, value in table.items():
        try:
            param = _param(key, value, params)
            values[param.name or key] = _value(param, value, context)
        except click.UsageError as error:
            return Settings(path, error=f"{path}{_line(text, key)}: {one_line(Exception(error.message))}")
    return Settings(path, values)


def _param(key: str, value: Any, params: Mapping[str, click.Option]) -> click.Option:
    if isinstance(value, dict):
        raise click.UsageError(f"[{key}]: there are no sections; the options stand at the top")
    if key not in params:
        import difflib

        near = difflib.get_close_matches(key.replace("_", "-"), params, n=1, cutoff=0.5)
        raise click.UsageError(f"unknown option {key}" + (f"; did you mean {near[0]}?" if near else ""))
    return params[key]


def _value(param: click.Option, value: Any, context: click.Context) -> Any:
    """The value as the command line would give it, after it was tried."""
    name = param.opts[0].removeprefix("--")
    if param.is_flag != isinstance(value, bool):
        wanted = "true or false" if param.is_flag else "a value"
        raise click.UsageError(f"{name} = {_shown(value)}: give {wanted}")
    if isinstance(value, list) and not param.multiple:
        raise click.UsageError(f"{name} = {_shown(value)}: give one value, not a list")
    given: Any = value
    if not param.is_flag:
        given = _text(value) if not param.multiple else [_text(each) for each in _listed(value)]
    try:
        param.type_cast_value(context, given)
    except click.BadParameter as error:
        raise click.UsageError(f"{name} = {_shown(value)}: {error.message.rstrip('.')}") from error
    return given


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    text = str(value)
    return os.path.expanduser(text) if text.startswith("~/") else text


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _line(text: str, key: str) -> str:
    """Where a key stands, for a message; nothing where that can't be told."""
    pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f", line {number}"
    return ""
