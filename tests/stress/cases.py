"""The child's side: runs cases one by one and tells each on stdout, so that one that kills the process is known.

``python FILE FOLDER FIRST END`` runs the cases of the seeds from FIRST up to END. Each is told twice, as a
line of JSON: before it begins, and with what came of it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import numpy as np

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError

Case = Callable[[Path, int, np.random.Generator], str]
"""Folder, seed, its random numbers; returns how it went in a word or two, raises what the product raised."""

MESSAGE_CHARACTERS = 2000


def run_cases(case: Case, memory_mib: int) -> None:
    """Run what the command line asks for. ``memory_mib``: by how much a case may raise the process's peak."""
    folder, first, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # What the product or a library prints goes to a file: it should say nothing.
    told = os.fdopen(os.dup(1), "w")
    faulthandler.enable(os.dup(2))
    printed = tempfile.TemporaryFile()
    for stream in (1, 2):
        os.dup2(printed.fileno(), stream)
    # Against files that ask for more than the machine has; far above what is allowed.
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for seed in range(first, end):
        _tell(told, seed=seed)
        before = _resident_mib()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        problem, outcome = _outcome(case, folder, seed)
        grown = _peak_mib() - before
        if not problem and grown > memory_mib:
            problem = f"took {grown:.0f} MiB, at most {memory_mib} allowed"
        sys.stdout.flush()
        sys.stderr.flush()
        printed.seek(0)
        if not problem and (words := printed.read()):
            problem = f"printed {words[:500]!r}"
        printed.seek(0)
        printed.truncate()
        _tell(told, seed=seed, outcome=outcome, problem=problem, mib=round(grown))


def _outcome(case: Case, folder: Path, seed: int) -> tuple[str, str]:
    """What is wrong ("" if nothing), and how it ended."""
    try:
        return "", case(folder, seed, np.random.default_rng(seed))
    except FerLiveError as error:
        told = one_line(error)
        wrong = not told.isprintable() or len(told) > MESSAGE_CHARACTERS or "Traceback" in told
        return f"not a clear line: {told[:300]!r}" if wrong else "", type(error).__name__
    except BaseException as error:
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()}", type(error).__name__


def _tell(told: TextIO, **what: object) -> None:
    print(json.dumps(what), file=told, flush=True)


def _status_mib(name: str) -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident_mib() -> float:
    return _status_mib("VmRSS:")


def _peak_mib() -> float:
    return _status_mib("VmHWM:")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
