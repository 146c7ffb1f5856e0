"""``fer-live doctor``: all checks, in order, and whether what was required is met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import packages, system
from .findings import Finding, Mark
from .isolation import Check, run_checks

__all__ = ["REQUIREMENTS", "Area", "Examination", "examine"]

REQUIREMENTS = ("cuda", "camera", "display")
"""What ``--require`` knows."""

_DRIVER_LIMIT_S = 120.0  # the first start of CUDA and cuDNN on a cold disk takes its time
_CAMERA_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Area:
    """What was found of one kind."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found. ``required``: what was required, and whether it is met."""

    areas: tuple[Area, ...]
    required: dict[str, bool]

    def count(self, mark: Mark) -> int:
        """How many findings have a mark."""
        return sum(finding.mark is mark for area in self.areas for finding in area.findings)

    @property
    def is_well(self) -> bool:
        """Whether there is no trouble, and all that was required is met."""
        return not self.count(Mark.TROUBLE) and all(self.required.values())

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "version": 1,
            "well": self.is_well,
            "required": self.required,
            "findings": [{"area": area.title, **finding.to_json()} for area in self.areas for finding in area.findings],
        }


def examine(
    model: Path | None,
    required: Sequence[str],
    settings: Sequence[Finding] = (),
    *,
    begun: Callable[[str], None] = lambda _: None,
    told: Callable[[Area], None] = lambda _: None,
    checks: Sequence[Check] | None = None,
) -> Examination:
    """Look at everything.

    Args:
        model: a model of the user's to look at, too.
        required: out of :data:`REQUIREMENTS`.
        settings: what is known already of where settings come from.
        begun: told of the area that is waited for.
        told: told of each area once it is complete.
        checks: those that run in processes of their own; None for all.
    """
    machine = (system.system(), system.processor_found(), *system.memory(), system.disk(Path.cwd()))
    areas = [Area("System", (*machine, *settings))]
    told(areas[0])
    for area in _in_processes(_checks(model) if checks is None else checks, begun):
        if area.title == "Packages":
            here = (*packages.required(), *packages.overwritten(), *packages.extras())
            area = Area(area.title, (*here, *area.findings))
        areas.append(area)
        told(area)
    met = {finding.meets for area in areas for finding in area.findings}
    return Examination(tuple(areas), {name: name in met for name in required})


def _checks(model: Path | None) -> list[Check]:
    own = [Check("Models", "--model", "models:own", {"path": str(model)})] if model is not None else []
    return [
        Check("Packages", "cv2", "display:opencv"),
        Check("Cameras", "cameras", "cameras:cameras", limit_s=_CAMERA_LIMIT_S, if_broken=Mark.WARNING),
        Check("Display", "window", "display:window", if_broken=Mark.WARNING),
        Check("GPU and execution providers", "gpu", "providers:gpu", limit_s=_CAMERA_LIMIT_S, if_broken=Mark.WARNING),
        Check("GPU and execution providers", "cpu", "providers:cpu"),
        Check("GPU and execution providers", "cuda", "providers:cuda", limit_s=_DRIVER_LIMIT_S, if_broken=Mark.WARNING),
        Check("GPU and execution providers", "others", "providers:others", if_broken=Mark.NOTE),
        Check("Models", "bundled files", "models:bundled"),
        *own,
        Check("Detectors", "yunet", "models:detector", {"name": "yunet"}),
        Check("Detectors", "mediapipe", "models:detector", {"name": "mediapipe"}, if_broken=Mark.WARNING),
        Check("Detectors", "haar", "models:detector", {"name": "haar"}, if_broken=Mark.WARNING),
        Check("Video files", "read", "codecs:decoders"),
        *(
            Check("Video files", f"write {codec}", "codecs:encoder", {"codec": codec}, if_broken=Mark.WARNING)
            for codec in ("h264", "av1", "vp9")
        ),
    ]


def _in_processes(checks: Sequence[Check], begun: Callable[[str], None]) -> Iterator[Area]:
    """The areas of the checks, of which those of one area follow each other."""
    title, findings = "", list[Finding]()
    at_once = max(1, min(4, round(system.usable_cores())))
    for check, found in run_checks(checks, lambda check: begun(check.area), at_once=at_once):
        if check.area != title and title:
            yield Area(title, tuple(findings))
            findings = []
        title = check.area
        findings += found
    if title:
        yield Area(title, tuple(findings))
