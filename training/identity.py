"""In what a run or a search that a folder holds differs from the one that is asked for, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["difference"]

_SHOWN = 4
"""Values of a part that are told; the number of the others is."""

_PARTS = {
    "heads": "other heads",
    "train": "other options",
    "search": "other options of the search",
    "search space": "another search space",
}
_WITHIN = {"teachers": "teachers", "start": "weights to start from"}


def difference(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What ``saved`` has that ``wanted`` has not: "other options: epochs 1, not 2"; nothing where they are alike.

    Args:
        saved: the identity that was written down, JSON values; an older one may lack some.
        wanted: the identity that is asked for, JSON values.
    """
    if saved.get("recipe") != wanted.get("recipe"):  # all else follows from it
        return f"another recipe: {saved.get('recipe')}, not {wanted.get('recipe')}"
    names = [*wanted, *(name for name in saved if name not in wanted)]
    return " and ".join(
        _part(name, saved.get(name), wanted.get(name)) for name in names if saved.get(name) != wanted.get(name)
    )


def _part(name: str, saved: Any, wanted: Any) -> str:
    if name in _WITHIN:
        return f"{'other' if saved and wanted else 'no' if wanted else ''} {_WITHIN[name]}".strip()
    if name == "data":
        return _data(saved or {}, wanted or {})
    if name == "model" and isinstance(saved, Mapping) and saved.get("name") == wanted["name"]:
        return f"another network: {_values(saved.get('arguments') or {}, wanted['arguments'])}"
    if name == "model":
        return f"another network: {(saved or {}).get('name')}, not {wanted['name']}"
    kind = _PARTS.get(name, f"another {name}")
    if name == "search space":
        saved, wanted = ({key: _range(text) for key, text in space.items()} for space in (saved or {}, wanted))
    if isinstance(saved, Mapping) and isinstance(wanted, Mapping):
        return f"{kind}: {_values(saved, wanted)}"
    return f"{kind}: {_told(saved)}, not {_told(wanted)}"


def _data(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    counts = [f"{part['images']:,}" if "images" in part else "unknown" for part in (saved, wanted)]
    if counts[0] == counts[1]:
        return f"other data: {counts[0]} images too, but not the same ones"
    return f"other data: {counts[0]} images, not {counts[1]}"


def _values(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    names = [*wanted, *(name for name in saved if name not in wanted)]
    different = [name for name in names if name not in saved or name not in wanted or saved[name] != wanted[name]]
    told = [f"{name} {_told(saved.get(name))}, not {_told(wanted.get(name))}" for name in different[:_SHOWN]]
    more = [f"{len(different) - _SHOWN} more"] if len(different) > _SHOWN else []
    return "; ".join([*told, *more])


def _range(distribution: str) -> str:
    """A distribution of Optuna's in JSON as ``--over`` has it."""
    about = json.loads(distribution)["attributes"]
    if "choices" in about:
        return _told(about["choices"])
    step = f":step={about['step']:g}" if about["step"] is not None else ""
    return f"{about['low']:g}..{about['high']:g}{':log' if about['log'] else step}"


def _told(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
