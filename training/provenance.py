"""Where a file comes from: versions, machine and git commit, as JSON values without names or paths of the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from fer_live import __version__

__all__ = ["cpu_capabilities", "environment", "file_sha256"]


def environment() -> dict[str, Any]:
    """Versions of what computes, the kind of machine, and the commit of the code (None outside a git checkout)."""
    return {
        "git_commit": _git_commit(),
        "fer_live": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cpu": cpu_capabilities().get("cpu_name"),
    }


def cpu_capabilities() -> dict[str, Any]:
    """What torch knows of the CPU: ``cpu_name``, and a bool for ``avx512_bf16``, ``amx_bf16`` and so on."""
    return dict(getattr(torch.cpu, "get_capabilities", dict)())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_commit() -> str | None:
    """The commit of the checkout that this code runs from, with "+" where the tree was changed; None elsewhere."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")
