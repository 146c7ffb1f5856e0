"""Uploads and what becomes of them: received, waiting, at work, done or failed, and deleted.

Everything happens on the event loop's thread. An upload is known by an id that cannot be guessed, and to nobody who
does not have it: there is no list of them.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from fer_live.cli_errors import one_line
from fer_live.errors import SourceError
from fer_live.realtime.run_options import RunOptions

from .media_types import HEAD_BYTES, media_type_of
from .outputs import FACES, OUTPUTS, THUMBS, Output, display_name
from .task import Limits, Task
from .worker_process import WorkerFailedError, run_worker
from .workspace import Workspace, remove_abandoned

__all__ = ["Job", "Jobs", "State"]

SWEEP_S = 1.0


class State(StrEnum):
    """Of an upload."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Job:
    """One upload. ``watchers``: pages that look at it now; ``seen_s``: when one last did.

    ``is_coming``: whether its bytes are or were sent. ``told``: what its worker told so far. ``version``: grows with
    each change.
    """

    id: str
    name: str
    size: int
    folder: Path
    stem: str
    run: RunOptions
    seen_s: float
    state: State = State.UPLOADING
    is_coming: bool = False
    received: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    status: int | None = None
    watchers: int = 0
    task: asyncio.Task[None] | None = None
    version: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in (State.DONE, State.FAILED)

    @property
    def outputs(self) -> list[tuple[Output, Path]]:
        """The files that came of it."""
        if self.state is not State.DONE:
            return []
        named = ((output, self.folder / f"{self.stem}{output.suffix}") for output in OUTPUTS)
        return [(output, path) for output, path in named if path.is_file()]

    def file(self, name: str) -> Path | None:
        """One of the files that the page itself wants, :data:`~.outputs.FACES` or :data:`~.outputs.THUMBS`."""
        path = self.folder / name
        return path if self.state is State.DONE and name in (FACES, THUMBS) and path.is_file() else None

    def change(self, **values: Any) -> None:
        """Set attributes, and wake who waits for a change."""
        for name, value in values.items():
            setattr(self, name, value)
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed_since(self, version: int) -> None:
        """Wait until its ``version`` is another."""
        while self.version == version:
            await self._changed.wait()


class Jobs:
    """All uploads of a server. Made on the event loop's thread; :meth:`close` ends and deletes them.

    Args:
        limits: what they may take.
        parent: where the folder for them is made; None for the system's folder for temporary files.
        clock: as ``time.monotonic``.
    """

    def __init__(self, limits: Limits, parent: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._parent = parent
        remove_abandoned(parent)
        self._stack = ExitStack()
        self._workspace: Workspace | None = None
        self._at_work = asyncio.Semaphore(limits.at_work)
        self._sweeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def create(self, name: str, size: int, run: RunOptions) -> Job:
        """Announce an upload of ``size`` bytes.

        Raises:
            HTTPException: it is too large (413), or the server has its hands full (429).
        """
        name = display_name(name)
        if size > self.limits.upload_bytes:
            found, most = (f"{each / 1e6:,.1f} MB" for each in (size, self.limits.upload_bytes))
            raise HTTPException(413, f"{name}: is too large, {found}; at most {most} are taken (--max-upload)")
        if len(self) >= self.limits.held:
            raise HTTPException(429, f"{len(self)} files are open on this server already; try again in a while")
        if self._workspace is None:
            self._workspace = self._stack.enter_context(Workspace(self._parent))
            self._sweeper = asyncio.create_task(self._sweep())
        job = Job(
            secrets.token_urlsafe(24),
            name,
            size,
            self._workspace.new_folder(),
            f"upload-{secrets.token_hex(8)}",
            run,
            self._clock(),
        )
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job:
        """The upload with this id, which is now seen.

        Raises:
            HTTPException: there is none (any more) (404).
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise HTTPException(404, "there is no such file here (any more); choose it again")
        job.seen_s = self._clock()
        return job

    async def receive(self, job: Job, body: AsyncIterator[bytes]) -> None:
        """Take the file's bytes and queue it for a worker; refused, it is deleted.

        Raises:
            HTTPException: it is not as announced (400), no picture or video (415), was received already (409),
                stopped coming (408), or the disk is full (507).
        """
        if job.state is not State.UPLOADING or job.is_coming:
            raise HTTPException(409, f"{job.name}: was sent already")
        job.is_coming = True
        try:
            await self._receive(job, body)
        except HTTPException as error:
            job.change(state=State.FAILED, status=error.status_code, reason=error.detail)
            await self.dismiss(job)
            raise
        except BaseException:  # whoever sent it has gone
            await self.dismiss(job)
            raise

    async def dismiss(self, job: Job) -> None:
        """End what is done with it, and delete all of it."""
        self._jobs.pop(job.id, None)
        task, job.task = job.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)
        if not job.is_finished:
            job.change(state=State.FAILED, status=404, reason=f"{job.name}: was cancelled")
        else:
            job.change()
        self._queue_moves()

    def is_gone(self, job: Job) -> bool:
        """Whether it was deleted."""
        return job.id not in self._jobs

    def document(self, job: Job) -> dict[str, Any]:
        """How it stands, for the page. ``ahead``: how many are before it."""
        told = {key: value for key, value in job.told.items() if key != "event"}
        return {
            **told,
            "id": job.id,
            "name": job.name,
            "state": str(job.state),
            "size": job.size,
            "received": job.received,
            "ahead": self._ahead(job),
            "status": job.status,
            "reason": job.reason,
        }

    async def close(self) -> None:
        """The server ends: end and delete all."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for job in list(self._jobs.values()):
            await self.dismiss(job)
        self._stack.close()
        self._workspace = None

    async def sweep(self) -> None:
        """Delete what nobody has looked at for too long."""
        now_s = self._clock()
        for job in list(self._jobs.values()):
            patience_s = self.limits.kept_s if job.is_finished else self.limits.away_s
            if job.watchers or now_s - job.seen_s <= patience_s:
                continue
            await self.dismiss(job)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    def _ahead(self, job: Job) -> int:
        if job.state is not State.WAITING:
            return 0
        others = list(self._jobs.values())
        waiting = [other for other in others[: others.index(job)] if other.state is State.WAITING]
        return len(waiting) + sum(other.state is State.WORKING for other in others)

    def _queue_moves(self) -> None:
        for job in self._jobs.values():
            if job.state is State.WAITING:
                job.change()

    async def _receive(self, job: Job, body: AsyncIterator[bytes]) -> None:
        path = job.folder / job.stem
        try:
            head = await self._save(job, body, path)
        except ConnectionError:
            raise
        except OSError as error:
            raise HTTPException(507, f"{job.name}: cannot be stored ({error.strerror or error}); make room") from error
        try:
            media_type = media_type_of(head, job.name)
        except SourceError as error:
            raise HTTPException(415, str(error)) from error
        task = Task(job.folder, job.stem, media_type, job.name, job.run, self.limits)
        path.rename(path.with_name(task.upload))
        job.change(state=State.WAITING, seen_s=self._clock())
        job.task = asyncio.create_task(self._work(job, task))

    async def _save(self, job: Job, body: AsyncIterator[bytes], path: Path) -> bytes:
        head = b""
        with path.open("xb") as file:
            while True:
                try:
                    async with asyncio.timeout(self.limits.stalled_s):
                        chunk = await anext(body, None)
                except TimeoutError:
                    raise HTTPException(408, f"{job.name}: stopped coming; send it again") from None
                if self.is_gone(job):
                    raise HTTPException(404, f"{job.name}: was cancelled")
                if chunk is None:
                    break
                if job.received + len(chunk) > job.size:  # which is no more than is taken
                    raise HTTPException(400, f"{job.name}: {job.size:,} bytes were announced and more came")
                head += chunk[: HEAD_BYTES - len(head)]
                # To the system's cache, not to the disk: no slower than handing it to another thread.
                file.write(chunk)
                job.change(received=job.received + len(chunk), seen_s=self._clock())
        if job.received != job.size:
            raise HTTPException(400, f"{job.name}: {job.size:,} bytes were announced and {job.received:,} came")
        return head

    async def _work(self, job: Job, task: Task) -> None:
        def on_event(event: dict[str, Any]) -> None:
            job.change(told={**job.told, **event})

        try:
            async with self._at_work:
                job.change(state=State.WORKING)
                self._queue_moves()
                done = await run_worker(task, on_event)
            # The upload itself is needed no more.
            (task.folder / task.upload).unlink(missing_ok=True)
        except WorkerFailedError as error:
            await self._fail(job, error.status, error.reason)
        except Exception as error:
            await self._fail(job, 500, f"{job.name}: cannot be worked on: {one_line(error)}")
        else:
            job.change(state=State.DONE, told={**job.told, **done}, seen_s=self._clock())
        self._queue_moves()

    async def _fail(self, job: Job, status: int, reason: str) -> None:
        await asyncio.to_thread(_empty, job.folder)
        job.change(state=State.FAILED, status=status, reason=reason, seen_s=self._clock())


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
