from pathlib import Path

import av
import pytest

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
