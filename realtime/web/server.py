"""The web server of the page: listens, says where, ends in good order."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import uvicorn

from fer_live.errors import DeviceError, SourceError
from fer_live.realtime.inference.classifier import OnnxClassifier
from fer_live.realtime.interruption import signals_of_closing
from fer_live.realtime.run_options import RunOptions
from fer_live.realtime.sources.network import is_address
from fer_live.realtime.sources.open_source import open_source

from .app import create_app
from .options import ServeOptions
from .settings import Settings

__all__ = ["address", "listen", "make_server", "serve"]

PING_S = 5.0
"""How often a WebSocket's other end is asked whether it is still there, and how long it may take to answer."""

END_S = 2
"""How long connections may take to close at the end."""

MOST_MESSAGE = 2 * 2**20
"""Bytes of a WebSocket message: a picture of the browser's camera takes less."""


def serve(options: ServeOptions, run: RunOptions) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        DeviceError: the address can't be listened on.
        FerLiveError: what the command line names can't be opened.
        KeyboardInterrupt: it was ended by Ctrl-C.
    """
    if options.needs_token and options.token is None:
        options = replace(options, token=secrets.token_urlsafe(24))
    _check(run)
    with listen(options.host, options.port) as listening:
        server = make_server(Settings(run, options.token, options.max_upload), options.host)
        where = address(options, listening.getsockname()[1])
        # The socket listens from here on, so that whoever reads the line may come.
        click.echo(f"fer-live: the page is at {where} (Ctrl-C ends)")
        # uvicorn ends in good order and then passes the signal on: SIGTERM ends as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        for number in signals_of_closing():  # which uvicorn leaves alone: what was uploaded would stay behind
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))
        with _opened(where, options) if options.open_browser else nullcontext():
            server.run([listening])


@contextmanager
def _opened(where: str, options: ServeOptions) -> Iterator[None]:
    """Open the page in the browser, on whose command line every user of the machine could read a token.

    So the browser is given a file that leads there and that only this user can read, until the server ends.
    """
    if options.token is None:
        webbrowser.open(where)
        yield
        return
    with TemporaryDirectory(prefix="fer-live-open-") as folder:
        leading = Path(folder) / "fer-live.html"
        leading.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(where)}">'
            "<title>fer-live</title>\n"
        )
        webbrowser.open(leading.as_uri())
        yield


def _check(run: RunOptions) -> None:
    """Tell now, not on the page, what is wrong with the command line; cameras stay off until somebody looks."""
    video = None if run.source is None else run.source.video
    if video == "-":
        raise SourceError("standard input can be read once, and a page begins anew: give a file or an address")
    if run.source is not None and video is not None and not is_address(video):
        with open_source(run.source) as source:
            run.engine.check_source(source.info)
    if run.engine.model is not None:
        OnnxClassifier(run.engine.model)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        DeviceError: it can't.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(where[:2], family=family, backlog=128)
    except OSError as error:
        # Python adds the address to what the system says, and names have errors of their own.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise DeviceError(
            f"{host} port {port} can't be listened on: {reason}; give another with --port, or --port 0 for any"
        ) from error


def address(options: ServeOptions, port: int) -> str:
    """Where a browser on this machine finds the page, its token included."""
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(options.host, options.host)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={options.token}" if options.token is not None else "")


def make_server(settings: Settings, host: str) -> uvicorn.Server:
    """A server of the page, to be run with a socket that listens."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings, host),
            ws="websockets-sansio",
            ws_max_size=MOST_MESSAGE,
            ws_max_queue=4,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
            http="h11",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=END_S,
        )
    )
