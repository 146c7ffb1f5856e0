"""Live streams from a real server on the loopback interface: stopped, started, stalled and cut."""

import itertools
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fer_live.errors import SourceError
from fer_live.realtime.datatypes import Frame
from fer_live.realtime.source_state import SourceState
from fer_live.realtime.sources.live import Backoff
from fer_live.realtime.sources.network import shown_address
from fer_live.realtime.sources.open_source import SourceOptions, open_source
from fer_live.realtime.sources.streams import StreamSource
from fer_live.realtime.testing.fakes import make_clip, make_frame, read_index
from fer_live.realtime.testing.stream_server import StreamServer

AT_ONCE = Backoff(first_s=0.02, most_s=0.1, steady_s=0)
NEVER = Backoff(give_up_s=0)
KINDS = ["live.ts", "live.mjpeg", "live"]


@pytest.fixture
def server() -> Iterator[StreamServer]:
    with StreamServer() as running:
        yield running


def take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(itertools.islice(frames, count))


def assert_in_order(frames: list[Frame]) -> None:
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].time_s == 0
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
    numbers = [read_index(frame.y) for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(numbers))


def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("path", KINDS)
def test_a_live_stream_gives_frames_by_the_clock(server: StreamServer, path: str) -> None:
    with open_source(SourceOptions(video=server.address(path))) as source:
        assert source.info.is_live and source.info.size_wh == (96, 64) and source.info.frame_count is None
        assert source.info.name == server.address(path)
        frames = take(iter(source), 10)
        assert not source.state.is_lost and source.warnings == ()
    assert_in_order(frames)
    reference = make_frame(96, 64, read_index(frames[3].y))
    expected = reference.y if frames[3].limited_range else (reference.y - 16.0) * 255 / 219
    assert np.abs(frames[3].y[16:].astype(float) - expected[16:]).mean() < (6 if frames[3].limited_range else 40)


@pytest.mark.parametrize("path", KINDS)
def test_a_stream_that_is_cut_comes_back(server: StreamServer, path: str) -> None:
    told: list[bool] = []
    with StreamSource(
        server.address(path), backoff=AT_ONCE, on_state=lambda state: told.append(state.is_lost)
    ) as source:
        given = iter(source)
        frames = take(given, 5)
        for changes, size_wh in [(2, (96, 64)), (4, (128, 64))]:
            server.size_wh = size_wh
            server.hang_up()
            while len(told) < changes:
                frames += take(given, 1)
            frames += take(given, 5)  # the first of them may have waited since before
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
    assert {frame.size_wh for frame in frames} == {(96, 64)}
    assert told[:4] == [True, False, True, False]
    assert re.search(r"was lost ([2-9]|\d\d+) times", source.warnings[0])
    # The wider picture is fitted in, with black above and below.
    assert frames[-1].y[:4].max() < 40 and frames[-1].y[20:40].mean() > 60


@pytest.mark.parametrize("path", KINDS)
def test_a_server_that_is_stopped_and_started_is_found_again(path: str) -> None:
    servers = [StreamServer(port=unused_port())]
    states: list[SourceState] = []

    def start_another(state: SourceState) -> None:
        states.append(state)
        if len(servers) == 1:
            servers.append(StreamServer(port=servers[0].port))

    try:
        with StreamSource(servers[0].address(path), backoff=AT_ONCE, on_state=start_another) as source:
            given = iter(source)
            frames = take(given, 5)
            closing = threading.Thread(target=servers[0].close)
            closing.start()
            while len(states) < 2:
                frames += take(given, 1)
            frames += take(given, 5)
            closing.join()
    finally:
        for server in servers[1:]:
            server.close()
    assert len(servers) == 2
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
    assert states[0].lost is not None and servers[0].address(path) in states[0].lost
    assert not states[1].is_lost


def test_a_stream_that_stalls_is_told_and_opened_again(server: StreamServer) -> None:
    lost = threading.Event()
    with StreamSource(
        server.address("live.mjpeg"), stall_s=0.3, backoff=AT_ONCE, on_state=lambda state: lost.set()
    ) as source:
        given = iter(source)
        take(given, 3)
        server.stall()
        threading.Thread(target=lambda: (lost.wait(), server.flows.set())).start()
        assert lost.wait(60) and len(take(given, 10)) == 10
    assert "was lost" in source.warnings[0]


@pytest.mark.parametrize("path", KINDS)
def test_pictures_before_a_stall_have_the_time_when_they_came(server: StreamServer, path: str) -> None:
    """FFmpeg's parsers hold the last ones back until the wait is over."""
    lost = threading.Event()
    sent_before: list[int] = []

    def go_on(_: SourceState) -> None:
        if not sent_before:
            sent_before.append(next(server.numbers))
            lost.set()
            server.flows.set()

    with StreamSource(server.address(path), stall_s=1, backoff=AT_ONCE, on_state=go_on) as source:
        given = iter(source)
        frames = take(given, 3)
        server.stall()
        while not lost.is_set() or read_index(frames[-1].y) <= sent_before[0]:
            frames += take(given, 1)
    last, first = ([f for f in frames if (read_index(f.y) > sent_before[0]) is after] for after in (False, True))
    assert first[0].time_s - last[-1].time_s >= 1


def test_without_reconnection_a_stall_and_a_cut_are_errors(server: StreamServer) -> None:
    with StreamSource(server.address("live.mjpeg"), stall_s=0.3, backoff=NEVER) as source:
        server.stall()
        with pytest.raises(SourceError, match=r"live\.mjpeg: nothing came for 0\.3 s$"):
            list(source)
    server.flows.set()
    with StreamSource(server.address("live.ts"), backoff=NEVER) as source:
        given = iter(source)
        take(given, 3)
        server.hang_up()
        with pytest.raises(SourceError, match=r"live\.ts: broke off"):
            list(given)


def test_giving_up_after_a_while_names_the_last_reason(server: StreamServer) -> None:
    backoff = Backoff(first_s=0.01, most_s=0.02, give_up_s=0.2)

    def close(_: SourceState) -> None:
        server.close()  # in the thread that reads: before its first try to come back

    with StreamSource(server.address("live.mjpeg"), stall_s=0.3, backoff=backoff, on_state=close) as source:
        server.stall()
        with pytest.raises(SourceError, match=r"connection refused; .*; gave up after 0\.2 s$"):
            list(source)
    with pytest.raises(SourceError, match="connection refused; check the address"):
        StreamSource(server.address("live.mjpeg"))


def test_waiting_for_a_stream_ends_when_asked(server: StreamServer) -> None:
    with StreamSource(server.address("live"), stall_s=2) as source:
        server.stall()
        given = iter(source)
        threading.Timer(0.1, source.stop).start()
        list(given)
        server.flows.set()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://127.0.0.1:{free}/live.ts", "connection refused; check the address"),
        ("rtsp://127.0.0.1:{free}/live", "connection refused; check the address"),
        ("rtmp://127.0.0.1:{free}/live/a", "connection refused; check the address"),
        ("http://there-is-no.invalid/live.ts", "no such host"),
        ("rtsp://me:secret@there-is-no.invalid/live", "no such host"),
        ("udp://127.0.0.1:{free}", "nothing came within 0.5 s"),
        ("http://127.0.0.1:{port}/none.mp4", "404 Not Found"),
        ("rtsp://127.0.0.1:{port}/none", "404 Not Found"),
        ("http://127.0.0.1:{port}/notes.txt", "not a video"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path, address: str, says: str) -> None:
    (tmp_path / "notes.txt").write_text("Just notes.\n" * 100)
    with StreamServer(tmp_path) as server:
        full = address.format(free=unused_port(), port=server.port)
        with pytest.raises(SourceError, match=says) as caught:
            if address.startswith("udp"):
                StreamSource(full, open_s=0.5)
            else:
                open_source(SourceOptions(video=full))
    message = str(caught.value)
    assert message.startswith(f"{shown_address(full)}: ") and "\n" not in message and "secret" not in message


def test_rtp_comes_over_udp_where_the_server_refuses_tcp() -> None:
    told: list[bool] = []
    with (
        StreamServer(rtp_over=("UDP",)) as server,
        StreamSource(
            server.address("live"), backoff=AT_ONCE, on_state=lambda state: told.append(state.is_lost)
        ) as source,
    ):
        given = iter(source)
        assert len(take(given, 5)) == 5
        server.hang_up()
        while len(told) < 2:
            take(given, 1)
        assert len(take(given, 5)) == 5
        setups = [line for line in server.requests if line.startswith("SETUP")]
    assert len(setups) == 4  # TCP first, each time


def test_tcp_is_preferred_to_udp() -> None:
    with StreamServer(rtp_over=("UDP", "TCP")) as server, StreamSource(server.address("live")) as source:
        assert len(take(iter(source), 5)) == 5
        assert sum(line.startswith("SETUP") for line in server.requests) == 1


def test_a_server_that_offers_rtp_over_nothing_is_told() -> None:
    with StreamServer(rtp_over=()) as server, pytest.raises(SourceError, match="neither over TCP nor over UDP"):
        StreamSource(server.address("live"))


def test_udp_that_does_not_get_through_is_told() -> None:
    with StreamServer(rtp_over=("UDP",)) as server:
        server.stall()
        with pytest.raises(SourceError, match=r"(nothing|no picture) came .* lets UDP through"):
            StreamSource(server.address("live"), open_s=0.5, stall_s=0.5)


def test_a_password_is_not_shown() -> None:
    assert shown_address("rtsp://me:secret@host:554/a?b=c") == "rtsp://me:***@host:554/a?b=c"
    assert shown_address("http://host/a@b:c") == "http://host/a@b:c"


def test_a_file_from_a_server_is_a_file(tmp_path: Path) -> None:
    times = make_clip(tmp_path / "clip.mp4", audio="aac", container_options={"movflags": "faststart"})
    with StreamServer(tmp_path) as server, open_source(SourceOptions(video=server.address("clip.mp4"))) as source:
        assert not source.info.is_live and source.info.frame_count == 30
        frames = list(source)
    assert [read_index(frame.y) for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=2e-5)
    assert source.warnings == ()


def test_a_file_from_a_server_can_be_left_midway(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", frames=100)
    with StreamServer(tmp_path) as server, open_source(SourceOptions(video=server.address("clip.mkv"))) as source:
        given = iter(source)
        assert len(take(given, 3)) == 3
        source.stop()
        assert len(list(given)) == 0


def test_a_file_whose_server_stalls_is_told_as_that(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    make_clip(clip, frames=200, size_wh=(320, 240), codec_options={"qp": "4"})
    data, left = clip.read_bytes(), threading.Event()

    class Stalling(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            left.wait()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            with open_source(SourceOptions(video=f"http://127.0.0.1:{http.server_port}/clip.mkv")) as source:
                assert len(list(source)) > 20
                assert "nothing came for 5 s" in source.warnings[0]
        finally:
            left.set()
            http.shutdown()


def test_a_file_whose_transfer_breaks_off_is_read_on(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    make_clip(clip, frames=200, size_wh=(320, 240), codec_options={"qp": "4"})
    data, asked = clip.read_bytes(), []

    class Breaking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            asked.append(first)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - first))
            self.end_headers()
            self.wfile.write(data[first : first + len(data) // 3])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with open_source(SourceOptions(video=f"http://127.0.0.1:{server.server_port}/clip.mkv")) as source:
                indexes = [read_index(frame.y) for frame in source]
                assert source.warnings == ()
        finally:
            server.shutdown()
    assert indexes == list(range(200))
    assert len(asked) > 2 and max(asked) > len(data) // 2
