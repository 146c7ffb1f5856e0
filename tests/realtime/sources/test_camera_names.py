from pathlib import Path

import pytest

from fer_live.errors import SourceError
from fer_live.realtime.sources import camera_names
from fer_live.realtime.sources.cameras import CameraSource
from fer_live.realtime.testing.fakes import FakeCapture


def plug_in(sysfs: Path, number: int, name: str, index: int = 0) -> None:
    device = sysfs / f"video{number}"
    device.mkdir(parents=True)
    (device / "name").write_text(f"{name}\n")
    (device / "index").write_text(f"{index}\n")


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.platform", "linux")
    read = camera_names.camera_names
    monkeypatch.setattr(camera_names, "camera_names", lambda: read(tmp_path))
    plug_in(tmp_path, 10, "HD Pro Webcam C920")
    plug_in(tmp_path, 2, "Integrated Camera: Integrated C")
    plug_in(tmp_path, 3, "Integrated Camera: Integrated C", index=1)
    (tmp_path / "v4l-subdev0").mkdir()
    (tmp_path / "video7").mkdir()  # on its way out
    return tmp_path


def test_cameras_are_listed_by_number_without_their_metadata_devices(sysfs: Path) -> None:
    assert list(camera_names.camera_names().items()) == [
        (2, "Integrated Camera: Integrated C"),
        (10, "HD Pro Webcam C920"),
    ]


@pytest.mark.parametrize(("name", "number"), [("c920", 10), ("integrated", 2), ("C", 2)])
def test_a_part_of_the_name_will_do(sysfs: Path, name: str, number: int) -> None:
    assert camera_names.find_camera(name) == number


def test_a_name_that_no_camera_has_is_told_with_those_that_there_are(sysfs: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"camera Brio: .*; there are 2 \(Integrated.*\), 10 \(HD Pro Webcam C920\)"):
        CameraSource("Brio")


def test_without_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert camera_names.camera_names(tmp_path / "none") == {}
    monkeypatch.setattr(camera_names, "camera_names", dict)
    with pytest.raises(SourceError, match="there is no camera"):
        camera_names.find_camera("any")


def test_where_names_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SourceError, match=r"only numbers: give --camera 0"):
        camera_names.find_camera("any")


def test_a_camera_is_opened_by_its_name(sysfs: Path) -> None:
    import numpy as np

    opened = []

    def open_capture(number: int) -> FakeCapture:
        opened.append(number)
        return FakeCapture([np.zeros((48, 64, 3), np.uint8)] * 3)

    with CameraSource("c920", open_capture=open_capture) as camera:
        assert camera.info.name == "camera c920"
    assert opened == [10]
