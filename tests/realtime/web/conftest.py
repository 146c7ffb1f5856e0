import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
import pytest

from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.options import Wanted
from fer_live.realtime.web.server import listen, make_server
from fer_live.realtime.web.settings import Settings

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several minutes with a face: nothing is done with it before a test wants to interrupt that."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    with av.open(path, "w") as target:
        shift = 0
        for _ in range(60):
            with av.open(SAMPLES / "astronaut.mp4") as source:
                video = source.streams.video[0]
                if not target.streams.video:
                    target.add_stream_from_template(video)
                packets = [packet for packet in source.demux(video) if packet.dts is not None]
                end = max(packet.pts + packet.duration for packet in packets)
                for packet in packets:
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = target.streams.video[0]
                    target.mux(packet)
                shift += end
    return path


def showing(video: Path | None = None, **settings: object) -> Settings:
    """Settings of a page that was started with a file."""
    run = RunOptions(source=None if video is None else Wanted(video=str(video)))
    return Settings(run, **settings)


@contextmanager
def serving(settings: Settings, host: str = "127.0.0.1") -> Iterator[str]:
    """The page on a free port of this machine, from a thread; its address without a token."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = make_server(settings, host)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    return serving
