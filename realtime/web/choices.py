"""What can be chosen on the page, and what a choice makes of the engine's options.

A page never names a path: it chooses by key among what is offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fer_live.errors import DeviceError, ModelError, SourceError
from fer_live.realtime.choices import ModelChoice, offered_models
from fer_live.realtime.choices import installed_detectors as detectors
from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.sources.camera_names import camera_names
from fer_live.realtime.sources.network import is_address, shown_address
from fer_live.realtime.sources.options import SourceOptions

from .settings import Settings

__all__ = ["ModelChoice", "SourceChoice", "chosen", "detectors", "keys_of", "models", "sources"]


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """``key``: how the page names it. ``name``: how it is shown. ``wanted``: what it is."""

    key: str
    name: str
    wanted: SourceOptions


def sources(settings: Settings) -> tuple[SourceChoice, ...]:
    """The sources on offer: the one of the command line, and this machine's cameras as they are at this moment."""
    given = settings.run.source
    first = () if given is None else (SourceChoice("given", _name_of(given), given),)
    try:
        names = camera_names()
    except SourceError:  # where cameras have no names, the first is offered by its number
        names = {0: "Camera 0"}
    found = (
        SourceChoice(f"camera:{number}", name, SourceOptions(camera=str(number))) for number, name in names.items()
    )
    return (*first, *found)


def _name_of(wanted: SourceOptions) -> str:
    if wanted.video is not None:
        return shown_address(wanted.video) if is_address(wanted.video) else Path(wanted.video).name
    return "The screen" if wanted.screen else f"Camera {wanted.camera}"


def models(settings: Settings) -> tuple[ModelChoice, ...]:
    """The models on offer, the default first; the folder is looked at anew."""
    return offered_models(settings.run.engine)


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
        if not isinstance(wanted["verify_eyes"], bool | None):
            raise ValueError("verify_eyes must be true, false or null")
        engine = replace(engine, verify_eyes=wanted["verify_eyes"])
    return engine
