"""Who may talk to the page, and what a browser may do with it: every request and WebSocket passes here first.

- *Host*: without a token only names of this machine are answered, so that no foreign name that was pointed at
  127.0.0.1 (DNS rebinding) reaches us; with one, any address too, for a cookie belongs to the name that set it.
- *Origin*: what changes something, and every WebSocket, must come from our own page.
- *Token*: brought once as ``/?token=…``, which sets a cookie; or with each request as ``Authorization: Bearer …``.
- *Headers*: the browser loads nothing from elsewhere, runs no script that is not a file of ours, frames us nowhere and
  keeps nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard"]

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}

HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""Of every answer."""

_CHANGES_NOTHING = ("GET", "HEAD")


class Guard:
    """Lets through to an application what may pass.

    Args:
        app: what to guard.
        token: what a visitor must bring; None: nothing.
        host: the name that it was asked to listen on, answered to besides those that are known.
    """

    def __init__(self, app: ASGIApp, token: str | None, host: str) -> None:
        self._app, self._token = app, token
        own = socket.gethostname().lower()
        self._names = {"localhost"} | ({host.lower(), own, f"{own}.local"} if token is not None else set())
        # Not the token itself: a cookie that leaks is worth nothing after the next start.
        key = secrets.token_bytes(32)
        self._cookie = None if token is None else hmac.new(key, token.encode(), hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refused(scope, receive, send)
        else:
            await _refuse_websocket(refused, scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._knows(host):
            return JSONResponse({"error": f"this page does not answer to the name {host[:100]!r}"}, 421)
        changes = scope["type"] == "websocket" or scope["method"] not in _CHANGES_NOTHING
        if changes and _host_of(headers.get("origin", "")) != host.lower():
            return JSONResponse({"error": "only the page itself may ask for this (Origin)"}, 403)
        if self._token is None:
            return None
        cookie = f"fer-live-{(scope.get('server') or ('', 0))[1]}"
        brought = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["type"] == "http" and scope["path"] == "/" and brought and self._is_token(brought[-1]):
            return self._welcome(cookie)
        if self._is_token(headers.get("authorization", "").removeprefix("Bearer ")):
            return None
        if self._cookie is not None and hmac.compare_digest(_cookie(headers, cookie).encode(), self._cookie.encode()):
            return None
        told = "open the address with its token that fer-live printed when it started"
        return PlainTextResponse(f"{told}\n", 401, {"WWW-Authenticate": "Bearer"})

    def _knows(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return address.is_loopback or self._token is not None

    def _is_token(self, text: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _welcome(self, cookie: str) -> Response:
        """To the page without the token in its address, where it would stay in the history and in pictures of it."""
        response = RedirectResponse("/", 303)
        assert self._cookie is not None
        # Lax, not strict: a strict one is not sent after the redirect where the address was followed from a message.
        response.set_cookie(cookie, self._cookie, httponly=True, samesite="lax", path="/")
        return response


def _host_of(origin: str) -> str:
    """Name and port of an origin, nothing of what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending


async def _refuse_websocket(refused: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    if "websocket.http.response" in scope.get("extensions", {}):
        await refused(scope, receive, send)  # Starlette's responses name their messages after the scope
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
