"""What a run can be changed to: the models and detectors on offer, for keys and pages alike."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fer_live.bundled import MODEL, MODEL_INT8, asset_path

from .detectors.registry import DETECTORS
from .engine_options import EngineOptions

__all__ = ["ModelChoice", "installed_detectors", "offered_models"]

_BUNDLED = {
    "bundled": ("Bundled, fastest", None),
    "bundled-int8": ("Bundled, int8", MODEL_INT8),
    "bundled-float32": ("Bundled, float32", MODEL),
}


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """``key``: names it without a path. ``name``: as shown. ``path``: None for the bundled one that is fastest here."""

    key: str
    name: str
    path: Path | None


def offered_models(engine: EngineOptions) -> tuple[ModelChoice, ...]:
    """The one of ``--model``, the bundled ones and those in ``--models``, which is looked at anew; the default first.

    Raises:
        ModelError: a bundled model is missing or damaged.
    """
    first = () if engine.model is None else (ModelChoice("given", engine.model.name, engine.model),)
    bundled = (
        ModelChoice(key, name, None if asset is None else asset_path(asset)) for key, (name, asset) in _BUNDLED.items()
    )
    folder = () if engine.models is None else sorted(engine.models.glob("*.onnx"))
    found = (ModelChoice(f"file:{path.name}", path.name, path) for path in folder if path.is_file())
    return (*first, *bundled, *found)


def installed_detectors() -> tuple[str, ...]:
    """The detectors that can be used here, the default first."""
    has_mediapipe = importlib.util.find_spec("mediapipe") is not None
    return tuple(name for name in DETECTORS if name != "mediapipe" or has_mediapipe)
