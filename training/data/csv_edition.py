"""FER2013 as a csv: the official edition, and the ICML one, whose columns have other orders and blanks."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_LABELS
from fer_live.errors import DataError

from .official import SIDE, Usage

__all__ = ["read_csv"]


def read_csv(
    path: Path, tick: Callable[[int], None]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8] | None]:
    """Images (N, 48, 48), expressions (N,), and usages (N,) where the file has them.

    Raises:
        DataError: no csv of FER2013, or a bad row; the message names its line.
    """
    images: list[NDArray[np.uint8]] = []
    expression: list[int] = []
    usage: list[int] = []
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        for line, (label, pixels, split) in _rows(path, file):
            try:
                expression.append(_expression(label))
                if split is not None:
                    usage.append(_usage(split))
                images.append(_pixels(pixels))
            except ValueError as error:
                raise DataError(f"{path}: line {line}: {error}") from error
            if len(images) % 1000 == 0:
                tick(len(images))
    if not images:
        raise DataError(f"{path}: no images in it")
    return np.stack(images), np.array(expression, np.int64), np.array(usage, np.uint8) if usage else None


def _rows(path: Path, file: IO[str]) -> Iterator[tuple[int, tuple[str, str, str | None]]]:
    """(line number, (emotion, pixels, usage or None)) of each row."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(file)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not {"emotion", "pixels"} <= set(header):
            raise DataError(f"{path}: expected the columns emotion, pixels and Usage, found {','.join(header)[:80]!r}")
        emotion, pixels = header.index("emotion"), header.index("pixels")
        usage = header.index("usage") if "usage" in header else None
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(f"{path}: line {reader.line_num}: expected {len(header)} columns, found {len(row)}")
            yield reader.line_num, (row[emotion], row[pixels], None if usage is None else row[usage].strip())
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not csv: {error}") from error


def _expression(text: str) -> int:
    label = _whole(text)
    if label is None or not 0 <= label < len(FER2013_LABELS):
        raise ValueError(f"emotion must be a whole number 0..{len(FER2013_LABELS) - 1}, found {text.strip()[:20]!r}")
    return label


def _usage(text: str) -> int:
    if text not in Usage.__members__:
        raise ValueError(f"Usage must be one of {', '.join(Usage.__members__)}, found {text[:20]!r}")
    return Usage[text]


def _pixels(text: str) -> NDArray[np.uint8]:
    words = text.split()
    if len(words) != SIDE * SIDE:
        raise ValueError(f"expected {SIDE * SIDE} pixels, found {len(words)}")
    try:
        values = np.array(words, np.int32)
        if 0 <= values.min() and values.max() <= 255:
            return values.astype(np.uint8).reshape(SIDE, SIDE)
    except (ValueError, OverflowError):
        pass  # told below, with the pixel
    number = next(place for place, word in enumerate(words) if _whole(word) not in range(256))
    raise ValueError(f"pixels must be whole numbers 0..255, pixel {number + 1} is {words[number][:20]!r}")


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
