"""What can be chosen on the page, and what a choice makes of the engine's options.

A page never names a path: it chooses by key among what is offered.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.errors import DeviceError, ModelError
from fer_live.realtime.detectors.registry import DETECTORS
from fer_live.realtime.engine_options import EngineOptions

from .settings import Settings

__all__ = ["ModelChoice", "chosen", "detectors", "keys_of", "models"]

_BUNDLED = {
    "bundled": ("Bundled, fastest here", None),
    "bundled-int8": ("Bundled, int8", MODEL_INT8),
    "bundled-float32": ("Bundled, float32", MODEL),
}


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """``key``: how the page names it. ``name``: how it is shown. ``path``: None for the bundled one fastest here."""

    key: str
    name: str
    path: Path | None


def models(settings: Settings) -> tuple[ModelChoice, ...]:
    """The models on offer, the default first; the folder is looked at anew."""
    given = settings.run.engine.model
    first = () if given is None else (ModelChoice("given", given.name, given),)
    bundled = (
        ModelChoice(key, name, None if asset is None else asset_path(asset)) for key, (name, asset) in _BUNDLED.items()
    )
    folder = () if settings.models is None else sorted(settings.models.glob("*.onnx"))
    found = (ModelChoice(f"file:{path.name}", path.name, path) for path in folder if path.is_file())
    return (*first, *bundled, *found)


def detectors() -> tuple[str, ...]:
    """The detectors that can be used here, the default first."""
    installed = importlib.util.find_spec("mediapipe") is not None
    return tuple(name for name in DETECTORS if name != "mediapipe" or installed)


def keys_of(settings: Settings, engine: EngineOptions) -> dict[str, Any]:
    """How the page says what an engine's options are; :func:`chosen` reads it back."""
    key = next((model.key for model in models(settings) if model.path == engine.model), "bundled")
    return {"model": key, "detector": engine.detector, "smooth": engine.smooth, "verify_eyes": engine.verify_eyes}


def chosen(settings: Settings, engine: EngineOptions, wanted: Mapping[str, Any]) -> EngineOptions:
    """``engine`` with what was chosen: any of ``model``, ``detector``, ``smooth`` and ``verify_eyes``.

    Raises:
        ModelError: there is no such model.
        DeviceError: there is no such detector here.
        ValueError: another value is none that can be chosen.
    """
    if "model" in wanted:
        found = [model for model in models(settings) if model.key == wanted["model"]]
        if not found:
            raise ModelError("that model is not offered (any more); choose another")
        engine = replace(engine, model=found[0].path)
    if "detector" in wanted:
        if wanted["detector"] not in detectors():
            raise DeviceError(f"that detector is not offered; choose one of {', '.join(detectors())}")
        engine = replace(engine, detector=wanted["detector"])
    if "smooth" in wanted:
        if not isinstance(wanted["smooth"], bool):
            raise ValueError("smooth must be true or false")
        engine = replace(engine, smooth=wanted["smooth"])
    if "verify_eyes" in wanted:
        if wanted["verify_eyes"] not in (True, False, None):
            raise ValueError("verify_eyes must be true, false or null")
        engine = replace(engine, verify_eyes=wanted["verify_eyes"])
    return engine
