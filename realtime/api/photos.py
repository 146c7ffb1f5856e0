"""``fer_live.Photos``: photos one by one, for programs that get them from elsewhere."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fer_live.realtime.datatypes import Detector, SourceInfo
from fer_live.realtime.engine_options import open_models
from fer_live.realtime.photos.photo import analyse_photo, open_head_detector
from fer_live.realtime.photos.picture import MOST_PIXELS

from .options import run_options
from .results import Result

__all__ = ["Photos"]

_log = logging.getLogger("fer_live")
_NOT_HERE = ("camera", "video", "image", "screen", "out", "save", "events", "report", "trace")


class Photos:
    """Finds and reads the faces of photos, with models that are opened once. A context manager; from any thread.

    Args:
        most_pixels: a larger picture is refused before it is decoded.
        options: as of ``fer-live --image``: ``model``, ``detector``, ``detect_size``, ``device``, ``threads``,
            ``verify_eyes``, ``anonymise``.

    Raises:
        FerLiveError: a model cannot be opened.
        TypeError: there is no such option.
        ValueError: a value is not possible, or the option is about a video.
    """

    def __init__(self, *, most_pixels: int = MOST_PIXELS, **options: Any) -> None:
        asked = run_options("Photos", options, without=_NOT_HERE, photos=True)
        self._view, self._finest_px, self._most_pixels = asked.view, asked.engine.detect_size, most_pixels
        self._lock = threading.Lock()
        with ExitStack() as stack:
            info = SourceInfo("photos", (1, 1), None, None, is_live=False)
            self._detector, self._classifier = open_models(asked.engine, info, stack, _log.info)
            self._heads: Detector | None = None
            if asked.view.anonymise is not None:
                self._heads = stack.enter_context(open_head_detector())
            self._stack: ExitStack | None = stack.pop_all()

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's expressions, in the order of :attr:`~fer_live.Face.probabilities`."""
        return self._classifier.contract.labels

    def read(self, picture: str | os.PathLike[str] | bytes | NDArray[np.uint8], *, name: str | None = None) -> Result:
        """Find and read every face of a photo; of the same photo always the same.

        Args:
            picture: an image file, the bytes of one, or pixels (H, W, 3) uint8 RGB.
            name: for messages and the result; None for the path.

        Raises:
            SourceError: it cannot be read, is no picture, or is too large.
            ValueError: pixels of another shape or type, or this was closed.
        """
        given = picture if isinstance(picture, bytes | np.ndarray) else Path(picture)
        if isinstance(given, np.ndarray):
            if given.ndim != 3 or given.shape[2] != 3 or given.dtype != np.uint8:
                raise ValueError(f"pixels must be (H, W, 3) uint8 RGB, found {given.shape} {given.dtype}")
            given = np.ascontiguousarray(given[:, :, ::-1])
        with self._lock:
            if self._stack is None:
                raise ValueError("these Photos were closed")
            photo = analyse_photo(
                given,
                self._detector,
                self._classifier,
                name=name,
                finest_px=self._finest_px,
                most_pixels=self._most_pixels,
                head_detector=self._heads,
            )
        return Result(photo.name, photo.result, self._view, photo=photo)

    def close(self) -> None:
        """Let go of the models; any number of times."""
        with self._lock:
            if self._stack is not None:
                self._stack.close()
            self._stack = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
