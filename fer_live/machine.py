"""The machine and the versions that a figure was measured with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["measured_on", "processor", "version_of"]


def processor() -> str:
    """The CPU's name and how many cores the system counts: "AMD EPYC x 2"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} x {os.cpu_count()}"


def version_of(package: str) -> str | None:
    """The version of an installed package, None where it isn't there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def measured_on(packages: Iterable[str]) -> str:
    """The line at the head of a measurement: date, processor, system, and versions of those packages that are there."""
    found = [f"{name} {known}" for name in ("fer-live", *packages) if (known := version_of(name))]
    return f"{date.today()}, {processor()}, {platform.system()}, Python {platform.python_version()}; {', '.join(found)}"
