"""FER2013 as a folder of images: train/ and test/ with a folder for each expression."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_LABELS
from fer_live.errors import DataError
from fer_live.files import system_errors_as

from .official import SIDE

__all__ = ["read_folders"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_JPEG, _SCAN, _END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
"""Markers of JPEG (ITU-T T.81, B.1.1.3): the start of the file, of a scan, and the file's end."""


def read_folders(
    path: Path, tick: Callable[[int], None]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Images (N, 48, 48), expressions (N,), and whether each stands in test/ (N,).

    Raises:
        DataError: a folder is not there, or a file is no such image or cut short; the message names it.
    """
    images: list[NDArray[np.uint8]] = []
    expression: list[int] = []
    is_test: list[bool] = []
    for split in ("train", "test"):
        for label, name in enumerate(FER2013_LABELS):
            folder = path / split / name
            if not folder.is_dir():
                raise DataError(
                    f"{path}: lacks the folder {split}/{name}; expected train/ and test/ with 7 folders each"
                )
            for file in sorted(folder.iterdir()):
                if file.suffix.lower() not in _SUFFIXES:
                    continue
                images.append(_read_image(file))
                expression.append(label)
                is_test.append(split == "test")
                if len(images) % 1000 == 0:
                    tick(len(images))
    if not images:
        raise DataError(f"{path}: no images in train/ and test/")
    return np.stack(images), np.array(expression, np.int64), np.array(is_test)


def _read_image(file: Path) -> NDArray[np.uint8]:
    with system_errors_as(DataError, file):
        data = file.read_bytes()
    # libjpeg fills up what is missing with grey and only murmurs. In a scan's data 0xFF never stands before these.
    if data.startswith(_JPEG) and data.rfind(_END) < data.rfind(_SCAN):
        raise DataError(f"{file}: cut short, a JPEG of {len(data):,} bytes without its end; copy it again")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if image is None or image.shape != (SIDE, SIDE):
        found = "no image" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise DataError(f"{file}: expected a {SIDE}x{SIDE} image, found {found}")
    return np.asarray(image, np.uint8)
