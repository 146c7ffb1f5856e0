"""Encoders that raise their own priority are not to freeze the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["scheduling_kept"]

_TASKS = Path("/proc/self/task")


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Around what opens an encoder: afterwards this process's threads are scheduled as before, new ones as the caller.

    Where it may, as root, SVT-AV1 (4.1) makes its threads and the one that calls it real-time ones (SCHED_FIFO,
    priority 99), and every thread and program that this one starts from then on. All else on the machine, the desktop
    or a container's neighbours, gets what they leave. Nothing happens where there is no /proc.
    """
    if not _TASKS.is_dir():
        yield
        return
    ours, before = _scheduled(0), _tasks()
    try:
        yield
    finally:
        for task, found in _tasks().items():
            wanted = before.get(task, ours)
            if found != wanted:
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(task, wanted[0], os.sched_param(wanted[1]))


def _tasks() -> dict[int, tuple[int, int]]:
    """How each thread of this process is scheduled, by its number."""
    scheduled = {}
    for task in _TASKS.iterdir():
        with suppress(ProcessLookupError):  # it has ended
            scheduled[int(task.name)] = _scheduled(int(task.name))
    return scheduled


def _scheduled(task: int) -> tuple[int, int]:
    """Policy and static priority of a thread, 0: the caller."""
    return os.sched_getscheduler(task), os.sched_getparam(task).sched_priority
