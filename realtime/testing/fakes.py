"""Stand-ins for cameras, sources, detectors, classifiers and sinks, and clips to feed them, for tests.

Each stand-in can fail on purpose: give it ``error``, and it raises that when it meets frame ``error_at``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, Contract, Head
from fer_live.realtime.datatypes import Expressions, Faces, Frame, Predictions, Result, SourceInfo
from fer_live.realtime.source_state import SourceState

from .clips import LEAST_WIDTH, make_clip, make_frame, read_index

__all__ = [
    "FakeCapture",
    "FakeClassifier",
    "FakeDetector",
    "ListSink",
    "ListSource",
    "grey_frame",
    "make_clip",
    "make_frame",
    "make_result",
    "read_index",
    "shifted",
]


def make_result(frame: Frame) -> Result:
    """A result without faces for ``frame``."""
    none = Predictions(np.zeros((0, len(FER2013_LABELS)), np.float32), FER2013_LABELS)
    return Result(frame, Faces.empty(), np.zeros(0, np.int64), Expressions.of(none), {})


def grey_frame(grey: NDArray[np.uint8], index: int = 0, time_s: float | None = None) -> Frame:
    """A frame without colour of grey (H, W) uint8; its time is that of 25 frames a second where none is given."""
    chroma = np.full(((grey.shape[0] + 1) // 2, (grey.shape[1] + 1) // 2), 128, np.uint8)
    time_s = index / 25 if time_s is None else time_s
    return Frame(np.ascontiguousarray(grey), chroma, chroma.copy(), index, time_s)


def shifted(
    grey: NDArray[np.uint8], shift_xy: tuple[float, float], scale: float = 1.0, about_xy: tuple[float, float] = (0, 0)
) -> NDArray[np.uint8]:
    """A picture moved by pixels, after it was scaled about a point; mirrored where it has no more."""
    x, y = about_xy
    matrix = np.array([[scale, 0, x + shift_xy[0] - scale * x], [0, scale, y + shift_xy[1] - scale * y]])
    return cv2.warpAffine(grey, matrix, grey.shape[::-1], borderMode=cv2.BORDER_REFLECT).astype(np.uint8)


class _Failing:
    def __init__(self, error: BaseException | None, error_at: int) -> None:
        self._error = error
        self._error_at = error_at
        self.closed = False

    def _meet(self, index: int) -> None:
        if self._error is not None and index == self._error_at:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class ListSource(_Failing):
    """A source of given frames; ``info`` follows from the first of them where it is None."""

    def __init__(
        self,
        frames: Sequence[Frame],
        info: SourceInfo | None = None,
        *,
        error: BaseException | None = None,
        error_at: int = 0,
    ) -> None:
        super().__init__(error, error_at)
        self._frames = frames
        self._stopped = False
        if info is None:
            size_wh = frames[0].size_wh if frames else (LEAST_WIDTH, LEAST_WIDTH)
            info = SourceInfo("list", size_wh, Fraction(25), len(frames), is_live=False)
        self.info = info

    @property
    def state(self) -> SourceState:
        """A list is never lost."""
        return SourceState()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing goes wrong without an error."""
        return ()

    def stop(self) -> None:
        """End the iteration after the frame at hand."""
        self._stopped = True

    def __iter__(self) -> Iterator[Frame]:
        for position, frame in enumerate(self._frames):
            if self._stopped:
                return
            self._meet(position)
            yield frame
        self._meet(len(self._frames))


class FakeCapture:
    """A stand-in for ``cv2.VideoCapture``: give ``CameraSource`` ``open_capture=lambda index: FakeCapture(images)``.

    ``images``: (H, W, 3) uint8 BGR, one a grab; when they end, grabbing fails as of a camera that was unplugged.
    ``opened``: whether the device opens. ``settings``: what was asked of it; ``fps``: what it says. ``gate``: images
    after the first, which tells a camera source the size, wait for it; without one they come at once.
    """

    def __init__(
        self,
        images: Iterable[NDArray[np.uint8]] = (),
        *,
        opened: bool = True,
        fps: float = 30.0,
        gate: threading.Event | None = None,
    ) -> None:
        self._images = iter(images)
        self._image: NDArray[np.uint8] | None = None
        self._opened = opened
        self._fps = fps
        self._gate = gate
        self.settings: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:
        """As of ``cv2.VideoCapture``, like the rest."""
        return self._opened and not self.released

    def set(self, propId: int, value: float, /) -> bool:
        """Note a setting."""
        self.settings[propId] = value
        return True

    def get(self, propId: int, /) -> float:
        """The rate, whatever was asked: a camera source asks for nothing else."""
        return self._fps

    def grab(self) -> bool:
        """Step to the next image."""
        if self._gate is not None and self._image is not None:
            self._gate.wait()
        self._image = next(self._images, None)
        return self._image is not None

    def retrieve(self) -> tuple[bool, Any]:
        """The image grabbed last."""
        return self._image is not None, self._image

    def release(self) -> None:
        """Let go of the device."""
        self.released = True


class FakeDetector(_Failing):
    """Finds the faces it was told: always the same, or what a function says of a frame."""

    name = "fake"
    detect_size = 640

    def __init__(
        self,
        faces: Faces | Callable[[Frame], Faces] | None = None,
        *,
        error: BaseException | None = None,
        error_at: int = 0,
    ) -> None:
        super().__init__(error, error_at)
        self._faces = Faces.empty() if faces is None else faces

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        """The faces; fails at the frame whose index is ``error_at``."""
        self._meet(frame.index)
        return self._faces if isinstance(self._faces, Faces) else self._faces(frame)


class FakeClassifier(_Failing):
    """Says what a function makes of crops: (N, 1, S, S) uint8 in, probabilities (N, C) float32 out.

    Without a function every label is as likely. ``contract``: None for one like FER2013's, crops of 48 pixels.
    ``batches``: how many crops each call had; the call numbered ``error_at`` fails.
    """

    provider = "fake"

    def __init__(
        self,
        contract: Contract | None = None,
        function: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None,
        *,
        error: BaseException | None = None,
        error_at: int = 0,
    ) -> None:
        super().__init__(error, error_at)
        if contract is None:
            contract = Contract((Head("fer2013", FER2013_LABELS),), FER2013_FRAMING, mean=0.5, std=0.25)
        self.contract = contract
        self._function = function
        self.batches: list[int] = []

    def classify(self, crops: NDArray[np.uint8]) -> Predictions:
        """Predictions for ``crops``."""
        self._meet(len(self.batches))
        self.batches.append(len(crops))
        labels = self.contract.labels
        if self._function is not None:
            return Predictions(self._function(crops), labels)
        return Predictions(np.full((len(crops), len(labels)), 1 / len(labels), np.float32), labels)


class ListSink(_Failing):
    """Keeps what it is given in ``results``; ``finished`` tells whether the output was completed."""

    def __init__(self, *, needs_pixels: bool = False, error: BaseException | None = None, error_at: int = 0) -> None:
        super().__init__(error, error_at)
        self.needs_pixels = needs_pixels
        self.results: list[Result] = []
        self.finished = False

    def write(self, result: Result) -> None:
        """Keep ``result``; fails at the frame whose index is ``error_at``."""
        self._meet(result.frame.index)
        self.results.append(result)

    def finish(self) -> None:
        """Note that the output is complete."""
        self.finished = True
