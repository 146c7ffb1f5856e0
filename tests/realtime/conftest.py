import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    """A stage that outlives its run fails the test."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name.startswith("fer-live")]
    for thread in left:
        if thread.name == "fer-live feed":  # waited for a second only, and ends when the network lets it go
            thread.join(60)
    assert [thread.name for thread in left if thread.is_alive() or thread.name != "fer-live feed"] == []


def over_and_over(clip: Path, target: Path, times: int) -> Path:
    """A clip without sound so many times after itself, coded once only."""
    with av.open(target, "w") as written:
        shift = 0
        for _ in range(times):
            with av.open(clip) as source:
                video = source.streams.video[0]
                if not written.streams.video:
                    written.add_stream_from_template(video)
                packets = [packet for packet in source.demux(video) if packet.dts is not None]
                end = max(packet.pts + packet.duration for packet in packets)
                for packet in packets:
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = written.streams.video[0]
                    written.mux(packet)
                shift += end
    return target


@pytest.fixture(scope="session")
def looped() -> Callable[[Path, Path, int], Path]:
    return over_and_over


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven minutes with a face: no machine is done with it before a test wants to interrupt that."""
    return over_and_over(SAMPLES / "astronaut.mp4", tmp_path_factory.mktemp("long") / "long.mkv", 60)


@pytest.fixture
def display() -> Iterator[str]:
    """A screen that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as said:
        yield f":{said.readline().strip()}"
    screen.terminate()
    screen.wait(60)
