"""Options of ``fer-train`` that are made from the recipes' own data: training settings, recipe names, ``--set``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click

from .config import TrainConfig
from .recipes import RECIPES, Recipe

__all__ = ["ARGUMENT", "RECIPE", "setting_options"]


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
        self.fail(f"no recipe {value!r}; {hint}fer-train --list shows all", param, ctx)


class _Argument(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """``key=value``: the value a number, a word, true or false, null, or a list with commas between."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (key and equals):
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key.strip().replace("-", "_"), _value(text.strip())


RECIPE = _RecipeName()
ARGUMENT = _Argument()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [_value(part.strip()) for part in text.split(",") if part.strip()] if "," in text else text


def setting_options(command: Any) -> Any:
    """Decorator: an option for each field of :class:`TrainConfig`; None where the recipe's own value stands."""
    for entry in reversed(fields(TrainConfig)):
        about: Mapping[str, Any] = entry.metadata
        name = f"--{entry.name.replace('_', '-')}"
        kind: Any
        if "choices" in about:
            kind = click.Choice(about["choices"])
        elif "low" not in about:
            kind, name = None, f"{name}/--no-{entry.name.replace('_', '-')}"
        elif isinstance(entry.default, int):
            kind = click.IntRange(about["low"], about["high"])
        else:
            kind = click.FloatRange(about["low"], about["high"])
        command = click.option(name, type=kind, default=None, help=f"{about['about']}.")(command)
    return command
