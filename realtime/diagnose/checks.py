"""What ``fer-live doctor`` and ``fer-live selftest`` look at, in order, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

from .findings import Mark
from .isolation import Check

__all__ = ["SELFTEST_CHECKS", "doctor_checks"]

_DETECTORS = ("yunet", "mediapipe", "haar")
_CODECS = ("h264", "av1", "vp9")
_DRIVER_LIMIT_S = 120.0  # the first start of CUDA and cuDNN from a cold disk takes its time
_CAMERA_LIMIT_S = 30.0

SELFTEST_CHECKS = (
    *(Check("Self-test", name, ".selftest:run", {"detector": name}) for name in _DETECTORS),
    Check("Self-test", "models", ".selftest:models", limit_s=_DRIVER_LIMIT_S),
    Check("Self-test", "read", ".selftest:clip"),
)


def doctor_checks(model: Path | None) -> list[Check]:
    """The checks; ``model``: one of the user's, None for none."""
    own = [Check("Models", "--model", ".models:own", {"path": str(model)})] if model is not None else []
    return [
        Check("Packages", "cv2", ".display:opencv"),
        Check("Cameras", "cameras", ".cameras:cameras", limit_s=_CAMERA_LIMIT_S, if_broken=Mark.WARNING),
        Check("Display", "window", ".display:window", if_broken=Mark.WARNING),
        Check("GPU and providers", "gpu", ".providers:gpu", limit_s=_CAMERA_LIMIT_S, if_broken=Mark.WARNING),
        Check("GPU and providers", "cpu", ".providers:cpu"),
        Check("GPU and providers", "cuda", ".providers:cuda", limit_s=_DRIVER_LIMIT_S, if_broken=Mark.WARNING),
        Check("GPU and providers", "others", ".providers:others", if_broken=Mark.NOTE),
        Check("Models", "bundled files", ".models:bundled"),
        *own,
        Check("Detectors", "yunet", ".models:detector", {"name": "yunet"}),
        Check("Detectors", "mediapipe", ".models:detector", {"name": "mediapipe"}, if_broken=Mark.WARNING),
        Check("Detectors", "haar", ".models:detector", {"name": "haar"}, if_broken=Mark.WARNING),
        Check("Video files", "read", ".codecs:decoders"),
        *(
            Check("Video files", f"write {codec}", ".codecs:encoder", {"codec": codec}, if_broken=Mark.WARNING)
            for codec in _CODECS
        ),
    ]
