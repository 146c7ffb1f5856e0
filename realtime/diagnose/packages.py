"""What is installed beside fer-live, in which version, and whether packages overwrote each other's files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires

from fer_live.machine import version_of

from .findings import Finding, Mark

__all__ = ["extras", "overwritten", "required"]

Version = Callable[[str], str | None]

OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
"""All of them install one folder, ``cv2``: the last one that was installed has its files there."""

ONNXRUNTIME = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""The same of ``onnxruntime``."""

_NOT_SHOWN = {"cuda", "dev"}  # whether CUDA works is seen by using it


def required(version: Version = version_of) -> list[Finding]:
    """fer-live's own version and those of the packages that it can't do without."""
    names = sorted({"onnxruntime", *_requirements().get("", [])} - set(ONNXRUNTIME) - set(OPENCV))
    there = {name: version(name) for name in names}
    facts = {"fer-live": version("fer-live"), **there}
    told = ", ".join(f"{name} {known}" for name, known in facts.items() if known is not None)
    missing = [name for name, known in there.items() if known is None]
    if missing:
        return [Finding("packages", Mark.TROUBLE, f"not installed: {', '.join(missing)}", "package-missing", facts)]
    return [Finding("packages", Mark.OK, told, facts=facts)]


def extras(version: Version = version_of) -> list[Finding]:
    """The packages of each extra, such as ``fer-live[data]``, where they are installed."""
    findings = []
    for extra, names in _requirements().items():
        if not extra or extra in _NOT_SHOWN:
            continue
        there = {name: version(name) for name in dict.fromkeys(names)}
        missing = [name for name, known in there.items() if known is None]
        known = ", ".join(f"{name} {found}" for name, found in there.items() if found is not None)
        told = known or "not installed"
        if missing and known:
            told += f"; without {', '.join(missing)}"
        advice = "extra-missing" if missing else None
        findings.append(Finding(f"[{extra}]", Mark.NOTE if missing else Mark.OK, told, advice, there))
    return findings


def overwritten(version: Version = version_of) -> list[Finding]:
    """Packages that install the same folder: one alone is well, and so are several of the same version."""
    findings = []
    for name, packages, advice in (
        ("opencv", OPENCV, "opencv-wheels"),
        ("onnxruntime", ONNXRUNTIME, "onnxruntime-wheels"),
    ):
        there = {package: found for package in packages if (found := version(package)) is not None}
        told = ", ".join(f"{package} {found}" for package, found in there.items()) or "not installed"
        if not there:
            findings.append(Finding(name, Mark.TROUBLE, told, "package-missing", there))
        elif _clash(name, there):
            findings.append(Finding(name, Mark.TROUBLE, f"{told}: they overwrite each other's files", advice, there))
        else:
            findings.append(Finding(name, Mark.OK, told, facts=there))
    return findings


def _clash(name: str, there: Mapping[str, str]) -> bool:
    if len(there) < 2:
        return False
    # The builds of onnxruntime differ in what they hold; OpenCV's with and without windows do so, too.
    mixed = {package.endswith("-headless") for package in there}
    return name == "onnxruntime" or len(set(there.values())) > 1 or len(mixed) > 1


def _requirements() -> dict[str, list[str]]:
    """The names of the packages that fer-live wants, by extra; ``""`` for those that it always wants."""
    try:
        lines: Iterable[str] = requires("fer-live") or ()
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if name is not None and name[0] != "fer-live":
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found
