"""The machine and the versions that a figure was measured with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["CGROUP", "PROC", "measured_on", "memory_bytes", "processor", "version_of"]

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def processor() -> str:
    """The CPU's name and how many cores the system counts: "AMD EPYC x 2"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} x {os.cpu_count()}"


def memory_bytes(meminfo: Path = PROC / "meminfo", cgroup: Path = CGROUP) -> tuple[int, int] | None:
    """Memory that can still be taken, swap not counted, and all of it; None where that can't be told.

    By the container's limit (cgroup 2) where it is less than the machine's.
    """
    try:
        fields = _fields(meminfo)
        total, free = 1024 * fields["MemTotal:"], 1024 * fields["MemAvailable:"]
    except (OSError, ValueError, KeyError):
        return None
    with suppress(OSError, ValueError, KeyError):  # "max" where there is no limit
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
        with suppress(OSError, ValueError, KeyError):
            used -= _fields(cgroup / "memory.stat")["inactive_file"]  # files' pages, which the system takes back
        total, free = min(total, limit), min(free, limit - used)
    return max(0, free), total


def _fields(path: Path) -> dict[str, int]:
    """Of a file whose lines are a name and a number."""
    return {name: int(value) for name, value, *_ in map(str.split, path.read_text().splitlines())}


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
