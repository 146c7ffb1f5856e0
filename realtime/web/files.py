"""The tab "Photo or clip": what the page asks of it.

    GET    /files                      what can be chosen, and the limits
    POST   /files                      announce a file: {"name", "size", "options"}; its id
    PUT    /files/ID                   the file's bytes, as they are
    GET    /files/ID                   how it stands
    WS     /files/ID/watch             the same, whenever it changes; says too that somebody is still there
    GET    /files/ID/faces, /thumbs    what the page shows of it
    GET    /files/ID/outputs/KEY       a file that came of it; ?view=1 to be shown, not saved
    DELETE /files/ID                   end it, and delete all of it

Who knows an id may do all of this with it, and nobody else can: nothing lists them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from fer_live.errors import FerLiveError
from fer_live.realtime.engine_options import EngineOptions

from .choices import chosen, detectors, keys_of, models
from .jobs import Job, Jobs
from .outputs import FACES, THUMBS, stem_of
from .settings import Settings
from .task import Limits

__all__ = ["Files"]

MOST_ANNOUNCED = 16_384
"""Bytes of what announces a file."""

MOST_WATCHERS = 8
"""Pages that watch one file."""

LEAST_PAUSE_S = 0.1
"""Between two messages to a page that watches."""


class Files:
    """Its routes, under ``/files``, and the work behind them.

    Args:
        settings: of the server.
        limits: of uploads; None for the usual ones.
    """

    def __init__(self, settings: Settings, limits: Limits | None = None) -> None:
        self._settings = settings
        self._limits = usual_limits(settings) if limits is None else limits
        self._jobs = Jobs(self._limits)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Under ``/files``."""
        return [
            Route("/files", self._choices, methods=["GET"]),
            Route("/files", self._announce, methods=["POST"]),
            Route("/files/{id}", self._receive, methods=["PUT"]),
            Route("/files/{id}", self._state, methods=["GET"]),
            Route("/files/{id}", self._dismiss, methods=["DELETE"]),
            WebSocketRoute("/files/{id}/watch", self._watch),
            Route("/files/{id}/faces", self._faces, methods=["GET"]),
            Route("/files/{id}/thumbs", self._thumbs, methods=["GET"]),
            Route("/files/{id}/outputs/{key}", self._output, methods=["GET"]),
        ]

    async def close(self) -> None:
        """End and delete all uploads."""
        await self._jobs.close()

    async def _choices(self, _: Request) -> Response:
        settings = self._settings
        return JSONResponse(
            {
                "models": [[model.key, model.name] for model in models(settings)],
                "detectors": detectors(),
                "chosen": keys_of(settings, settings.run.engine),
                "upload_bytes": self._limits.upload_bytes,
                "clip_minutes": self._limits.clip_s / 60,
                "kept_minutes": self._limits.kept_s / 60,
            }
        )

    async def _announce(self, request: Request) -> Response:
        announced = await _announced(request)
        engine = await asyncio.to_thread(self._engine, announced.options)
        job = self._jobs.create(announced.name, announced.size, replace(self._settings.run, engine=engine))
        return JSONResponse(self._document(job), 201)

    def _engine(self, wanted: dict[str, Any]) -> EngineOptions:
        """What the command line said, changed by what was chosen on the page."""
        try:
            engine = chosen(self._settings, self._settings.run.engine, wanted)
        except (FerLiveError, ValueError) as error:
            raise HTTPException(400, str(error)) from error
        return replace(engine, target_latency=None)  # for the live view; a file is never late

    async def _receive(self, request: Request) -> Response:
        job = self._job(request)
        declared = request.headers.get("content-length")
        if declared is not None and declared != str(job.size):
            await self._jobs.dismiss(job)
            raise HTTPException(400, f"{job.name}: {job.size} bytes were announced and {declared} are sent")
        try:
            await self._jobs.receive(job, request.stream())
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return JSONResponse(self._jobs.document(job), 202)

    async def _state(self, request: Request) -> Response:
        return JSONResponse(self._document(self._job(request)))

    async def _dismiss(self, request: Request) -> Response:
        await self._jobs.dismiss(self._job(request))
        return Response(status_code=204)

    async def _watch(self, socket: WebSocket) -> None:
        try:
            job = self._jobs.get(socket.path_params["id"])
            if job.watchers >= MOST_WATCHERS:
                raise HTTPException(429, f"{MOST_WATCHERS} pages watch this file already")
        except HTTPException as error:
            await socket.send_denial_response(JSONResponse({"error": error.detail}, error.status_code))
            return
        job.watchers += 1
        try:
            await self._watched(socket, job)
        finally:
            job.watchers -= 1
            with suppress(HTTPException):
                self._jobs.get(job.id)  # seen until now

    async def _watched(self, socket: WebSocket, job: Job) -> None:
        await socket.accept()
        left = asyncio.create_task(_until_left(socket))
        try:
            await self._tell_changes(socket, job, left)
        finally:
            left.cancel()

    async def _tell_changes(self, socket: WebSocket, job: Job, left: asyncio.Task[None]) -> None:
        while not left.done():
            version = job.version
            with suppress(WebSocketDisconnect, RuntimeError):
                await socket.send_json(self._document(job))
            if self._jobs.is_gone(job):
                await socket.close()
                return
            changed = asyncio.create_task(job.changed_since(version))
            await asyncio.wait({changed, left}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            await asyncio.sleep(LEAST_PAUSE_S)

    async def _faces(self, request: Request) -> Response:
        return self._inner(self._job(request), FACES, "application/json")

    async def _thumbs(self, request: Request) -> Response:
        return self._inner(self._job(request), THUMBS, "image/jpeg")

    def _inner(self, job: Job, name: str, media_type: str) -> Response:
        path = job.file(name)
        if path is None:
            raise HTTPException(404, f"{job.name}: there is nothing to show (yet)")
        return FileResponse(path, media_type=media_type)

    async def _output(self, request: Request) -> Response:
        job = self._job(request)
        found = next(((o, path) for o, path in job.outputs if o.key == request.path_params["key"]), None)
        if found is None:
            raise HTTPException(404, f"{job.name}: there is no such output (yet)")
        output, path = found
        # Shown in the page are pictures and videos; a document of ours opened on our own address is none of them.
        view = "view" in request.query_params and output.key in ("picture", "video")
        return FileResponse(
            path,
            media_type=output.media_type,
            filename=stem_of(job.name) + output.suffix,
            content_disposition_type="inline" if view else "attachment",
        )

    def _job(self, request: Request) -> Job:
        return self._jobs.get(request.path_params["id"])

    def _document(self, job: Job) -> dict[str, Any]:
        outputs = [
            {
                "key": output.key,
                "title": output.title,
                "name": stem_of(job.name) + output.suffix,
                "bytes": path.stat().st_size,
                "href": f"/files/{job.id}/outputs/{output.key}",
            }
            for output, path in job.outputs
        ]
        return {**self._jobs.document(job), "outputs": outputs}


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that is about to be sent. ``size``: bytes. ``options``: what was chosen, see :func:`~.choices.chosen`."""

    name: str
    size: int
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or type(self.size) is not int or not 0 <= self.size < 2**53:
            raise ValueError("name must be a text, and size a number of bytes")
        if not isinstance(self.options, dict):
            raise ValueError("options must be an object")


async def _announced(request: Request) -> Announced:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_ANNOUNCED:
            raise HTTPException(413, "this announces a file and is far too long for that; send the file with PUT")
    try:
        return Announced(**json.loads(body))
    except (RecursionError, TypeError, ValueError) as error:
        raise HTTPException(400, f"this announces no file: {error}") from error


async def _until_left(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.receive_text()


def usual_limits(settings: Settings) -> Limits:
    """As the command line and this machine say."""
    return Limits(upload_bytes=settings.max_upload_mb * 10**6, at_work=max(1, min(2, (os.cpu_count() or 1) // 4)))
