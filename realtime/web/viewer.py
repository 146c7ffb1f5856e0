"""Somebody who looks: what is on its way to one page, never more than the page can take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from .shown import Shown

__all__ = ["Viewer"]


class Viewer:
    """Sends to a page over its WebSocket; all methods on the event loop's thread.

    Of each kind of message only the newest is kept, and a picture is sent only when the page asked for the next one:
    who is slow sees fewer of them, and each is fresh.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._told: dict[str, Mapping[str, Any]] = {}
        self._shown: Shown | None = None
        self._is_ready = False
        self._changed = asyncio.Event()

    def tell(self, kind: str, message: Mapping[str, Any]) -> None:
        """Send a message of this kind, unless a newer one of it comes before it was sent."""
        self._told.pop(kind, None)  # so that the newest comes last
        self._told[kind] = message
        self._changed.set()

    def show(self, shown: Shown | None) -> None:
        """Send this picture if it is still the newest when the page is ready; None: there is none any more."""
        self._shown = shown
        self._changed.set()

    def ready(self) -> None:
        """The page has dealt with the last picture and wants the next one."""
        self._is_ready = True
        self._changed.set()

    async def send(self) -> None:
        """Send what comes, until the page has gone."""
        with suppress(WebSocketDisconnect):
            while True:
                await self._changed.wait()
                self._changed.clear()
                while self._told:
                    kind = next(iter(self._told))
                    await self._socket.send_json({"kind": kind, **self._told.pop(kind)})
                if self._shown is not None and self._is_ready:
                    shown, self._shown, self._is_ready = self._shown, None, False
                    await self._socket.send_bytes(await asyncio.to_thread(shown.message))
