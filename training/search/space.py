"""What ``fer-search`` searches over: ``NAME=LOW..HIGH`` and ``NAME=A,B,C`` for the options that ``fer-train`` has."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import click
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from fer_live.errors import ModelError
from fer_live.training.networks.registry import network_class, network_options
from fer_live.training.options import argument_value, setting_type
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.idle import why_idle
from fer_live.training.recipes.recipe import Recipe
from fer_live.training.recipes.summary import summarise

__all__ = ["Dimension", "Distribution", "check_effects", "parse_dimension", "with_drawn"]

Distribution = FloatDistribution | IntDistribution | CategoricalDistribution

_SETTINGS = {entry.name: entry for entry in fields(TrainConfig)}
_TRIED_VALUES = 64
"""Whole numbers of a range of the network that are all tried out; of a longer range its ends are."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One option that is searched over. ``of_network``: it goes through ``--set``."""

    name: str
    of_network: bool
    distribution: Distribution

    def value(self, drawn: Any) -> Any:
        """The option's value from what the study keeps: lists stand there as their JSON text."""
        return json.loads(drawn) if isinstance(drawn, str) and drawn.startswith("[") else drawn


def with_drawn(recipe: Recipe, space: Sequence[Dimension], drawn: Mapping[str, Any]) -> Recipe:
    """The recipe with the drawn value of each dimension."""
    settings = {of.name: of.value(drawn[of.name]) for of in space if not of.of_network}
    arguments = {of.name: of.value(drawn[of.name]) for of in space if of.of_network}
    return recipe.with_options(settings).with_arguments(arguments)


def parse_dimension(text: str, recipe: Recipe) -> Dimension:
    """Read one ``--over``.

    ``NAME=LOW..HIGH`` is a range, with ``:log`` drawn by its logarithm, with ``:step=S`` in steps from its low end.
    ``NAME=A,B,C`` are choices; a list among them stands in brackets. Names, types and limits are those of
    ``fer-train``'s options and of the recipe's network, and every choice and both ends of a range are tried out on
    the recipe, one at a time.

    Raises:
        ValueError: with one line, where it is none of that.
    """
    name, equals, values = text.partition("=")
    name, values = name.strip().replace("-", "_"), values.strip()
    if not (equals and name and values):
        raise ValueError(f"{text!r} is neither NAME=LOW..HIGH nor NAME=A,B,C")
    known = [*_SETTINGS, *network_options(recipe.model.name)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(known)}"
        raise ValueError(f"{recipe.name} has no option {name!r}; {hint}")
    try:
        distribution = _range(name, values, recipe) if ".." in values else _choices(name, values)
        dimension = Dimension(name, name not in _SETTINGS, distribution)
        for drawn in _samples(distribution):
            tried = with_drawn(recipe, [dimension], {name: drawn})
            if dimension.of_network:
                summarise(tried.model, tried.contract())
    except click.BadParameter as error:
        raise ValueError(f"{name}: {error.message}") from error
    except (ValueError, ModelError) as error:
        raise ValueError(f"{name}: {error}") from error
    return dimension


def check_effects(space: Sequence[Dimension], recipe: Recipe) -> None:
    """ValueError, with one line, where an option does nothing in the recipe, whichever value another one is given."""
    for of in space:
        why = why_idle(recipe, of.name)
        others = (
            with_drawn(recipe, [other], {other.name: drawn})
            for other in space
            if other is not of
            for drawn in _samples(other.distribution)
        )
        if why is not None and all(why_idle(tried, of.name) for tried in others):
            raise ValueError(f"{of.name}: has no effect on {recipe.name} {why}")


def _range(name: str, text: str, recipe: Recipe) -> FloatDistribution | IntDistribution:
    ends, *suffixes = text.split(":")
    low_text, _, high_text = ends.partition("..")
    whole = _is_whole(name, recipe)
    low, high = _number(name, low_text, whole), _number(name, high_text, whole)
    log = "log" in suffixes
    steps = [suffix.removeprefix("step=") for suffix in suffixes if suffix.startswith("step=")]
    if len(steps) + log != len(suffixes) or len(suffixes) > 1:
        raise ValueError(f"a range may end in :log or :step=S, found {text!r}")
    if not low < high:
        raise ValueError(f"a range must go from low to high, found {ends}")
    if log and low <= 0:
        raise ValueError(f"a range with :log must start above 0, found {ends}")
    step = float(steps[0]) if steps else None
    if step is not None:
        count = (high - low) / step if step > 0 else 0.0
        if count < 1 or abs(count - round(count)) > 1e-6 or (whole and step != int(step)):
            raise ValueError(f"{ends} is not a whole number of steps of {steps[0]}")
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def _is_whole(name: str, recipe: Recipe) -> bool:
    """Whether an option takes whole numbers; ValueError where it takes none at all."""
    if name in _SETTINGS:
        kind = setting_type(_SETTINGS[name])
        if isinstance(kind, click.FloatRange | click.IntRange):
            return isinstance(kind, click.IntRange)
    else:
        of_network = inspect.signature(network_class(recipe.model.name)).parameters[name]
        if "float" in str(of_network.annotation) or "int" in str(of_network.annotation):
            return "float" not in str(of_network.annotation)
    raise ValueError("does not take numbers, so it can't have a range; give choices separated by commas")


def _number(name: str, text: str, whole: bool) -> float:
    kind: click.ParamType = setting_type(_SETTINGS[name]) if name in _SETTINGS else click.INT if whole else click.FLOAT  # type: ignore[type-arg,unused-ignore]
    return float(kind.convert(text.strip(), None, None))


def _choices(name: str, text: str) -> CategoricalDistribution:
    found: list[Any] = []
    for part in _split(text):
        if name in _SETTINGS:
            value = setting_type(_SETTINGS[name]).convert(part, None, None)
        else:
            value = argument_value(part)
        found.append(json.dumps(value) if isinstance(value, list) else value)
    if len({json.dumps(value) for value in found}) < len(found):
        raise ValueError(f"a choice is given twice in {text!r}")
    if len(found) < 2:
        raise ValueError(f"only one value, {text!r}: nothing to search over")
    if any(isinstance(value, dict) for value in found):
        raise ValueError(f"choices must be numbers, words or lists, found {text!r}")
    return CategoricalDistribution(found)


def _split(text: str) -> list[str]:
    """``text`` at its commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _samples(distribution: Distribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        values = range(distribution.low, distribution.high + 1, distribution.step)
        return values if len(values) <= _TRIED_VALUES else (values[0], values[-1])
    return distribution.low, distribution.high
