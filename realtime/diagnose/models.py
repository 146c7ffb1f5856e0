"""Models: the bundled ones by their hashes, one of the user's by all that a run would ask of it; and the detectors."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fer_live.bundled import SHA256, asset_path
from fer_live.errors import ContractError, DeviceError, FerLiveError, ModelError
from fer_live.realtime.detectors.registry import create_detector
from fer_live.realtime.inference.classifier import Device, OnnxClassifier
from fer_live.realtime.testing.clips import make_frame

from .findings import Finding, Mark

__all__ = ["bundled", "detector", "own"]

_SIZE_WH = (320, 192)


def bundled() -> list[Finding]:
    """Every bundled file: there, and the bytes that were released."""
    findings = []
    for name, expected in SHA256.items():
        try:
            asset_path(name)
        except ModelError as error:
            findings.append(Finding(name, Mark.TROUBLE, str(error), "bundled-damaged"))
        else:
            findings.append(Finding(name, Mark.OK, f"as released, SHA-256 {expected}", facts={"sha256": expected}))
    return findings


def own(path: str) -> list[Finding]:
    """A model of the user's: it loads, has a contract that this release knows, and answers its probe as exported."""
    try:
        classifier = OnnxClassifier(Path(path), Device.CPU)
    except ContractError as error:
        return [Finding("--model", Mark.TROUBLE, str(error), "model-contract")]
    except ModelError as error:
        return [Finding("--model", Mark.TROUBLE, str(error), "model-unusable")]
    contract = classifier.contract
    told = (
        f"{path}: answers its probe as it was exported; {contract.size} x {contract.size} px, "
        f"labels {', '.join(contract.labels)}; SHA-256 {classifier.sha256}"
    )
    facts = {"path": path, "sha256": classifier.sha256, "labels": list(contract.labels), "size_px": contract.size}
    return [Finding("--model", Mark.OK, told, facts=facts)]


def detector(name: str) -> list[Finding]:
    """A face detector: it loads, and looks at a picture (one without a face)."""
    if name == "mediapipe" and find_spec("mediapipe") is None:
        return [Finding(name, Mark.NOTE, "not installed; --detector mediapipe needs it", "mediapipe-missing")]
    try:
        with create_detector(name) as opened:
            opened.detect(make_frame(*_SIZE_WH))
    except DeviceError as error:
        return [Finding(name, Mark.WARNING, str(error), "mediapipe-fails" if name == "mediapipe" else "detector-fails")]
    except FerLiveError as error:
        return [Finding(name, Mark.TROUBLE, str(error), "detector-fails")]
    return [Finding(name, Mark.OK, "loads and looks at a picture")]
