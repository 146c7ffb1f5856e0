"""Which cameras there are, what they can do, and what keeps this user from them. None is started."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_live.errors import SourceError
from fer_live.realtime.sources.camera_names import camera_names

from .findings import Finding, Mark

if TYPE_CHECKING:
    from .video4linux import Device, Mode

__all__ = ["cameras", "linux_cameras"]

_ASKED_WH = (1280, 720)  # by fer_live.realtime.sources.cameras
_SLOW_FPS = 15
_SYSFS = Path("/sys/class/video4linux")
_DEV = Path("/dev")
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def cameras() -> list[Finding]:
    """A finding for each camera; one that says so where there is none."""
    if platform.system() == "Linux":
        from .video4linux import describe, users_of

        return linux_cameras(_SYSFS, _DEV, describe, users_of)
    return _named_cameras()


def linux_cameras(
    sysfs: Path, dev: Path, describe: Callable[[Path], Device], users_of: Callable[[Path], list[str]]
) -> list[Finding]:
    """The cameras of Video4Linux.

    Args:
        sysfs: where the kernel lists them.
        dev: where their device files are.
        describe: what a driver says of a device file, see :mod:`.video4linux`; raises ``OSError``.
        users_of: which programs have a device file open.
    """
    numbers = sorted(camera_names(sysfs).items()) or [
        # Some containers have the device files without the list.
        (int(path.name.removeprefix("video")), path.name)
        for path in sorted(dev.glob("video[0-9]*"))
        if path.name.removeprefix("video").isdecimal()
    ]
    found = [_camera(number, name, dev / f"video{number}", describe, users_of) for number, name in numbers]
    return [finding for finding in found if finding is not None] or [Finding("cameras", Mark.NOTE, "none", _absence())]


def _camera(
    number: int, name: str, path: Path, describe: Callable[[Path], Device], users_of: Callable[[Path], list[str]]
) -> Finding | None:
    title = f"camera {number}"
    facts: dict[str, Any] = {"number": number, "name": name}
    try:
        device = describe(path)
    except PermissionError:
        told = f"{name}: permission denied for {path}{_owner(path)}"
        return Finding(title, Mark.WARNING, told, "camera-permission", facts)
    except FileNotFoundError:
        return Finding(title, Mark.WARNING, f"{name}: the kernel has it, but there is no {path}", _missing(), facts)
    except OSError as error:
        busy = error.errno == errno.EBUSY
        told = f"{name}: {path}: {error.strerror or error}"
        return Finding(title, Mark.WARNING, told, "camera-busy" if busy else "camera-fails", facts)
    if not device.gives_pictures:
        return None
    facts |= {
        "name": device.card or name,
        "driver": device.driver,
        "modes": [
            {"pixels": mode.pixels, "size_wh": list(mode.size_wh), "fps": [round(float(rate), 3) for rate in mode.fps]}
            for mode in device.modes
        ],
    }
    told = f"{device.card or name} ({device.driver}); {_modes_told(device.modes)}"
    if users := users_of(path):
        facts["used_by"] = users
        return Finding(title, Mark.WARNING, f"{told}; in use by {', '.join(users)}", "camera-busy", facts)
    if (fastest := _fastest_as_asked(device.modes)) is not None and fastest < _SLOW_FPS:
        return Finding(title, Mark.WARNING, told, "camera-slow", facts, meets="camera")
    return Finding(title, Mark.OK, told, facts=facts, meets="camera")


def _modes_told(modes: Sequence[Mode]) -> str:
    """Every format with its sizes, and the fastest rate of each: ``MJPG 1920x1080 at 30, 1280x720 at 60``."""
    formats: dict[str, list[str]] = {}
    for mode in modes:
        size = f"{mode.size_wh[0]}x{mode.size_wh[1]}"
        formats.setdefault(mode.pixels, []).append(f"{size} at {float(mode.fps[0]):.3g}" if mode.fps else size)
    told = "; ".join(f"{pixels} {', '.join(sizes)}" for pixels, sizes in formats.items())
    return f"{told} fps" if told else "its driver lists no modes"


def _fastest_as_asked(modes: Sequence[Mode]) -> float | None:
    """The best rate in the size that fer-live asks for; None where the driver tells none."""
    rates = [float(mode.fps[0]) for mode in modes if mode.size_wh == _ASKED_WH and mode.fps]
    return max(rates, default=None)


def _named_cameras() -> list[Finding]:
    try:
        names = camera_names()
    except SourceError:  # macOS, whose numbers follow no list; the list itself can be had
        from av.device import enumerate_input_devices

        devices = [each for each in enumerate_input_devices("avfoundation") if "video" in each.media_types]
        names = {number: each.description for number, each in enumerate(devices)}
    advice = "camera-macos" if platform.system() == "Darwin" else None
    return [
        Finding(f"camera {number}", Mark.OK, name, advice, {"number": number, "name": name}, meets="camera")
        for number, name in names.items()
    ] or [Finding("cameras", Mark.NOTE, "none", "no-camera")]


def _absence() -> str:
    if "microsoft" in platform.release().lower():
        return "camera-wsl"
    return "camera-container" if _in_container() else "no-camera"


def _missing() -> str:
    return "camera-container" if _in_container() else "camera-fails"


def _in_container() -> bool:
    return any(mark.exists() for mark in _CONTAINER_MARKS)


def _owner(path: Path) -> str:
    """Whom the device file belongs to."""
    with suppress(OSError, KeyError, ImportError):
        import grp

        group = grp.getgrgid(os.stat(path).st_gid).gr_name
        return f", which is for the group {group}"
    return ""
