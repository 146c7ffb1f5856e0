"""A worker as the server sees it: started, listened to, and killed when nobody wants it any more."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .task import Task

__all__ = ["WorkerFailedError", "run_worker"]

_MOST_LINE = 2**18
"""Bytes of a line that a worker tells."""


class WorkerFailedError(Exception):
    """It did not finish. ``status``: as HTTP's. ``reason``: one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def run_worker(task: Task, on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Have a task done in a process of its own, which is gone when this returns, raises or is cancelled.

    Args:
        task: what to do.
        on_event: is given what the worker tells on the way, see :mod:`.worker`.

    Returns:
        What it told at the end.

    Raises:
        WorkerFailedError: it told why it could not, crashed, was killed or took too long.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory is no place to import from
        "-m",
        "fer_live.realtime.web.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # What libraries say of broken files is nobody's concern but a developer's.
        stderr=None if os.environ.get("FER_LIVE_DEBUG") else asyncio.subprocess.DEVNULL,
        limit=_MOST_LINE,
        start_new_session=True,  # Ctrl-C in the server's terminal is the server's to answer
        env=_environment(task),
    )
    try:
        async with asyncio.timeout(task.limits.work_s):
            return await _conversation(process, task, on_event)
    except TimeoutError:
        told = f"{task.name}: took longer than {task.limits.work_s / 60:g} minutes and was given up; cut it shorter"
        raise WorkerFailedError(413, told) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await _reaped(process)


def _environment(task: Task) -> dict[str, str]:
    """Of a worker: what it leaves beside its outputs goes with them, and the token is none of its business."""
    ours = {name: value for name, value in os.environ.items() if name != "FER_LIVE_TOKEN"}
    return {**ours, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(task.folder))}


async def _conversation(
    process: asyncio.subprocess.Process, task: Task, on_event: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    with suppress(ConnectionError):  # gone already: its exit code says more
        process.stdin.write(pickle.dumps(task))
        await process.stdin.drain()
    while True:
        # What decodes strangers' files may have been taken over by one: it is not believed more than need be.
        try:
            event = json.loads(await process.stdout.readline() or b"null")
        except ValueError as error:
            raise WorkerFailedError(500, f"{task.name}: its worker spoke nonsense and was ended") from error
        if not isinstance(event, dict):
            raise WorkerFailedError(500, f"{task.name}: {_how_it_ended(await process.wait(), task)}")
        if event.get("event") == "done":
            return event
        if event.get("event") == "failed":
            raise WorkerFailedError(int(event["status"]), str(event["reason"]))
        on_event(event)


def _how_it_ended(code: int, task: Task) -> str:
    if code >= 0:
        return f"the process that read it ended without a result (exit code {code}); please report it"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = f"{task.limits.memory_bytes / 2**30:g} GiB"
    return f"the process that read it was killed ({name}): the file may be damaged, or need more memory than {memory}"


async def _reaped(process: asyncio.subprocess.Process) -> None:
    """Wait until it is gone, even where this is being cancelled: its folder is about to be removed."""
    waiting = asyncio.ensure_future(process.wait())
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)
