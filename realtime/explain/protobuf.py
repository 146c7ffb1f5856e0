"""Fields of a serialised protobuf message, read and written one by one.

An ONNX file is one such message. Whoever only runs models has no ``onnx`` package; what is wanted of the file here,
the names in its graph, takes these few lines (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fer_live.errors import ModelError

__all__ = ["Field", "fields", "integer", "message"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Field(NamedTuple):
    """A field: its number, its payload (of a string, bytes or a message what it holds), and the whole of it."""

    number: int
    payload: memoryview
    raw: memoryview

    @property
    def text(self) -> str:
        """Of a string.

        Raises:
            ModelError: it is none.
        """
        try:
            return str(self.payload, "utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"not an ONNX file: a name that is no text: {error}") from error


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises:
        ModelError: it ends in the middle of a field, or has one of no known kind.
    """
    end = 0
    while (begin := end) < len(data):
        key, start = _varint(data, begin)
        kind = key & 7
        if kind == _VARINT:
            _, end = _varint(data, start)
        elif kind == _BYTES:
            length, start = _varint(data, start)
            end = start + length
        elif kind in (_FIXED32, _FIXED64):
            end = start + (4 if kind == _FIXED32 else 8)
        else:
            raise ModelError(f"not an ONNX file: a field of kind {kind} at byte {begin}")
        if end > len(data):
            raise ModelError(f"not a whole ONNX file: a field of {end - start} bytes at byte {start} of {len(data)}")
        yield Field(key >> 3, data[start:end], data[begin:end])


def message(number: int, payload: bytes | memoryview) -> bytes:
    """A field that holds a string, bytes or a message."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """A field that holds an integer of 0 and more."""
    return _encoded(number << 3 | _VARINT) + _encoded(value)


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """An integer in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for turn, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * turn
        if byte < 0x80:
            return value, place + turn + 1
    raise ModelError(f"not a whole ONNX file: a number without an end at byte {place}")


def _encoded(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
