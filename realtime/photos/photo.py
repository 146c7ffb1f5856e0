"""A still picture with all that was found in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from fer_live.preprocess import crop_faces
from fer_live.realtime.colour import planes_from_bgr
from fer_live.realtime.datatypes import Classifier, Detector, Expressions, Faces, Frame, Result
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.labels.quality import measure
from fer_live.realtime.labels.smoothing import Smoother
from fer_live.realtime.tracking.heads import LEAST_SCORE, HeadFinder

from .picture import MOST_PIXELS, Pixels, read_picture
from .search import find_faces

__all__ = ["Photo", "analyse_photo", "open_head_detector"]


@dataclass(frozen=True, slots=True)
class Photo:
    """``name``: for messages and rows. ``image``: (H, W, 3) uint8 BGR, sRGB, upright, nothing drawn on it.
    ``result``: what was found, of the same pixels as a :class:`~fer_live.realtime.datatypes.Frame`.
    """

    name: str
    image: Pixels
    result: Result

    @property
    def faces(self) -> Faces:
        """From left to right; pixels of ``image``."""
        return self.result.faces

    @property
    def expressions(self) -> Expressions:
        """Of those faces: every one read, nothing smoothed."""
        return self.result.expressions


def analyse_photo(
    picture: Path | bytes | Pixels,
    detector: Detector,
    classifier: Classifier,
    *,
    name: str | None = None,
    index: int = 0,
    first_number: int = 1,
    finest_px: int | None = None,
    most_pixels: int = MOST_PIXELS,
    head_detector: Detector | None = None,
) -> Photo:
    """Find and read every face of a picture; of the same picture always the same. From one thread at a time.

    Args:
        picture: an image file, its bytes, or pixels (H, W, 3) uint8 BGR.
        detector: finds the faces, at several scales (:func:`~.search.find_faces`).
        classifier: reads them.
        name: for messages and rows; None for the path.
        index: number of the picture among several, the frame's index.
        first_number: the faces get this and the next numbers as their track ids, from left to right.
        finest_px: longer side of the finest copy that is searched; None: the picture's own.
        most_pixels: a larger picture is refused.
        head_detector: finds faces of low scores, too (:func:`open_head_detector`), which are to be covered; None where
            faces are shown.

    Raises:
        SourceError: see :func:`~.picture.read_picture`.
        ModelError, DeviceError: the classifier failed.
        ValueError: pixels of another shape or type.
    """
    grabbed_s = time.perf_counter()
    if isinstance(picture, np.ndarray):
        name, image = name or "picture", picture
    else:
        name = name or (str(picture) if isinstance(picture, Path) else "picture")
        image = read_picture(picture, name, most_pixels=most_pixels)
    frame = Frame(*planes_from_bgr(image), index, 0.0)
    read_s = time.perf_counter()
    faces = find_faces(detector, frame, finest_px)
    crops = crop_faces(frame.y, faces.squares, classifier.contract, limited_range=frame.limited_range)
    found_s = time.perf_counter()
    raw = classifier.classify(crops)
    # Every photo begins anew: what a smoother says of faces that it sees for the first time, doubts included.
    smoother = Smoother(classifier.contract.labels, enabled=False)
    numbers = np.arange(first_number, first_number + len(faces), dtype=np.int64)
    quality = measure(crops, faces.squares, faces.keypoints)
    expressions = smoother.update(0.0, numbers, np.arange(len(faces)), raw, quality)
    heads = None
    if head_detector is not None:
        framing = classifier.contract.framing
        heads = HeadFinder(_AtEveryScale(head_detector), framing).update(frame, faces)
    spent_s = {"read": read_s - grabbed_s, "detect": found_s - read_s, "classify": time.perf_counter() - found_s}
    latency_ms = {stage: 1e3 * seconds for stage, seconds in spent_s.items()}
    return Photo(name, image, Result(frame, faces, numbers, expressions, latency_ms, grabbed_s, heads=heads))


def open_head_detector() -> Detector:
    """What finds all that may be a head, to be covered, whichever detector finds the faces that are labelled."""
    return create_detector("yunet", min_score=LEAST_SCORE)


class _AtEveryScale:
    """A detector that searches photos as :func:`~.search.find_faces` does, at full resolution; all that may be a face
    counts, for better one too many is covered than one too few.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.name, self.detect_size = detector.name, detector.detect_size

    def detect(self, frame: Frame, detect_size: int | None = None, known: Faces | None = None) -> Faces:
        return find_faces(self._detector, frame, detect_size, doubtful=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
