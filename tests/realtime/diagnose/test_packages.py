from collections.abc import Callable

import pytest

from fer_live.realtime.diagnose import packages
from fer_live.realtime.diagnose.findings import Mark


def installed(**versions: str) -> Callable[[str], str | None]:
    return lambda name: versions.get(name.replace("-", "_"))


def test_what_is_installed_here_is_well() -> None:
    (found,) = packages.required()
    assert found.mark is Mark.OK and "av " in found.told and found.facts["numpy"]
    assert [each.mark for each in packages.overwritten()] == [Mark.OK, Mark.OK]


def test_a_missing_package_is_trouble() -> None:
    (found,) = packages.required(installed(fer_live="1"))
    assert (found.mark, found.advice) == (Mark.TROUBLE, "package-missing")
    assert "av" in found.told and "numpy" in found.told and "onnxruntime" not in found.told


def test_extras() -> None:
    found = {each.name: each for each in packages.extras(installed(pyarrow="20", mediapipe="1.2"))}
    assert (found["[data]"].mark, found["[data]"].told) == (Mark.OK, "pyarrow 20")
    assert (found["[train]"].mark, found["[train]"].told) == (Mark.NOTE, "not installed")
    assert found["[mediapipe]"].told.startswith("mediapipe 1.2; without opencv-")
    assert "[dev]" not in found


@pytest.mark.parametrize(
    ("versions", "clash"),
    [
        ({"opencv_python": "4.14.0.94"}, False),
        ({"opencv_python": "4.14.0.94", "opencv_contrib_python": "4.14.0.94"}, False),
        ({"opencv_python": "4.14.0.94", "opencv_contrib_python": "4.13.0.92"}, True),
        ({"opencv_python": "4.14.0.94", "opencv_python_headless": "4.14.0.94"}, True),
        ({"opencv_contrib_python_headless": "4.14.0.94"}, False),
    ],
)
def test_opencv_packages_that_overwrite_each_other(versions: dict[str, str], clash: bool) -> None:
    opencv, _ = packages.overwritten(installed(onnxruntime_gpu="1.31", **versions))
    assert opencv.advice == ("opencv-wheels" if clash else None)
    assert opencv.mark is (Mark.TROUBLE if clash else Mark.OK)


def test_two_builds_of_onnxruntime_overwrite_each_other() -> None:
    _, runtime = packages.overwritten(installed(opencv_python="4", onnxruntime="1.31", onnxruntime_gpu="1.31"))
    assert (runtime.mark, runtime.advice) == (Mark.TROUBLE, "onnxruntime-wheels")
    _, runtime = packages.overwritten(installed(opencv_python="4"))
    assert (runtime.mark, runtime.advice) == (Mark.TROUBLE, "package-missing")
