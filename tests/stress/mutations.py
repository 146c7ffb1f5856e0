"""Damage to files, drawn by a seed: what disks, networks, bad tools and bad people make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["mutated_bytes", "mutated_json"]

HEAD = 4096
_WORDS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000, 0x10_0000)


def mutated_bytes(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The data with one to three kinds of damage, and what they are."""
    kinds = [_BYTE_KINDS[int(at)] for at in rng.integers(len(_BYTE_KINDS), size=rng.choice([1, 1, 1, 2, 2, 3]))]
    for kind in kinds:
        if data:
            data = bytes(kind(bytearray(data), rng))
    return data, ", ".join(kind.__name__ for kind in kinds)


def flipped_bits(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(len(data), size=rng.integers(1, 65)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: rng.integers(len(data))]


def swapped_blocks(data: bytearray, rng: np.random.Generator) -> bytearray:
    size = int(rng.integers(1, max(2, len(data) // 4)))
    one, other = sorted(int(at) * size for at in rng.integers(max(1, len(data) // size), size=2))
    data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]
    return data


def zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    begin, end = _range(len(data), rng)
    data[begin:end] = bytes(end - begin)
    return data


def noise(data: bytearray, rng: np.random.Generator) -> bytearray:
    begin, end = _range(len(data), rng)
    data[begin:end] = rng.bytes(end - begin)
    return data


def repeated(data: bytearray, rng: np.random.Generator) -> bytearray:
    begin, end = _range(len(data), rng)
    return data[:end] + data[begin:]


def removed(data: bytearray, rng: np.random.Generator) -> bytearray:
    begin, end = _range(len(data), rng)
    return data[:begin] + data[end:]


def flipped_head(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Bits of the first or the last kilobytes, where formats keep what they say of themselves."""
    most = min(HEAD, len(data))
    for at in rng.integers(most, size=rng.integers(1, 17)):
        place = int(at) if rng.integers(2) else len(data) - 1 - int(at)
        data[place] ^= 1 << int(rng.integers(8))
    return data


def extreme_numbers(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Sizes, counts and times that are 0, huge or negative."""
    for _ in range(rng.integers(1, 9)):
        size = int(rng.choice([1, 2, 4, 8]))
        most = min(HEAD, len(data)) if rng.integers(2) else len(data)
        at = int(rng.integers(most))
        order = "big" if rng.integers(2) else "little"
        word = int(rng.choice(_WORDS)) & (256**size - 1)
        data[at : at + size] = word.to_bytes(size, order)  # type: ignore[arg-type]
    return data


_BYTE_KINDS: tuple[Callable[[bytearray, np.random.Generator], bytearray], ...] = (
    flipped_bits,
    cut,
    swapped_blocks,
    zeroed,
    noise,
    repeated,
    removed,
    flipped_head,
    flipped_head,
    extreme_numbers,
    extreme_numbers,
)


def _range(size: int, rng: np.random.Generator) -> tuple[int, int]:
    begin = int(rng.integers(size))
    return begin, min(size, begin + int(2 ** rng.uniform(0, np.log2(size + 1))))


def mutated_json(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A JSON text with one of its values replaced, removed, renamed or added to, or with damaged characters."""
    if rng.integers(4) == 0:
        data, what = mutated_bytes(text.encode(), rng)
        return data.decode("utf-8", "replace"), what
    value = json.loads(text)
    places = list(_places(value))
    holder, key = places[int(rng.integers(len(places)))]
    what = str(rng.choice(["replaced", "replaced", "replaced", "removed", "renamed", "wrapped"]))
    if what == "replaced":
        holder[key] = _VALUES[int(rng.integers(len(_VALUES)))]
    elif what == "removed":
        del holder[key]
    elif what == "wrapped":
        holder[key] = [holder[key]]
    elif isinstance(holder, dict):
        holder[f"{key}\n"] = holder.pop(key)
    else:
        holder.append(holder[key])
    told = json.dumps(value).replace('"<deep>"', "[" * 100_000 + "]" * 100_000).replace('"<huge>"', "1" + "0" * 400)
    return told, f"{what} {key!r}"


_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 47, 48, 49, 1024, 1e9, -0.0, 1e-300, 1e308, 2**31, 2**63, 2**64),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "a", "48", "nan", "1e999", "grey", "\n", "\ud800", "\x00", "\x1b[31m", "x" * 100_000),
    *([], {}, [[]], [1], ["a", "b"], {"a": 1}, [None] * 3, [0, 0], [-1, 1, 48, 48]),
    *("<deep>", "<huge>"),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value where a value stands, as its holder and the key or index there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])
