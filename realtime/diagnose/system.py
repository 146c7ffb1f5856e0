"""The system, its processor, memory and disk, and the settings in force."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from fer_live.machine import CGROUP, PROC, memory_bytes, processor

from .findings import Finding, Mark

__all__ = ["disk", "memory", "processor_found", "system", "temporary_folder", "usable_cores"]

GIB = 2**30
_LEAST_DISK = 1 * GIB
_LEAST_MEMORY = 1 * GIB


def system() -> Finding:
    """Which system and which Python."""
    told = f"{_distribution()}, {platform.machine()}; Python {platform.python_version()} ({sys.executable})"
    facts = {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "executable": sys.executable,
    }
    if sys.maxsize < 2**32:
        return Finding("system", Mark.TROUBLE, f"{told}; Python of 32 bits", "python-32-bit", facts)
    return Finding("system", Mark.OK, told, facts=facts)


def processor_found(cgroup: Path = CGROUP, cpuinfo: Path = PROC / "cpuinfo") -> Finding:
    """The processor: what it can do fast, and how much of it may be used."""
    cores, of = usable_cores(cgroup), os.cpu_count() or 1
    features = _features(cpuinfo)
    told = processor() + (f", of which {cores:g} may be used" if cores < of else "")
    if features is not None:
        told += f"; {', '.join(features) or 'no AVX2'}"
    facts = {"processor": processor(), "cores": of, "usable_cores": cores, "features": features}
    if cores < 2:
        return Finding("processor", Mark.WARNING, told, "one-core", facts)
    if features is not None and platform.machine().lower() in ("x86_64", "amd64") and "AVX2" not in features:
        return Finding("processor", Mark.WARNING, told, "no-avx2", facts)
    return Finding("processor", Mark.OK, told, facts=facts)


def usable_cores(cgroup: Path = CGROUP) -> float:
    """How many cores this process may keep busy: by its affinity and by its container's quota (cgroup 2)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity is not None else os.cpu_count() or 1)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, int(quota) / int(period))
    return cores


def memory() -> list[Finding]:
    """How much memory is free; nothing where that can't be told."""
    found = memory_bytes()
    if found is None:
        return []
    free, total = found
    told = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    facts = {"free_bytes": free, "total_bytes": total}
    if free < _LEAST_MEMORY:
        return [Finding("memory", Mark.WARNING, told, "little-memory", facts)]
    return [Finding("memory", Mark.OK, told, facts=facts)]


def disk() -> Finding:
    """Whether files can be written to the current folder, and how much."""
    folder = Path(".")
    try:
        folder = folder.absolute()
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Finding("disk", Mark.WARNING, f"the current folder: {error.strerror or error}", "folder-read-only")
    told = f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free in the current folder, {folder}"
    facts = {"folder": str(folder), "free_bytes": usage.free, "total_bytes": usage.total}
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("disk", Mark.WARNING, f"{told}, which this user may not write to", "folder-read-only", facts)
    if usage.free < _LEAST_DISK:
        return Finding("disk", Mark.WARNING, told, "disk-full", facts)
    return Finding("disk", Mark.OK, told, facts=facts)


def temporary_folder() -> Finding:
    """Whether there is one: the checks need it, and so does a run now and then."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
    except OSError as error:
        return Finding("temporary", Mark.TROUBLE, error.strerror or str(error), "no-temporary-folder")
    return Finding("temporary", Mark.OK, tempfile.gettempdir())


def _distribution() -> str:
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release()}"


def _features(cpuinfo: Path) -> list[str] | None:
    """What of the processor makes int8 and float32 networks fast, as Linux tells; None where it tells nothing."""
    known = {
        "avx2": "AVX2",
        "avx512f": "AVX-512",
        "avx_vnni": "VNNI",
        "avx512_vnni": "VNNI",
        "amx_int8": "AMX",
        "asimddp": "dot products",
    }
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), None)
    return None if flags is None else list(dict.fromkeys(told for flag, told in known.items() if flag in flags))
