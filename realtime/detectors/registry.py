"""The face detectors by name. All take a frame of any size and give full-frame pixels and the contract's squares."""

from __future__ import annotations

from fer_live.contract import FER2013_FRAMING, Framing
from fer_live.realtime.datatypes import Detector

__all__ = ["DETECTORS", "create_detector"]

DETECTORS = ("yunet", "mediapipe", "haar")
"""Names for :func:`create_detector`, the default first."""


def create_detector(
    name: str = "yunet",
    *,
    detect_size: int = 640,
    min_score: float | None = None,
    verify_eyes: bool | None = None,
    allow_metrics: bool = False,
    framing: Framing = FER2013_FRAMING,
) -> Detector:
    """Open a detector.

    Args:
        name: one of :data:`DETECTORS`.
        detect_size: longer side in pixels of the small copy that is searched, at least 32. Faces of 10 px on the
            copy are found by YuNet; twice the size costs four times the work.
        min_score: faces below this score (0..1) are left out; None means the detector's own default.
        verify_eyes: keep a face only where eyes are found in it; None means for ``haar`` alone.
        allow_metrics: let MediaPipe send its usage metrics (``mediapipe`` alone).
        framing: the face square that the classifier's contract names.

    Raises:
        ValueError: an unknown name or a value out of range.
        ModelError: weights are missing or cannot be loaded.
        DeviceError: the package that the detector needs is not installed.
    """
    if name not in DETECTORS:
        raise ValueError(f"detector must be one of {', '.join(DETECTORS)}, found {name!r}")
    if detect_size < 32:
        raise ValueError(f"detect_size must be at least 32 pixels, found {detect_size}")
    if min_score is not None and not 0 <= min_score <= 1:
        raise ValueError(f"min_score must be 0..1, found {min_score}")
    detector = _open(name, detect_size, min_score, allow_metrics, framing)
    if name == "haar" if verify_eyes is None else verify_eyes:
        from .haar import EyeVerifier

        return EyeVerifier(detector)
    return detector


def _open(name: str, detect_size: int, min_score: float | None, allow_metrics: bool, framing: Framing) -> Detector:
    # Each import costs what its library does; only the chosen one is paid.
    if name == "haar":
        from .haar import HaarDetector

        return HaarDetector(detect_size, 0.0 if min_score is None else min_score, framing)
    if name == "mediapipe":
        from .blazeface import MediaPipeDetector

        score = 0.5 if min_score is None else min_score
        return MediaPipeDetector(detect_size, score, allow_metrics, framing=framing)
    from .yunet import YuNetDetector

    return YuNetDetector(detect_size, 0.7 if min_score is None else min_score, framing=framing)
