import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from fer_live.realtime.engine_options import EngineOptions
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.web.jobs import Job, Jobs, State
from fer_live.realtime.web.task import Limits

SAMPLES = Path(__file__).parents[3] / "samples"
PHOTO, CLIP = SAMPLES / "astronaut.jpg", SAMPLES / "astronaut.mp4"
PATIENCE_S = 60.0

Test = Callable[[Jobs], Awaitable[None]]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65_536):
        yield data[start : start + 65_536]


async def received(jobs: Jobs, path: Path, run: RunOptions | None = None) -> Job:
    job = jobs.create(path.name, path.stat().st_size, run or RunOptions())
    await jobs.receive(job, pieces(path.read_bytes()))
    return job


async def until(job: Job, *states: State) -> Job:
    async with asyncio.timeout(PATIENCE_S):
        while job.state not in states:
            await job.changed_since(job.version)
    return job


async def until_told(job: Job, key: str) -> Job:
    async with asyncio.timeout(PATIENCE_S):
        while key not in job.told:
            await job.changed_since(job.version)
    return job


def with_jobs(parent: Path, test: Test, limits: Limits | None = None, clock: Clock | None = None) -> None:
    """Run a test with jobs that are closed after it, whatever happens; they leave nothing."""

    async def run() -> None:
        jobs = Jobs(limits or Limits(), parent, clock or time.monotonic)
        try:
            await test(jobs)
        finally:
            await jobs.close()

    asyncio.run(run())
    assert list(parent.iterdir()) == [] and workers() == []


def workers() -> list[int]:
    """The processes of workers that this one started."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in table.splitlines()]
    return [int(pid) for pid, parent, args in rows if int(parent) == os.getpid() and "web.worker" in args]


def test_a_clip_leaves_what_came_of_it_and_not_itself(tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        job = await until(await received(jobs, CLIP), State.DONE)
        assert job.told["kind"] == "clip" and job.told["frames_done"] == 175
        keys = [output.key for output, _ in job.outputs]
        assert keys == ["video", "report", "csv", "jsonl", "parquet", "vtt", "srt", "eaf", "boris", "manifest"]
        assert not list(job.folder.glob("upload-????????????????.mp4"))
        for output, path in job.outputs:
            if output.key not in ("video", "parquet"):
                text = path.read_text()
                assert job.stem not in text and str(tmp_path) not in text
        assert '"name": "astronaut.mp4"' in next(path for o, path in job.outputs if o.key == "manifest").read_text()
        await jobs.dismiss(job)
        assert not job.folder.exists() and jobs.is_gone(job)
        with pytest.raises(HTTPException, match="404"):
            jobs.get(job.id)

    with_jobs(tmp_path, test)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_that_is_killed_is_one_line_and_the_next_file_is_taken(long_clip: Path, tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        job = await until_told(await received(jobs, long_clip), "frames_done")
        (pid,) = workers()
        os.kill(pid, signal.SIGKILL)
        await until(job, State.FAILED)
        assert job.status == 500 and "long.mkv: the process that read it was killed (SIGKILL)" in (job.reason or "")
        assert list(job.folder.iterdir()) == []
        await until(await received(jobs, PHOTO), State.DONE)

    with_jobs(tmp_path, test)


def test_cancelled_at_work_and_waiting(long_clip: Path, tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        first = await until_told(await received(jobs, long_clip), "frames_done")
        second, third = [await received(jobs, long_clip) for _ in range(2)]
        assert [jobs.document(job)["ahead"] for job in (first, second, third)] == [0, 1, 2]
        version = third.version
        await jobs.dismiss(second)
        assert jobs.document(third)["ahead"] == 1 and third.version > version
        await jobs.dismiss(first)
        assert not first.folder.exists() and first.reason == "long.mkv: was cancelled"
        await until(third, State.WORKING)

    with_jobs(tmp_path, test)


def test_who_vanishes_is_waited_for_half_a_minute_and_who_has_done_ten(long_clip: Path, tmp_path: Path) -> None:
    clock = Clock()

    async def test(jobs: Jobs) -> None:
        done = await until(await received(jobs, PHOTO), State.DONE)
        watched, away, announced = await received(jobs, long_clip), await received(jobs, long_clip), None
        announced = jobs.create("never sent.mp4", 10, RunOptions())
        await until_told(watched, "frames_done")
        watched.watchers = 1
        clock.now_s = 29.0
        await jobs.sweep()
        assert len(jobs) == 4
        clock.now_s = 31.0
        await jobs.sweep()
        assert jobs.is_gone(away) and jobs.is_gone(announced) and not away.folder.exists()
        watched.watchers = 0
        await jobs.sweep()
        assert jobs.is_gone(watched) and workers() == []
        clock.now_s = 599.0
        await jobs.sweep()
        assert jobs.get(done.id) is done
        clock.now_s = 599.0 + 601.0
        await jobs.sweep()
        assert len(jobs) == 0 and not done.folder.exists()

    with_jobs(tmp_path, test, clock=clock)


REFUSED = [
    (Limits(clip_s=5.0), 413, "is longer than the"),
    (Limits(clip_pixels=100 * 100), 413, "its pictures are too large, 640x360"),
    (Limits(work_s=0.2), 413, "took longer than"),
]


@pytest.mark.parametrize(("limits", "status", "reason"), REFUSED, ids=["duration", "pixels", "time"])
def test_more_than_is_taken(limits: Limits, status: int, reason: str, tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        job = await until(await received(jobs, CLIP), State.FAILED)
        assert job.status == status and (job.reason or "").startswith(f"astronaut.mp4: {reason}")

    with_jobs(tmp_path, test, limits)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_memory_and_output_are_limited(tmp_path: Path) -> None:
    async def without_memory(jobs: Jobs) -> None:
        job = await until(await received(jobs, CLIP), State.FAILED)
        assert job.reason and "\n" not in job.reason  # who runs out of memory first has a say of its own

    async def without_room(jobs: Jobs) -> None:
        job = await until(await received(jobs, CLIP), State.FAILED)
        assert job.status == 507 and (job.reason or "").startswith("astronaut.annotated.mp4: ")
        assert "partial" not in (job.reason or "")

    with_jobs(tmp_path, without_memory, Limits(memory_bytes=100 * 2**20))
    with_jobs(tmp_path, without_room, Limits(output_bytes=100_000))


def test_a_damaged_clip_and_a_model_that_is_none(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(CLIP.read_bytes()[:2000])
    model = tmp_path / "model.onnx"
    model.write_bytes(b"nonsense")
    folder = tmp_path / "jobs"
    folder.mkdir()

    async def test(jobs: Jobs) -> None:
        job = await until(await received(jobs, damaged), State.FAILED)
        assert job.status == 415 and (job.reason or "").startswith("damaged.mp4: not a video")
        run = RunOptions(engine=EngineOptions(model=model))
        job = await until(await received(jobs, PHOTO, run), State.FAILED)
        assert job.status == 422 and "onnxruntime cannot load it" in (job.reason or "")

    with_jobs(folder, test)


def test_refused_while_it_comes(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65_536)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"\xff\xd8\xff"
        await asyncio.sleep(PATIENCE_S)

    async def broken() -> AsyncIterator[bytes]:
        yield b"\xff\xd8\xff"
        raise ConnectionError

    async def test(jobs: Jobs) -> None:
        for size, body, status in (
            (10**6, endless(), 400),
            (10**6, stuck(), 408),
            (3, pieces(b"\xff\xd8\xff\xe0"), 400),
            (5, pieces(b"hello"), 415),
        ):
            job = jobs.create("a.jpg", size, RunOptions())
            with pytest.raises(HTTPException) as refused:
                await jobs.receive(job, body)
            assert (refused.value.status_code, job.status) == (status, status)
            assert refused.value.detail.startswith("a.jpg: ") and not job.folder.exists()
        job = jobs.create("a.jpg", 10**6, RunOptions())
        with pytest.raises(ConnectionError):
            await jobs.receive(job, broken())
        assert len(jobs) == 0
        with pytest.raises(HTTPException, match=r"b\.mp4: is too large, 3\.0 MB; at most 2\.0 MB"):
            jobs.create("b.mp4", 3 * 10**6, RunOptions())

    with_jobs(tmp_path, test, replace(Limits(), upload_bytes=2 * 10**6, stalled_s=0.1))


def test_a_server_takes_so_many_and_a_file_once(tmp_path: Path) -> None:
    async def test(jobs: Jobs) -> None:
        job = await received(jobs, CLIP)
        with pytest.raises(HTTPException, match="409"):
            await jobs.receive(job, pieces(b"again"))
        jobs.create("b.mp4", 1, RunOptions())
        with pytest.raises(HTTPException, match="429: 2 files are open"):
            jobs.create("c.mp4", 1, RunOptions())

    with_jobs(tmp_path, test, Limits(held=2))


SERVER = """
import asyncio, sys, time
from pathlib import Path
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.web.jobs import Jobs
from fer_live.realtime.web.task import Limits

async def body(path):
    yield path.read_bytes()

async def main(path, parent):
    jobs = Jobs(Limits(), parent)
    job = jobs.create(path.name, path.stat().st_size, RunOptions())
    await jobs.receive(job, body(path))
    while "frames_done" not in job.told:
        await job.changed_since(job.version)
    print("at work", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def is_alive(pid: str) -> bool:
    """An orphan that ended may stay in the table for ever: not every first process of a container takes it out."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
def test_a_worker_ends_with_its_server_and_the_next_one_cleans_up(long_clip: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(long_clip), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None and server.stdout.readline() == "at work\n"
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        server.kill()
    assert len(children) == 1 and list(tmp_path.iterdir())
    give_up_s = time.monotonic() + PATIENCE_S
    while is_alive(children[0]):
        assert time.monotonic() < give_up_s
        time.sleep(0.05)
    Jobs(Limits(), tmp_path)
    assert list(tmp_path.iterdir()) == []
