"""Checks in processes of their own: a driver that crashes or hangs takes nothing with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, Any, Self

from fer_live.cli_errors import one_line

from .findings import Finding, Mark

__all__ = ["Check", "Processes", "answer", "run_checks"]

_HERE = "fer_live.realtime.diagnose"
_REAP_S = 2.0
_TOLD_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    ``area``: the heading that it stands under. ``name``: of the finding if the check itself fails, which then is
    ``if_broken``. ``function``: ``module:function``, the module with a dot before it where it is in this package; it
    gives a list of :class:`~.findings.Finding`. ``arguments``: for it, values that JSON has. ``limit_s``: how long it
    may take.
    """

    area: str
    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limit_s: float = 60.0
    if_broken: Mark = Mark.TROUBLE


class Processes:
    """Runs checks, each in a process of its own, as many at a time as there are threads that ask; a context manager.

    Left early it ends those that are still at work.

    Args:
        python: the interpreter.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def look(self, check: Check) -> list[Finding]:
        """What ``check`` finds. It fails for nothing: a crash, a hang and nonsense are findings, too."""
        try:
            # Files, not pipes: what a killed process had started may hold a pipe open for ever.
            with tempfile.TemporaryFile() as answered, tempfile.TemporaryFile() as said:
                return self._read(check, self._run(check, answered, said), answered, said)
        except OSError as error:  # no memory for a process, no room for a file
            return [_broken(check, f"could not be looked at: {one_line(error)}", "check-failed")]

    def _read(self, check: Check, code: int | None, answered: IO[bytes], said: IO[bytes]) -> list[Finding]:
        if code is None:
            return [_broken(check, f"no answer within {check.limit_s:g} s", "check-hangs")]
        if code < 0:
            return [_broken(check, f"crashed with {_signal_name(-code)}", "check-crashes")]
        answered.seek(0)
        try:
            found = json.loads(answered.read())
            if "error" in found:
                missing_library = "cannot open shared object file" in found["error"]
                return [_broken(check, found["error"], "system-library" if missing_library else "check-failed")]
            return [Finding.from_json(each) for each in found["findings"]]
        except (ValueError, TypeError, KeyError):
            last = _last_line(said)
            return [_broken(check, f"ended with exit code {code}{last and f': {last}'}", "check-crashes")]

    def _run(self, check: Check, answered: IO[bytes], said: IO[bytes]) -> int | None:
        """The exit code, negative for a signal; None where it took too long."""
        # -P: a file called cv2.py in the current folder is not what is looked at.
        command = [self._python, "-P", "-m", f"{_HERE}.isolation", check.function, json.dumps(dict(check.arguments))]
        with self._lock:
            if self._closed:
                return None
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=answered, stderr=said, start_new_session=True
            )
            self._running.add(process)
        try:
            return process.wait(check.limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with self._lock:
                self._running.discard(process)
            _end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)


def run_checks(
    checks: Sequence[Check], begun: Callable[[Check], None] = lambda _: None, *, at_once: int = 4
) -> Iterator[tuple[Check, list[Finding]]]:
    """What the checks find, in their order, each as soon as those before it are done.

    Args:
        checks: what to look at.
        begun: told of each check whose answer is waited for.
        at_once: how many processes there are at most.
    """
    with ThreadPoolExecutor(at_once, "fer-live-check") as threads, Processes() as processes:
        waiting = [threads.submit(processes.look, check) for check in checks]
        for check, found in zip(checks, waiting, strict=True):
            begun(check)
            yield check, found.result()


def answer(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run a check in this very process; what its process gives back."""
    module, _, name = function.partition(":")
    try:
        findings: list[Finding] = getattr(import_module(module, _HERE), name)(**arguments)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {one_line(error)}"[:_TOLD_CHARACTERS]}
    return {"findings": [finding.to_json() for finding in findings]}


def _broken(check: Check, told: str, advice: str) -> Finding:
    return Finding(check.name, check.if_broken, told, advice)


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read()[-10_000:].decode(errors="replace").strip().splitlines()
    return one_line(Exception(lines[-1]))[:_TOLD_CHARACTERS] if lines else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started; one that a driver holds in the kernel can't be waited for."""
    _kill(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_S)


def _main() -> None:
    # What libraries print is no answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        json.dump(answer(sys.argv[1], json.loads(sys.argv[2])), answers)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # what a library does at the interpreter's end is no part of the check


if __name__ == "__main__":
    _main()
