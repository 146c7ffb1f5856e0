"""A small server of live streams and files for tests: HTTP and RTSP; stopped, stalled and cut at will."""

from __future__ import annotations

import itertools
import re
import socket
import socketserver
import threading
from collections.abc import Collection
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_live.realtime.planes import pixels

from .clips import make_frame

__all__ = ["StreamServer"]

_SDP = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=live\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1\r
a=control:streamid=0\r
"""
_RTCP = range(200, 205)
_PORTS = re.compile(r"client_port=(\d+)-\d+")


class StreamServer:
    """Serves streams and files on one port of the loopback interface.

    - ``http://…/live.ts``: MPEG-TS with H.264; ``http://…/live.mjpeg``: Motion JPEG as network cameras send it;
    - ``rtsp://…/live``: H.264 by RTP, interleaved in RTSP's own connection (RFC 2326, section 10.12) or over UDP;
    - ``http://…/NAME``: a file of ``folder``, with its size; anything else is not found.

    The pictures are :func:`~.clips.make_frame`'s, numbered on and on whoever is connected.

    Args:
        folder: what files to serve; None for none.
        port: 0 for any that is free.
        size_wh: of the pictures; it may be changed, for the connections that come then.
        fps: pictures a second.
        rtp_over: how RTP may be asked for, "TCP" and "UDP"; anything else is refused as many cameras do (status 461).
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        size_wh: tuple[int, int] = (96, 64),
        fps: int = 50,
        rtp_over: Collection[str] = ("TCP",),
    ) -> None:
        self.folder, self.size_wh, self.fps, self.rtp_over = folder, size_wh, fps, rtp_over
        self.numbers = itertools.count()
        self.closing = threading.Event()
        self.flows = threading.Event()
        self.flows.set()
        self.requests: list[str] = []
        self._connections: set[Any] = set()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._connections.add(self.connection)
                try:
                    with suppress(OSError, av.FFmpegError):  # the other side has gone, or was cut off
                        _answer(self, outer)
                finally:
                    outer._connections.discard(self.connection)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="stream server")
        self._thread.start()

    def address(self, path: str) -> str:
        """Where a path is: by RTSP that of its live stream, else by HTTP."""
        return f"{'rtsp' if path == 'live' else 'http'}://127.0.0.1:{self.port}/{path}"

    def stall(self) -> None:
        """Send no more pictures, on connections that stay open."""
        self.flows.clear()

    def hang_up(self) -> None:
        """Cut all connections; new ones are welcome."""
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Cut all connections and stop listening; a second time does nothing."""
        if self.closing.is_set():
            return
        self._server.shutdown()
        self._server.socket.close()  # before anybody is cut off and comes again
        self.closing.set()
        self.flows.set()
        self.hang_up()
        self._server.server_close()  # waits for the threads of the connections
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _answer(handler: socketserver.StreamRequestHandler, server: StreamServer) -> None:
    rtp_to: list[tuple[str, int]] = []
    while line := handler.rfile.readline().decode().strip():
        fields = {}
        while header := handler.rfile.readline().decode().strip():
            name, _, value = header.partition(":")
            fields[name.lower()] = value.strip()
        server.requests.append(line)
        method, target, protocol = line.split()
        if protocol.startswith("HTTP"):
            _answer_http(handler, server, target.lstrip("/"))
            return
        if not _answer_rtsp(handler, server, method, target, fields, rtp_to):
            return


def _answer_http(handler: socketserver.StreamRequestHandler, server: StreamServer, name: str) -> None:
    def head(status: str, *fields: str) -> None:
        handler.wfile.write("\r\n".join([f"HTTP/1.1 {status}", *fields, "Connection: close", "", ""]).encode())

    file = None if server.folder is None else server.folder / name
    if name == "live.ts":
        head("200 OK", "Content-Type: video/mp2t")
        _send_pictures(_Writer(handler), server, "mpegts")
    elif name == "live.mjpeg":
        head("200 OK", "Content-Type: multipart/x-mixed-replace;boundary=ffmpeg")
        _send_pictures(_Writer(handler), server, "mpjpeg")
    elif file is not None and file.is_file():
        data = file.read_bytes()
        head("200 OK", f"Content-Length: {len(data)}")
        handler.wfile.write(data)
    else:
        head("404 Not Found", "Content-Length: 0")


def _answer_rtsp(
    handler: socketserver.StreamRequestHandler,
    server: StreamServer,
    method: str,
    target: str,
    fields: dict[str, str],
    rtp_to: list[tuple[str, int]],
) -> bool:
    """Answer one request; whether more may come. ``rtp_to``: kept between requests, where RTP goes over UDP."""

    def reply(status: str, *more: str, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {fields.get('cseq', '0')}", *more, f"Content-Length: {len(body)}"]
        handler.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    if not target.split("?")[0].rstrip("/").endswith(("/live", "/live/streamid=0")):
        reply("404 Not Found")
        return True
    transport = fields.get("transport", "")
    match method:
        case "OPTIONS":
            reply("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        case "DESCRIBE":
            reply("200 OK", "Content-Type: application/sdp", f"Content-Base: {target}/", body=_SDP)
        case "SETUP" if "interleaved" in transport and "TCP" in server.rtp_over:
            reply("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1")
        case "SETUP" if (ports := _PORTS.search(transport)) and "UDP" in server.rtp_over:
            rtp_to.append((handler.client_address[0], int(ports[1])))
            reply("200 OK", f"Transport: RTP/AVP;unicast;{ports[0]};server_port=6970-6971", "Session: 1")
        case "SETUP":
            reply("461 Unsupported Transport")
        case "PLAY":
            reply("200 OK", "Session: 1")
            _send_pictures(_Datagrams(handler, rtp_to[0]) if rtp_to else _Interleaved(handler), server, "rtp")
            return False
        case _:
            reply("200 OK")
            return False
    return True


class _Writer:
    """What PyAV needs of a file that it writes to."""

    def __init__(self, handler: socketserver.StreamRequestHandler) -> None:
        self._handler = handler

    def write(self, data: bytes) -> int:
        return self._handler.wfile.write(data)

    def close(self) -> None:
        """Nothing: the connection is its handler's."""


class _Interleaved(_Writer):
    """Each write is one packet of RTP or RTCP, and goes out with its channel and its length."""

    def write(self, data: bytes) -> int:
        channel = 1 if data[1] in _RTCP else 0
        super().write(b"$" + bytes([channel]) + len(data).to_bytes(2) + data)
        return len(data)


class _Datagrams(_Writer):
    """Each write is one packet of RTP or RTCP; RTCP's port is the one after RTP's."""

    def __init__(self, handler: socketserver.StreamRequestHandler, rtp_to: tuple[str, int]) -> None:
        super().__init__(handler)
        self._host, self._port = rtp_to
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def write(self, data: bytes) -> int:
        return self._socket.sendto(data, (self._host, self._port + (data[1] in _RTCP)))

    def close(self) -> None:
        self._socket.close()


def _send_pictures(file: _Writer, server: StreamServer, kind: str) -> None:
    width, height = server.size_wh
    options = {"packetsize": "1200"} if kind == "rtp" else {"flush_packets": "1"}
    container = av.open(file, "w", format=kind, container_options=options)
    try:
        stream = _stream(container, kind, server)
        for position in itertools.count():
            if server.closing.wait(1 / server.fps):
                return
            server.flows.wait()
            given = make_frame(width, height, next(server.numbers))
            picture = VideoFrame(width, height, stream.pix_fmt or "yuv420p")
            for plane, values in zip(picture.planes, (given.y, given.u, given.v), strict=True):
                pixels(plane)[:] = values
            picture.pts, picture.time_base = position, Fraction(1, server.fps)
            container.mux(stream.encode(picture))
    finally:
        with suppress(OSError, av.FFmpegError):
            container.close()
        file.close()


def _stream(container: av.container.OutputContainer, kind: str, server: StreamServer) -> VideoStream:
    if kind == "mpjpeg":
        stream = container.add_stream("mjpeg", server.fps)
        stream.pix_fmt = "yuvj420p"
    else:
        stream = container.add_stream(
            "libx264", server.fps, {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "g": "10"}
        )
        stream.pix_fmt = "yuv420p"
    stream.width, stream.height = server.size_wh
    return stream
