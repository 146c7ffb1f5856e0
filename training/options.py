"""Options of ``fer-train`` that are made from the recipes' own data: training settings, recipe names, ``--set``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import Field, fields
from typing import Any

import click

from fer_live.cli_errors import one_line
from fer_live.cli_options import with_options
from fer_live.errors import ModelError

from .recipes.config import TrainConfig
from .recipes.idle import why_idle
from .recipes.registry import RECIPES, Recipe

__all__ = [
    "ARGUMENT",
    "RECIPE",
    "argument_value",
    "chosen_recipe",
    "command_options",
    "hardware_options",
    "setting_options",
    "setting_type",
]


class _RecipeName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a recipe; an unknown one is answered with the nearest."""

    name = "recipe"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Recipe:
        if isinstance(value, Recipe):
            return value
        if value in RECIPES:
            return RECIPES[value]
        near = difflib.get_close_matches(value, RECIPES, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        self.fail(f"there is no recipe {value!r}; {hint}fer-train --list shows all", param, ctx)


class _Argument(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """``key=value``: the value a number, a word, true or false, null, or a list with commas between."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key.strip().replace("-", "_"), argument_value(text.strip())


RECIPE = _RecipeName()
ARGUMENT = _Argument()


def argument_value(text: str) -> Any:
    """What the text of ``--set`` behind the equals sign means."""
    try:
        return json.loads(text)
    except ValueError:
        return [argument_value(part.strip()) for part in text.split(",") if part.strip()] if "," in text else text


def setting_type(entry: Field[Any]) -> click.ParamType:  # type: ignore[type-arg,unused-ignore]
    """What a field of :class:`TrainConfig` takes on the command line."""
    about: Mapping[str, Any] = entry.metadata
    if "choices" in about:
        return click.Choice(about["choices"])
    if "low" not in about:
        return click.BOOL
    if isinstance(entry.default, int):
        return click.IntRange(about["low"], about["high"])
    return click.FloatRange(about["low"], about["high"])


def setting_options(command: Any) -> Any:
    """Decorator: an option for each field of :class:`TrainConfig`; None where the recipe's own value stands."""
    options = []
    for entry in fields(TrainConfig):
        name, kind, about = _option(entry.name), setting_type(entry), entry.metadata["about"]
        if kind is click.BOOL:
            name = f"{name}/{_option('no_' + entry.name)}"
        options.append(click.option(name, type=kind, default=None, help=f"{about[0].upper()}{about[1:]}."))
    return with_options(command, options, heading="Settings of the training")


def chosen_recipe(
    recipe: Recipe,
    arguments: tuple[tuple[str, Any], ...],
    random_init: bool,
    settings: dict[str, Any],
    searched: Collection[str] = (),
) -> Recipe:
    """The recipe as the command line wants it; a usage error where that can't be.

    So it is where an option has another value than the recipe's and does nothing. ``searched``: options that get other
    values later.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if random_init:
        if given.get("init", "default") != "default":
            raise click.UsageError(f"--random-init and --init {given['init']} exclude each other")
        given["init"] = "default"
    try:
        chosen = recipe.with_options(given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if arguments:
        from .recipes.summary import summarise

        chosen = chosen.with_arguments(dict(arguments))
        try:
            summarise(chosen.model, chosen.contract())
        except ModelError as error:
            raise click.UsageError(f"--set: {one_line(error)}") from error
    for name in _changed(chosen, recipe):
        if why := why_idle(chosen, name, searched):
            option = _option(name) if hasattr(chosen.train, name) else f"--set {name}"
            raise click.UsageError(f"{option} has no effect on {chosen.name} {why}")
    return chosen


def _changed(recipe: Recipe, base: Recipe) -> list[str]:
    """Options of training and network that have another value than those of ``base``."""
    names = [entry.name for entry in fields(TrainConfig)]
    changed = [name for name in names if getattr(recipe.train, name) != getattr(base.train, name)]
    own = recipe.model.arguments
    if own != base.model.arguments:
        from .networks.registry import network_options

        before = {**network_options(base.model.name), **base.model.arguments}
        changed += [key for key, value in own.items() if _listed(value) != _listed(before[key])]
    return changed


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def command_options(recipe: Recipe) -> list[str]:
    """The options of ``fer-train`` that make ``recipe`` of the one that has its name, but those that do nothing."""
    base = RECIPES[recipe.name]
    words = ["--recipe", recipe.name]
    for entry in fields(TrainConfig):
        value = getattr(recipe.train, entry.name)
        if value == getattr(base.train, entry.name) or why_idle(recipe, entry.name):
            continue
        if isinstance(value, bool):
            words.append(_option(entry.name if value else f"no_{entry.name}"))
        else:
            words += [_option(entry.name), str(value)]
    for key, value in recipe.model.arguments.items():
        if (key not in base.model.arguments or value != base.model.arguments[key]) and not why_idle(recipe, key):
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            words += ["--set", f"{key}={text}"]
    return words


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def hardware_options(command: Any) -> Any:
    """Add ``--device``, ``--precision`` and ``--threads`` to a command."""
    options = [
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to compute.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["auto", "bf16", "float32"]),
            default="auto",
            show_default=True,
            help="auto: bf16 if the hardware computes it natively.",
        ),
        click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads.  [default: torch's choice]"),
    ]
    return with_options(command, options, heading="Hardware")
