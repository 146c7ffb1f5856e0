"""Streams of a server that is not our own: GStreamer's, which many cameras run; stopped and started again."""

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.live import Backoff
from fer_live.realtime.sources.streams import StreamSource

SCRIPT = Path(__file__).with_name("gstreamer_rtsp_server.py")
PYTHON = shutil.which("python3", path="/usr/bin")  # GStreamer's bindings are the system's, not a virtual environment's


@contextmanager
def server(protocol: str, port: int = 0) -> Iterator[tuple[subprocess.Popen, int]]:
    with subprocess.Popen(
        [str(PYTHON), SCRIPT, str(port), protocol], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            if not line:
                pytest.skip(f"needs GStreamer's RTSP server: {process.stderr.read().strip().splitlines()[-1:]}")
            yield process, int(line)
        finally:
            process.kill()


@pytest.mark.skipif(PYTHON is None, reason="needs the system's Python")
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_a_server_of_gstreamer_is_read_lost_and_found_again(protocol: str) -> None:
    states: list[SourceState] = []
    with server(protocol) as (first, port):
        backoff = Backoff(first_s=0.05, most_s=0.2, steady_s=0)
        address = f"rtsp://127.0.0.1:{port}/live"
        with StreamSource(address, backoff=backoff, on_state=states.append) as source:
            given = iter(source)
            frames = list(itertools.islice(given, 10))
            first.kill()
            first.wait()
            with server(protocol, port):
                while len(states) < 2:
                    frames += itertools.islice(given, 1)
                frames += itertools.islice(given, 10)
            assert source.info.size_wh == (320, 240) and source.info.is_live
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
    # A white ball on black.
    assert all(frame.y.max() > 200 and frame.y.mean() < 60 for frame in frames[-5:])
    assert states[0].lost is not None and address in states[0].lost and not states[1].is_lost
