"""The tab "Live": its WebSocket, and what a page may ask for there.

    WS /live/watch

The page sends ``{"do": …}``: ``next`` (ready for another picture), ``source`` (``key``), ``setup`` (any of ``model``,
``detector``, ``smooth``, ``verify_eyes``), ``pause`` (``on``), ``again``, ``offer``; and, while the browser's own
camera is the source, JPEG pictures. It gets pictures (:class:`~.shown.Shown`) and ``{"kind": …}``: ``offer`` (what can
be chosen), ``state``, ``figures``, ``error``, and ``send`` (the next picture of the browser's camera may come).

All who look at a source of this computer see the same run. A browser's camera has a run of its own, which nobody else
sees.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from fer_live.cli_errors import one_line
from fer_live.errors import FerLiveError, SourceError

from .browser_camera import BrowserCamera
from .choices import chosen, detectors, models, sources
from .settings import Settings
from .show import Show
from .viewer import Viewer

__all__ = ["MOST_OWN", "MOST_VIEWERS", "Live"]

MOST_VIEWERS = 32
"""WebSockets at once."""

MOST_OWN = 4
"""Of them, those whose browser's camera is looked at."""

_TRY_LATER = 1013  # RFC 6455's registry


class Live:
    """Its route, and the runs behind it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared: Show | None = None
        self._visits: set[_Visit] = set()

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Under ``/live``."""
        return [WebSocketRoute("/live/watch", self._watch)]

    async def close(self) -> None:
        """End the runs."""
        shows = {visit.show for visit in self._visits} | ({self._shared} if self._shared is not None else set())
        for show in shows:
            await show.close()

    @property
    def shared(self) -> Show:
        """What all see who look at a source of this computer."""
        if self._shared is None:  # not before there is an event loop
            run = self._settings.run
            source = None if run.source is None else "given"
            self._shared = Show(self._settings, run, source)
        return self._shared

    @property
    def own(self) -> int:
        """How many look through a camera of their own."""
        return sum(visit.camera is not None for visit in self._visits)

    async def _watch(self, socket: WebSocket) -> None:
        await socket.accept()
        if len(self._visits) >= MOST_VIEWERS:
            await socket.close(_TRY_LATER, f"{MOST_VIEWERS} pages look already")
            return
        visit = _Visit(self, self._settings, Viewer(socket))
        self._visits.add(visit)
        sending = asyncio.create_task(visit.viewer.send())
        try:
            await visit.begin()
            while True:
                await _take(visit, await socket.receive())
        except WebSocketDisconnect:
            pass
        finally:
            self._visits.discard(visit)
            sending.cancel()
            await visit.end()
            await asyncio.gather(sending, return_exceptions=True)


async def _take(visit: _Visit, message: Any) -> None:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    if (jpeg := message.get("bytes")) is not None:
        if visit.camera is not None:
            visit.camera.put(jpeg)
        return
    try:
        asked = json.loads(message["text"])
        await visit.do(asked.pop("do"), asked)
    except FerLiveError as error:
        visit.viewer.tell("error", {"error": one_line(error)})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        visit.viewer.tell("error", {"error": f"that can't be asked for: {one_line(error)}"})


class _Visit:
    """A page, and what it looks at."""

    def __init__(self, live: Live, settings: Settings, viewer: Viewer) -> None:
        self.viewer = viewer
        self.show = live.shared
        self.camera: BrowserCamera | None = None
        self._live, self._settings = live, settings

    async def begin(self) -> None:
        """Look at what all see."""
        await self._offer()
        self.show.enter(self.viewer)

    async def end(self) -> None:
        """Look no more."""
        self.show.leave(self.viewer)
        self.viewer.show(None)
        if self.camera is not None:
            self.camera.end()
            self.camera = None
            await self.show.close()

    async def do(self, what: str, asked: dict[str, Any]) -> None:
        """What the page asks for.

        Raises:
            FerLiveError: it cannot be had.
            ValueError: there is no such thing to ask for; or KeyError or TypeError.
        """
        match what:
            case "next":
                self.viewer.ready()
            case "pause":
                self.show.pause(bool(asked["on"]))
            case "again":
                self.show.begin()
            case "source" if asked["key"] == "browser":
                await self._look_through_own_camera()
            case "source":
                await self._look_at(asked["key"])
            case "setup":
                engine = await asyncio.to_thread(chosen, self._settings, self.show.engine, asked)
                self.show.change(engine)
            case "offer":
                await self._offer()
            case _:
                raise ValueError(f"there is no {what!r}")

    async def _offer(self) -> None:
        offered_models = await asyncio.to_thread(models, self._settings)
        offered_sources = await asyncio.to_thread(sources, self._settings)
        self.viewer.tell(
            "offer",
            {
                "models": [[model.key, model.name] for model in offered_models],
                "detectors": detectors(),
                "sources": [[source.key, source.name] for source in offered_sources],
            },
        )

    async def _look_at(self, key: object) -> None:
        offered = {source.key: source for source in await asyncio.to_thread(sources, self._settings)}
        if not isinstance(key, str) or key not in offered:
            raise SourceError("that source is not offered (any more); choose another")
        shared = self._live.shared
        if self.show is not shared:
            await self.end()
            self.show = shared
            if shared.keys["source"] == key:
                shared.enter(self.viewer)
                return
            shared.choose(offered[key].wanted, key)
            shared.enter(self.viewer)
        else:
            shared.choose(offered[key].wanted, key)

    async def _look_through_own_camera(self) -> None:
        if self.camera is None and self._live.own >= MOST_OWN:
            raise SourceError(f"{MOST_OWN} browsers' cameras are looked at already; try again later")
        await self.end()
        loop = asyncio.get_running_loop()
        self.camera = camera = BrowserCamera(lambda: loop.call_soon_threadsafe(self._may_send, camera))
        options = replace(self.show.options, source=None)
        self.show = Show(self._settings, options, "browser", open_source=camera.open, lingers=False)
        self.show.enter(self.viewer)
        self._may_send(camera)

    def _may_send(self, camera: BrowserCamera) -> None:
        if camera is self.camera:
            self.viewer.tell("send", {})
