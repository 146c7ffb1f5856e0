"""BlazeFace short range (Bazarevsky et al. 2019) in MediaPipe Tasks: faces within about two metres of a camera."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fer_live.bundled import DETECTOR_BLAZEFACE, asset_path
from fer_live.contract import FER2013_FRAMING, Framing
from fer_live.errors import DeviceError, ModelError
from fer_live.realtime.datatypes import Faces, Floats, Frame
from fer_live.realtime.downscale import downscaled_bgr

from .imported_late import imported_late
from .squares import BoxFraming, face_squares

__all__ = ["BLAZEFACE_BOX", "EYES_PX", "MediaPipeDetector"]

_QUIET_DETECTIONS = 10

BLAZEFACE_BOX = BoxFraming(side=1.18, down=-0.085, aspect=1.0)
_INPUT_PX = 128
"""Longer side of what the network sees."""
EYES_PX = 32
"""Height of a box, in pixels of what the network sees, from which its eyes tell how a face is rolled. Those of smaller
faces are told so roughly that upright ones seem rolled by up to 19 degrees: they are looked at again, enlarged
(docs/framing.md)."""
_AROUND = 2.5
"""Side of what is searched once more around such a face, in heights of its box."""
_LEVEL = np.array([[0, 0], [1, 0]], np.float32)
"""Eyes of a face that is not rolled: what they are taken for is their angle alone."""


class MediaPipeDetector:
    """Finds faces that are large in the frame (the network sees 128 x 128 pixels of it); no mouth corners.

    MediaPipe Tasks sends usage metrics to play.googleapis.com, first a minute after it started, and has no switch for
    that (docs/licences.md). Unless ``allow_metrics``, the environment's HTTPS proxy is one of no known kind while a
    detector is open, so that its client gives up before it opens a connection; other HTTPS clients of the process
    that follow that variable are cut off, too.

    Args:
        detect_size: longer side of the copy that is searched, pixels.
        min_score: faces below this score (0..1) are left out.
        allow_metrics: let MediaPipe send them.
        weights: another BlazeFace file; None means the bundled one.
        framing: the square that the classifier's contract names.

    Raises:
        DeviceError: the package mediapipe is not installed or does not load.
        ModelError: the weights are missing or MediaPipe cannot load them.
    """

    name = "mediapipe"

    def __init__(
        self,
        detect_size: int = 640,
        min_score: float = 0.5,
        allow_metrics: bool = False,
        weights: Path | None = None,
        framing: Framing = FER2013_FRAMING,
    ) -> None:
        path = weights or asset_path(DETECTOR_BLAZEFACE)
        self.detect_size = detect_size
        self._framing = framing
        self._closed = False
        with _silent_stderr():
            tasks = _import_tasks()
            self._no_uploads = not allow_metrics
            if self._no_uploads:
                _DeadProxy.acquire()
            try:
                options = tasks.FaceDetectorOptions(
                    base_options=tasks.BaseOptions(model_asset_path=str(path)), min_detection_confidence=min_score
                )
                self._detector = tasks.FaceDetector.create_from_options(options)
                self._image = tasks.Image
                self._format = tasks.ImageFormat.SRGB
                self._quiet_detections = _QUIET_DETECTIONS
                atexit.register(self._abandon)
            except Exception as error:  # MediaPipe raises ValueError, RuntimeError and OSError alike
                self._release()
                reason = " ".join(str(error).split())
                raise ModelError(f"{path}: MediaPipe cannot load the face detector: {reason}") from error

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        """The faces of a frame, surest first."""
        small = downscaled_bgr(frame, detect_size or self.detect_size, 2)
        rgb = np.ascontiguousarray(small.image[:, :, ::-1])
        xyxy, eyes, score = self._search(rgb)
        if not len(score):
            return Faces.empty()
        unclear = (xyxy[:, 3] - xyxy[:, 1]) * _INPUT_PX < EYES_PX * max(rgb.shape[:2])
        for row in np.flatnonzero(unclear):
            eyes[row] = self._eyes_again(rgb, xyxy[row])
        xyxy, eyes = xyxy * np.tile(small.factors_xy, 2), eyes * small.factors_xy
        return Faces(xyxy, score, face_squares(xyxy, eyes, BLAZEFACE_BOX, self._framing))

    def _search(self, rgb: NDArray[np.uint8]) -> tuple[Floats, Floats, Floats]:
        """Boxes (N, 4), eyes (N, 2, 2), both in pixels of an image, and scores (N,), surest first."""
        # MediaPipe's native code warns once, of buffers that it aligns anew, at one of its first images.
        self._quiet_detections = max(0, self._quiet_detections - 1)
        with _silent_stderr() if self._quiet_detections else nullcontext():
            found = self._detector.detect(self._image(self._format, rgb)).detections
        found.sort(key=lambda face: -face.categories[0].score)
        score = np.array([face.categories[0].score for face in found], np.float32)
        boxes = [face.bounding_box for face in found]
        xywh = np.array([[box.origin_x, box.origin_y, box.width, box.height] for box in boxes], np.float32)
        xywh = xywh.reshape(-1, 4)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        eyes = np.array([[[eye.x, eye.y] for eye in face.keypoints[:2]] for face in found], np.float32)
        return xyxy, eyes.reshape(-1, 2, 2) * np.array([rgb.shape[1], rgb.shape[0]], np.float32), score

    def _eyes_again(self, rgb: NDArray[np.uint8], box: Floats) -> Floats:
        """Eyes (2, 2) of a face that is small in an image, in its pixels, by a search around its box (4,) alone.

        Level ones where the face is not found there.
        """
        centre, height = (box[:2] + box[2:]) / 2, float(box[3] - box[1])
        left, top = np.maximum(0, centre - _AROUND / 2 * height).astype(int)
        right, bottom = np.ceil(centre + _AROUND / 2 * height).astype(int)
        xyxy, eyes, _ = self._search(np.ascontiguousarray(rgb[top:bottom, left:right]))
        off = np.linalg.norm((xyxy[:, :2] + xyxy[:, 2:]) / 2 + (left, top) - centre, axis=1)
        if not len(off) or off.min() > height / 3:
            return _LEVEL
        return np.asarray(eyes[off.argmin()] + (left, top), np.float32)

    def close(self) -> None:
        """Let go of MediaPipe's graph."""
        if not self._closed:
            self._closed = True
            atexit.unregister(self._abandon)
            with _silent_stderr():
                self._detector.close()
            self._release()

    def _abandon(self) -> None:
        """At the interpreter's end, when MediaPipe has no threads to close by any more: without its traceback."""
        self._detector._handle = None  # neither its close() nor its finaliser does anything then

    def _release(self) -> None:
        if self._no_uploads:
            _DeadProxy.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Tasks:
    """The few names of MediaPipe that are used here."""

    def __init__(self) -> None:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision.core.image import Image, ImageFormat
        from mediapipe.tasks.python.vision.face_detector import FaceDetector, FaceDetectorOptions

        self.BaseOptions: Any = BaseOptions
        self.FaceDetector: Any = FaceDetector
        self.FaceDetectorOptions: Any = FaceDetectorOptions
        self.Image: Any = Image
        self.ImageFormat: Any = ImageFormat


def _import_tasks() -> _Tasks:
    try:
        # It would take more than a second and leave a folder of settings and a list of fonts in the user's home.
        with imported_late("matplotlib", "pyplot"):
            return _Tasks()
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"--detector mediapipe: MediaPipe does not load ({error}): pip install 'fer-live[mediapipe]'"
        ) from error


class _DeadProxy:
    """While anybody holds it, HTTPS clients of this process are sent to a proxy that they cannot use.

    libcurl, which MediaPipe has inside, refuses a proxy of a scheme that it does not know, and then opens no socket at
    all; a dead port of this machine would be asked for a connection.
    """

    _VALUES: ClassVar[dict[str, str]] = {
        "https_proxy": "none://nowhere",
        "HTTPS_PROXY": "none://nowhere",
        # An exception from the proxy would open the way again.
        "no_proxy": "",
        "NO_PROXY": "",
    }
    _lock = threading.Lock()
    _holders = 0
    _before: ClassVar[dict[str, str | None]] = {}

    @classmethod
    def acquire(cls) -> None:
        with cls._lock:
            cls._holders += 1
            if cls._holders == 1:
                cls._before = {name: os.environ.get(name) for name in cls._VALUES}
                os.environ.update(cls._VALUES)

    @classmethod
    def release(cls) -> None:
        with cls._lock:
            cls._holders -= 1
            if cls._holders == 0:
                for name, value in cls._before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """MediaPipe's native log lines go nowhere; they precede every way to set its log level."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
