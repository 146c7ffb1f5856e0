"""The run manifest: how the data came about, beside each file of them."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from fer_live import __version__
from fer_live.files import replacing
from fer_live.machine import version_of
from fer_live.realtime.datatypes import Detector, Frame, SourceInfo
from fer_live.realtime.inference.classifier import OnnxClassifier

__all__ = ["MANIFEST_VERSION", "ExitState", "change_fact", "manifest_path", "now_utc", "run_facts", "write_manifest"]

MANIFEST_VERSION = 1
_LIBRARIES = ("av", "numpy", "onnxruntime", "onnxruntime-gpu", "opencv-python", "mediapipe", "pillow", "pyarrow")


class ExitState(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    """At the end of its input."""

    INTERRUPTED = "interrupted"
    """By Ctrl-C, SIGTERM, a closed terminal or q; every row until then is there."""

    FAILED = "failed"
    """By an error."""


def now_utc() -> str:
    """The present, ISO 8601 in UTC to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def run_facts(
    info: SourceInfo, classifier: OnnxClassifier, detector: Detector, options: dict[str, Any]
) -> dict[str, Any]:
    """What is known of a run before its first frame, as JSON values.

    ``changes``, ``pauses`` and ``comparison`` are filled in later.

    Args:
        info: of the source.
        classifier: names its model and contract.
        detector: that finds the faces.
        options: the engine's, as asked for; None where it chooses for itself.
    """
    return {
        "manifest_version": MANIFEST_VERSION,
        "fer_live": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version for name in _LIBRARIES if (version := version_of(name)) is not None},
        "model": {
            "file": classifier.path.name,
            "sha256": classifier.sha256,
            "contract": json.loads(classifier.contract.to_json()),
            "provider": classifier.provider,
        },
        "detector": {"name": detector.name, "detect_size_px": detector.detect_size},
        "options": {name: _without_folders(value) for name, value in options.items()},
        "source": {
            "name": info.name,
            "width_px": info.size_wh[0],
            "height_px": info.size_wh[1],
            "fps": None if info.fps is None else str(info.fps),
            "frame_count": info.frame_count,
            "is_live": info.is_live,
        },
        "changes": [],
        "pauses": [],
        "comparison": None,
    }


def change_fact(detector: Detector, classifier: OnnxClassifier, smooth: bool, first: Frame) -> dict[str, Any]:
    """Something was changed while the run went on: what it worked with from the frame ``first`` on."""
    return {
        "from_frame": first.index,
        "from_s": first.time_s,
        "model": {"file": classifier.path.name, "sha256": classifier.sha256, "provider": classifier.provider},
        "detector": {"name": detector.name, "detect_size_px": detector.detect_size},
        "smooth": smooth,
    }


def manifest_path(output: Path) -> Path:
    """Beside the output: ``out.csv.manifest.json``."""
    return output.with_name(f"{output.name}.manifest.json")


def write_manifest(output: Path, document: dict[str, Any]) -> Path:
    """Write the manifest of ``output`` and give its path; one that stood there is replaced as a whole.

    Raises:
        SinkError: it cannot be written.
    """
    path = manifest_path(output)
    # Bytes of a name that are no UTF-8 become escapes of JSON, which give the same name again.
    text = json.dumps({"output": output.name, **document}, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def _without_folders(value: Any) -> Any:
    """An option's value; of a path its last part, for manifests are passed on and folders name users."""
    return (value.name or str(value)) if isinstance(value, Path) else value
