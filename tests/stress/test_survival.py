"""``--out`` when the run is killed, interrupted or out of disk at any moment: what plays, and what is left alone."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from fer_live.realtime.testing.fakes import make_clip, read_index

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="no signals, no resource limits"),
    pytest.mark.timeout(1800),
]

FRAMES, FPS = 2000, 25
LATE_S = 2  # what a killed run may lose: half a second in the fragment, the rest in the encoder
END_S = 120.0
OLD = b"an older result"

TELLING = """
import os, resource, sys
from fer_live.realtime.cli import main
from fer_live.realtime.sinks.video_file import VideoFileSink
most_bytes, pipe = int(sys.argv.pop(1)), int(sys.argv.pop(1))
if most_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
write = VideoFileSink.write
def tell(sink, result):
    write(sink, result)
    os.write(pipe, b"%d\\n" % result.frame.index)
VideoFileSink.write = tell
main()
"""
"""``fer-live`` that tells of each frame that was handed over to the sink."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    make_clip(path, frames=FRAMES, size_wh=(160, 120), fps=FPS, audio="aac")
    before = hashlib.sha256(path.read_bytes()).digest()
    yield path
    assert hashlib.sha256(path.read_bytes()).digest() == before, "the input was changed"


class Run:
    """A run of fer-live with its output in a folder of its own."""

    def __init__(self, clip: Path, model: Path, folder: Path, seed: int, *, most_bytes: int = 0) -> None:
        self.draw = random.Random(seed)
        folder.mkdir()
        suffix = self.draw.choice([".mp4", ".mp4", ".mov", ".mkv"])
        self.codec = self.draw.choice(["h264", "h264", "h264", "vp9"]) if suffix != ".mov" else "h264"
        self.out = folder / f"out{suffix}"
        self.partial = folder / f"out.partial{suffix}"
        self.has_old = self.draw.random() < 0.5
        if self.has_old:
            self.out.write_bytes(OLD)
        self.handed = -1
        options = ["--video", clip, "--out", self.out, "--model", model, "--codec", self.codec]
        read_end, write_end = os.pipe()
        self.told = os.fdopen(read_end)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TELLING, str(most_bytes), str(write_end), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[write_end],
            env={name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")},
        )
        os.close(write_end)

    def until(self, frames: int) -> None:
        """Wait until so many frames were handed over, or the end."""
        while self.handed + 1 < frames and (line := self.told.readline()):
            self.handed = int(line)

    def end(self) -> tuple[int, str]:
        """The exit code and what stood on stderr; ``handed`` is the last frame then."""
        for line in self.told:
            self.handed = int(line)
        _, stderr = self.process.communicate(timeout=END_S)
        return self.process.returncode, stderr

    def names(self) -> set[str]:
        return {path.name for path in self.out.parent.iterdir()}

    def is_target_untouched(self) -> bool:
        return self.out.read_bytes() == OLD if self.has_old else not self.out.exists()


@pytest.fixture
def started(clip: Path, tiny_model: Path, tmp_path: Path) -> Callable[..., object]:
    @contextmanager
    def start(seed: int, most_bytes: int = 0) -> Iterator[Run]:
        run = Run(clip, tiny_model, tmp_path / str(seed), seed, most_bytes=most_bytes)
        try:
            yield run
        finally:
            run.process.kill()
            run.process.communicate()
            run.told.close()

    return start


def played(path: Path) -> int:
    """How many frames a file plays; they are the first ones, in order."""
    with av.open(str(path)) as container:
        indexes = [read_index(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert indexes == list(range(len(indexes)))
    return len(indexes)


def counts(sample: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "count", [pytest.param(sample, id="sample"), pytest.param(40, id="all", marks=pytest.mark.stress)]
    )


@counts(sample=2)
def test_a_kill_at_any_moment_loses_two_seconds_at_most(started: Callable[..., object], count: int) -> None:
    for seed in range(count):
        with started(seed) as run:
            run.until(int(run.draw.triangular(1, FRAMES - 100, 200)))
            run.process.kill()
            code, _ = run.end()
            assert code == -signal.SIGKILL and run.is_target_untouched()
            lost = run.handed + 1 - (played(run.partial) if run.handed > LATE_S * FPS else 0)
            assert lost <= LATE_S * FPS, f"seed {seed}: {lost} of {run.handed + 1} frames, {run.codec}, {run.out}"


@counts(sample=1)
def test_a_signal_at_any_moment_leaves_a_complete_file_or_none(started: Callable[..., object], count: int) -> None:
    for seed in range(1000, 1000 + count):
        with started(seed) as run:
            run.until(run.draw.choice([1, run.draw.randrange(1, FRAMES)]))
            twice = run.draw.random() < 0.3
            for _ in range(1 + twice):
                run.process.send_signal(run.draw.choice([signal.SIGINT, signal.SIGTERM]))
            code, stderr = run.end()
            about = f"seed {seed}: {code}, {stderr!r}, {run.names()}"
            assert "Traceback" not in stderr, about
            assert code == 130 or (code == 0 and run.handed == FRAMES - 1), about
            if run.names() == {run.out.name} and not (twice and run.is_target_untouched()):
                assert played(run.out) == run.handed + 1, about
            else:  # the second signal ended it at once
                assert twice and run.is_target_untouched(), about
                assert run.partial.name not in run.names() or played(run.partial) > 0, about


@counts(sample=1)
def test_a_disk_that_fills_up_at_any_moment_is_told(started: Callable[..., object], count: int) -> None:
    for seed in range(2000, 2000 + count):
        most_bytes = int(10 ** random.Random(seed).uniform(2, 5.5))
        with started(seed, most_bytes) as run:
            code, stderr = run.end()
            about = f"seed {seed}, {most_bytes} bytes: {code}, {stderr!r}, {run.names()}"
            assert code == 1 and stderr.count("\n") == 1 and "File too large" in stderr, about
            assert run.is_target_untouched(), about
            if run.partial.exists():
                assert str(run.partial) in stderr and played(run.partial) > 0, about
            else:
                assert "partial" not in stderr, about
