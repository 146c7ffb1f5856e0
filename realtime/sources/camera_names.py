"""Which cameras there are, by name."""

from __future__ import annotations

import sys
from pathlib import Path

from av.device import enumerate_input_devices

from fer_live.errors import SourceError

__all__ = ["camera_names", "find_camera"]

_SYSFS = Path("/sys/class/video4linux")


def camera_names(sysfs: Path = _SYSFS) -> dict[int, str]:
    """The names of the cameras that there are, by number, the lowest first.

    Linux: what the kernel calls them (Video4Linux); of the devices of one camera only those that give pictures.
    Windows: DirectShow's list, which is numbered as OpenCV numbers it.

    Raises:
        SourceError: macOS, where OpenCV's numbers follow no list that can be read.
    """
    match sys.platform:
        case "linux":
            return _video4linux(sysfs)
        case "win32":
            devices = [device for device in enumerate_input_devices("dshow") if "video" in device.media_types]
            return {number: device.description for number, device in enumerate(devices)}
    raise SourceError(f"cameras have no names on {sys.platform}, only numbers: give --camera 0, or 1, …")


def find_camera(name: str) -> int:
    """The number of the first camera whose name contains ``name``, in any case of letters.

    Raises:
        SourceError: there is none; the message names those that there are.
    """
    names = camera_names()
    found = [number for number, known in names.items() if name.casefold() in known.casefold()]
    if not found:
        there = ", ".join(f"{number} ({known})" for number, known in names.items())
        raise SourceError(
            f"camera {name}: no camera has that in its name; "
            + (f"there are {there}" if there else "there is no camera")
        )
    return found[0]


def _video4linux(sysfs: Path) -> dict[int, str]:
    names = {}
    for device in sysfs.glob("video*"):
        try:
            number = int(device.name.removeprefix("video"))
            # A camera has further devices with the same name, for metadata; the first is the one with pictures.
            first = (device / "index").read_text().strip() == "0"
            name = (device / "name").read_text().strip()
        except (OSError, ValueError):
            continue  # unplugged meanwhile
        if first:
            names[number] = name
    return dict(sorted(names.items()))
