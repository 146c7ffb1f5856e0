"""All checks, in order, and whether what was required is met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import packages, system
from .checks import SELFTEST_CHECKS, doctor_checks
from .findings import Finding, Mark
from .isolation import Check, run_checks

__all__ = ["Area", "Examination", "examine", "try_out"]


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
    """Look at everything, for ``fer-live doctor``.

    Args:
        model: a model of the user's to look at, too.
        required: out of :data:`~.findings.REQUIREMENTS`.
        settings: what is known already of where settings come from.
        begun: told of the area that is waited for.
        told: told of each area once it is complete.
        checks: those that run in processes of their own; None for all.
    """
    machine = (system.system(), system.processor_found(), *system.memory(), system.disk(), system.temporary_folder())
    areas = [Area("System", (*machine, *settings))]
    told(areas[0])
    for area in _in_processes(doctor_checks(model) if checks is None else checks, begun):
        if area.title == "Packages":
            here = (*packages.required(), *packages.overwritten(), *packages.extras())
            area = Area(area.title, (*here, *area.findings))
        areas.append(area)
        told(area)
    met = {finding.meets for area in areas for finding in area.findings}
    return Examination(tuple(areas), {name: name in met for name in required})


def try_out(
    begun: Callable[[str], None] = lambda _: None, told: Callable[[Area], None] = lambda _: None
) -> Examination:
    """Do what a run does, for ``fer-live selftest``; arguments as of :func:`examine`."""
    areas = []
    for area in _in_processes(SELFTEST_CHECKS, begun):
        areas.append(area)
        told(area)
    return Examination(tuple(areas), {})


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
