import errno
import os
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from fer_live.realtime.diagnose.cameras import cameras, linux_cameras
from fer_live.realtime.diagnose.findings import Finding, Mark
from fer_live.realtime.diagnose.video4linux import (
    ENUM_FMT,
    ENUM_FRAMEINTERVALS,
    ENUM_FRAMESIZES,
    QUERYCAP,
    Device,
    Mode,
    describe,
    users_of,
)

# What a C program wrote with the structures of linux/videodev2.h (x86-64, Linux 6.1's headers).
CAMERA = (
    "757663766964656f0000000000000000496e74656772617465642043616d6572613a20496e74656772617465642043007573622d303030303a"
    "30303a31342e302d380000000000000000000000000000000806000100808401000004000000000000000000000000"
)
METADATA = CAMERA.replace("0100808401000004", "0100808400008004")
MJPG = "0000000001000000010000004d6f74696f6e2d4a5045470000000000000000000000000000000000000000004d4a5047" + 32 * "0"
YUYV = "0100000001000000000000005955595620343a323a32000000000000000000000000000000000000000000005955595600" + 30 * "0"
ANSWERS = {
    (ENUM_FMT, 0): MJPG,
    (ENUM_FMT, 1): YUYV,
    (ENUM_FRAMESIZES, b"MJPG", 0): "000000004d4a50470100000000050000d0020000" + 48 * "0",
    (ENUM_FRAMESIZES, b"MJPG", 1): "010000004d4a50470100000080020000e0010000" + 48 * "0",
    (
        ENUM_FRAMESIZES,
        b"YUYV",
        0,
    ): "0000000059555956030000003000000080070000020000002000000038040000040000000000000000000000",
    (ENUM_FRAMEINTERVALS, b"MJPG", 1280, 0): "000000004d4a504700050000d002000001000000010000001e000000" + 48 * "0",
    (ENUM_FRAMEINTERVALS, b"MJPG", 1280, 1): "010000004d4a504700050000d002000001000000e9030000983a0000" + 48 * "0",
    (ENUM_FRAMEINTERVALS, b"MJPG", 640, 0): "000000004d4a504780020000e001000001000000010000003c000000" + 48 * "0",
    (ENUM_FRAMEINTERVALS, b"YUYV", 1920, 0): "000000005955595680070000380400000300000001000000050000000100000001000000"
    "0100000064000000" + 16 * "0",
}


def driver(capability: str) -> Callable[[int, int, bytearray], None]:
    """A driver that answers as those bytes say; the end of a list is EINVAL."""

    def control(_: int, request: int, buffer: bytearray) -> None:
        index = int.from_bytes(buffer[:4], "little")
        key: tuple[object, ...] = (request, index)
        if request == ENUM_FRAMESIZES:
            key = (request, bytes(buffer[4:8]), index)
        elif request == ENUM_FRAMEINTERVALS:
            key = (request, bytes(buffer[4:8]), int.from_bytes(buffer[8:12], "little"), index)
        answer = capability if request == QUERYCAP else ANSWERS.get(key)
        if answer is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        raw = bytes.fromhex(answer)
        assert len(raw) == len(buffer)
        buffer[:] = raw

    return control


def test_requests_have_the_kernels_numbers() -> None:
    found = [f"{number:x}" for number in (QUERYCAP, ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS)]
    assert found == ["80685600", "c0405602", "c02c564a", "c034564b"]


def test_a_drivers_answers_are_read_as_the_kernels_headers_mean_them(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    device = describe(tmp_path / "video0", driver(CAMERA))
    assert (device.driver, device.card, device.gives_pictures) == ("uvcvideo", "Integrated Camera: Integrated C", True)
    assert device.modes == (
        Mode("MJPG", (1280, 720), (Fraction(30), Fraction(15000, 1001))),
        Mode("MJPG", (640, 480), (Fraction(60),)),
        Mode("YUYV", (1920, 1080), (Fraction(5),)),
    )


def test_a_device_for_metadata_gives_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "video1").touch()
    assert describe(tmp_path / "video1", driver(METADATA)) == Device(
        "uvcvideo", "Integrated Camera: Integrated C", False, ()
    )


def test_what_is_no_camera_is_told(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    with pytest.raises(OSError, match=os.strerror(errno.ENOTTY)):
        describe(path)


def test_who_has_a_device_open(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    assert users_of(path) == []
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc")
    with path.open():
        (user,) = users_of(path)
    assert user.endswith(f"({os.getpid()})")


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """sysfs and /dev with one camera."""
    entry = tmp_path / "sys" / "video0"
    entry.mkdir(parents=True)
    (entry / "index").write_text("0\n")
    (entry / "name").write_text("Integrated Camera\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video0").touch()
    return tmp_path / "sys", tmp_path / "dev"


def look(machine: tuple[Path, Path], device: Device | OSError, users: tuple[str, ...] = ()) -> Finding:
    def asked(_: Path) -> Device:
        if isinstance(device, OSError):
            raise device
        return device

    (found,) = linux_cameras(*machine, asked, lambda _: list(users))
    return found


QUICK = Mode("MJPG", (1280, 720), (Fraction(30), Fraction(15)))


def test_a_camera_with_its_modes(machine: tuple[Path, Path]) -> None:
    found = look(machine, Device("uvcvideo", "BRIO", True, (QUICK, Mode("YUYV", (640, 480), ()))))
    assert (found.name, found.mark, found.meets) == ("camera 0", Mark.OK, "camera")
    assert found.told == "BRIO (uvcvideo); MJPG 1280x720 at 30; YUYV 640x480 fps"
    assert found.facts["modes"][0] == {"pixels": "MJPG", "size_wh": [1280, 720], "fps": [30.0, 15.0]}


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "camera-permission"),
        (OSError(errno.EBUSY, "Device or resource busy"), "camera-busy"),
        (OSError(errno.EIO, "Input/output error"), "camera-fails"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
    ],
)
def test_a_camera_that_cannot_be_used(machine: tuple[Path, Path], error: OSError, advice: str | None) -> None:
    found = look(machine, error)
    assert (found.mark, found.meets) == (Mark.WARNING, None)
    assert found.advice == advice if advice else found.advice in ("camera-fails", "camera-container")
    if advice == "camera-permission":
        assert "which is for the group" in found.told


def test_a_camera_in_use_and_a_slow_one(machine: tuple[Path, Path]) -> None:
    device = Device("uvcvideo", "BRIO", True, (QUICK,))
    busy = look(machine, device, ("zoom (1234)",))
    assert (busy.mark, busy.advice, busy.meets) == (Mark.WARNING, "camera-busy", None)
    assert busy.told.endswith("in use by zoom (1234)")
    slow = look(machine, Device("uvcvideo", "old", True, (Mode("YUYV", (1280, 720), (Fraction(10),)),)))
    assert (slow.mark, slow.advice, slow.meets) == (Mark.WARNING, "camera-slow", "camera")


def test_no_camera(tmp_path: Path) -> None:
    def never(_: Path) -> Device:
        raise AssertionError

    (tmp_path / "dev").mkdir()
    (found,) = linux_cameras(tmp_path / "none", tmp_path / "dev", never, lambda _: [])
    assert (found.mark, found.told, found.meets) == (Mark.NOTE, "none", None)


def test_device_files_without_the_kernels_list(tmp_path: Path) -> None:
    (tmp_path / "video3").touch()
    (tmp_path / "video10").touch()
    (tmp_path / "videofoo").touch()
    device = Device("uvcvideo", "BRIO", True, (QUICK,))
    found = linux_cameras(tmp_path / "none", tmp_path, lambda _: device, lambda _: [])
    assert sorted(each.name for each in found) == ["camera 10", "camera 3"]


def test_on_this_machine() -> None:
    """Whatever there is, it is told."""
    assert all(isinstance(each, Finding) for each in cameras())


@pytest.mark.camera
def test_a_real_camera_has_modes() -> None:
    path = Path("/dev/video0")
    if not path.exists() or not stat.S_ISCHR(path.stat().st_mode):
        pytest.skip("no camera")
    assert describe(path).modes
