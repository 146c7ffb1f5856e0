"""The web page: how it fits together.

    browser ──▶ Guard (security.py: who may come, what the browser may do)
                  └─▶ Starlette
                        ├─ /            static/index.html: the shell, a section and an ES module for each tab
                        ├─ /static/…    the rest of static/: style.css has the design tokens, light and dark
                        ├─ /live/…      live.py   Live, static/live.js    the tab "Live"
                        └─ /files/…     files.py  Files, static/files.js  the tab "Photo or clip"

Each tab is a :class:`Part`: a class that is made from the :class:`~.settings.Settings` and has the ``routes`` under
its own path, and ``close``, which ends all that it runs. Errors are told by ``HTTPException(status, "one line")``,
which is answered as JSON ``{"error": "one line"}``; a :class:`~fer_live.errors.FerLiveError` that gets here is a 422.

Rules of the page: no script and no style in the HTML, no ``innerHTML`` (the policy forbids strings that become HTML or
script: build elements, set ``textContent``), nothing from elsewhere, nothing kept. The server's own thread is the event
loop: what takes longer than a few milliseconds runs in another one or in another process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError

from .files import Files
from .live import Live
from .security import Guard
from .settings import Settings

__all__ = ["Part", "create_app"]

STATIC = Path(__file__).parent / "static"


class Part(Protocol):
    """What stands behind a tab."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Its routes, all under its own path."""

    async def close(self) -> None:
        """The server ends: end all that was begun."""


def create_app(settings: Settings, host: str = "127.0.0.1") -> ASGIApp:
    """The page as an ASGI application; ``host``: the name that it was asked to listen on."""
    parts: list[Part] = [Live(settings), Files(settings)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for part in parts:
            await part.close()

    app = Starlette(
        routes=[
            Route("/", _shell),
            *(route for part in parts for route in part.routes),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: _http_error, FerLiveError: _error},
        lifespan=lifespan,
    )
    return Guard(app, settings.token, host)


async def _shell(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))


async def _error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": one_line(error)}, 422)
