"""Opening what has an address: which addresses are known, how long to wait, what to say of errors."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit, urlunsplit

import av
import av.container

from fer_live.errors import SourceError
from fer_live.realtime.containers import duration_of, is_still_image, picture_stream, refuse_text

__all__ = [
    "OPEN_S",
    "STALL_S",
    "is_address",
    "is_always_live",
    "is_finite",
    "open_address",
    "shown_address",
    "silence_hint",
]

OPEN_S = 10.0
"""How long an address may take to be opened; IP cameras are slow."""

STALL_S = 5.0
"""After so long without a picture a stream is taken for lost."""

_LIVE = frozenset({"rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp"})
_PERHAPS_LIVE = frozenset({"http", "https"})

# Without a bound on the analysis FFmpeg collects seconds of MPEG-TS, in case further streams turn up.
_OPTIONS = {"analyzeduration": "1000000"}
_OPTIONS_OF = {
    # A file whose transfer breaks off is read on from there, where the server tells its size and knows ranges.
    **{scheme: {"reconnect": "1", "reconnect_delay_max": "4"} for scheme in _PERHAPS_LIVE},
    # Over UDP, which is tried first else, lost packets smear the picture, and firewalls make it wait for nothing.
    # Some cameras have nothing but UDP: it is what is tried where TCP is refused (status 461).
    "rtsp": {"rtsp_flags": "prefer_tcp"},
    "rtsps": {"rtsp_transport": "tcp"},
    # A reader that was too slow for a moment loses packets, not the stream.
    "udp": {"overrun_nonfatal": "1", "fifo_size": "50000"},
}


def is_address(text: str) -> bool:
    """Whether this is an address such as ``rtsp://…``, not a file's path."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.lower() in _LIVE | _PERHAPS_LIVE


def is_always_live(address: str) -> bool:
    """Whether what has such an address can only be live, by its protocol."""
    return urlsplit(address).scheme in _LIVE


def shown_address(address: str) -> str:
    """The address without its password, for messages and titles."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{place}"))


def open_address(address: str, *, open_s: float = OPEN_S, stall_s: float = STALL_S) -> av.container.InputContainer:
    """Open what has an address. Reading from it later raises ``av.ExitError`` after ``stall_s`` without data.

    Raises:
        SourceError: it cannot be opened, or is nothing that can be read.
    """
    options = _OPTIONS | _OPTIONS_OF.get(urlsplit(address).scheme, {})
    try:
        container = av.open(address, "r", options=options, timeout=(open_s, stall_s), metadata_errors="replace")
    except (OSError, ValueError, av.FFmpegError) as error:
        raise SourceError(f"{shown_address(address)}: {_reason(address, error, open_s)}") from error
    return refuse_text(container, shown_address(address))


def is_finite(container: av.container.InputContainer, address: str) -> bool:
    """Whether this is an ordinary file: the server tells its size, or the container how long it lasts."""
    stream = picture_stream(container, shown_address(address))
    return is_still_image(container) or bool(duration_of(container, stream)) or container.size > 0


def silence_hint(address: str) -> str:
    """What to check, beside the server, where an address opens but nothing comes; to be added to a message."""
    if urlsplit(address).scheme != "rtsp":
        return ""
    return "; if it sends over UDP only, check that the firewall lets UDP through"


def _reason(address: str, error: Exception, open_s: float) -> str:
    check = "check the address and that the server is running"
    scheme = urlsplit(address).scheme
    match error:
        case ConnectionRefusedError():
            return f"connection refused; {check}"
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return "access denied; give the user name and password as in rtsp://USER:PASSWORD@HOST/…"
        case av.error.HTTPNotFoundError():
            return "the server has nothing there (404 Not Found); check the path in the address"
        case av.error.ExitError():
            return f"nothing came within {open_s:g} s; {check}{silence_hint(address)}"
        case av.error.InvalidDataError():
            return "what comes is not a video or image that can be read; check the address"
        case av.error.ProtocolNotFoundError():
            return f"{scheme} is not supported by this build of FFmpeg; use another protocol"
        case OSError(errno=errno.EPROTONOSUPPORT) if scheme == "rtsp":
            return "the server offers its stream neither over TCP nor over UDP (461 Unsupported Transport)"
    if not _host_is_known(address):
        return "no such host, or no network; check the address"
    reason = (error.strerror if isinstance(error, (OSError, av.FFmpegError)) else None) or str(error)
    return f"cannot be opened ({reason}); {check}"


def _host_is_known(address: str) -> bool:
    try:
        host = urlsplit(address).hostname
        return not host or bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError, ValueError):
        return False
