"""``fer-live doctor`` and ``fer-live selftest`` as a user runs them."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fer_live.realtime.diagnose import selftest
from fer_live.realtime.diagnose.advice import ADVICE
from fer_live.realtime.diagnose.checks import SELFTEST_CHECKS, doctor_checks
from fer_live.realtime.diagnose.doctor import Area, Examination, examine
from fer_live.realtime.diagnose.findings import Finding, Mark
from fer_live.realtime.diagnose.isolation import Check
from fer_live.realtime.diagnose.shown import area_lines, summary_lines

PROGRAM = Path(sys.executable).with_name("fer-live")
PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"


def run(cwd: Path, *arguments: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env=inherited | {"XDG_CONFIG_HOME": str(cwd), "CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_doctor_for_machines(tmp_path: Path, tiny_model: Path) -> None:
    done = run(tmp_path, "doctor", "--json", "--require", "display", "--model", str(tiny_model))
    assert done.stderr == ""
    told = json.loads(done.stdout)
    found = {(each["area"], each["name"]): each for each in told["findings"]}
    assert {each["mark"] for each in told["findings"]} <= {"ok", "note", "warning"}, told
    for key in (
        ("System", "disk"),
        ("System", "settings"),
        ("Packages", "opencv"),
        ("Display", "window"),
        ("GPU and providers", "cpu"),
        ("Models", "--model"),
        ("Models", "expression.onnx"),
        ("Detectors", "yunet"),
        ("Video files", "write h264"),
    ):
        assert key in found
    assert found["Models", "--model"]["mark"] == "ok"
    has_display = found["Display", "window"]["mark"] == "ok"
    assert told["required"] == {"display": has_display}
    assert done.returncode == (0 if told["well"] else 1) and told["well"] == has_display
    assert list(tmp_path.iterdir()) == []


def test_doctor_where_all_is_broken(tmp_path: Path) -> None:
    """OpenCV, PyAV and onnxruntime fail in three ways, the settings are no TOML: findings, and no traceback."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    (tmp_path / "av").mkdir()
    (tmp_path / "av" / "__init__.py").write_text("import os; os.abort()")
    (tmp_path / "onnxruntime.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "fer-live").mkdir()
    (tmp_path / "fer-live" / "config.toml").write_text("= nonsense")
    done = run(tmp_path, "doctor", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == "" and "Traceback" not in done.stdout
    for word in (
        "libGL.so.1",
        "apt install libgl1",
        "SIGABRT",
        "ended with exit code 3",
        "config.toml: is no TOML",
        "what to do: ",
    ):
        assert word in done.stdout
    assert re.search(r"\n\d+ troubles", done.stdout)


def test_selftest(tmp_path: Path) -> None:
    done = run(tmp_path, "selftest")
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    shown = {words[1]: words for words in lines if len(words) > 2 and words[0] in tuple(Mark)}
    assert set(shown) == {"yunet", "mediapipe", "haar", "int8", "read"}
    assert {words[0] for name, words in shown.items() if name != "mediapipe"} == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_selftest_where_the_encoder_is_missing(tmp_path: Path) -> None:
    site = tmp_path / "sitecustomize.py"
    site.write_text("import av\nav.codecs_available = av.codecs_available - {'libx264'}\n")
    done = run(tmp_path, "selftest", "--json", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and done.stderr == ""
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert (found["yunet"]["mark"], found["yunet"]["advice"]) == ("trouble", "selftest-run")
    assert "libx264" in found["yunet"]["told"]
    assert found["int8"]["mark"] == "ok"


def test_selftest_tells_missing_frames_faces_and_labels(tmp_path: Path) -> None:
    clip = selftest.asset_path(selftest.SELFTEST_CLIP)

    def rows(frames: int, label: str) -> Path:
        path = tmp_path / "rows.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["frame", "shown_label"])
            writer.writerows([index, label] for index in range(frames))
        return path

    assert selftest._read_back(clip, rows(40, "happy")) == (
        "40 of 40 faces found, 40 of 40 read as happy; video and rows complete",
        False,
    )
    assert selftest._read_back(clip, rows(35, "happy"))[1]
    assert selftest._read_back(clip, rows(40, "sad"))[1]
    times_s = [index / 25 for index in range(40)]
    assert selftest._odd_times(times_s) is None
    assert selftest._odd_times(times_s[:-1]) == "39 frames, expected 40"
    assert selftest._odd_times([*times_s[:3], 0.2, *times_s[4:]]) == "frame 3 at 0.200 s, expected 0.120 s"


@pytest.mark.parametrize("required", [(), ("camera",), ("cuda", "camera")])
def test_what_is_required_and_not_met(required: tuple[str, ...]) -> None:
    told: list[Area] = []
    examination = examine(
        None, required, told=told.append, checks=[Check("Broken", "x", "os:abort", if_broken=Mark.WARNING)]
    )
    assert examination.required == dict.fromkeys(required, False)
    assert examination.is_well == (not required and not examination.count(Mark.TROUBLE))
    assert [area.title for area in told] == ["System", "Broken"] == [area.title for area in examination.areas]


def test_a_requirement_is_met_by_one_of_several() -> None:
    cameras = Area("Cameras", (Finding("0", Mark.WARNING, "busy"), Finding("1", Mark.OK, "fine", meets="camera")))
    examination = Examination((cameras,), {"camera": True})
    assert examination.is_well
    assert summary_lines(examination)[0] == "1 warning"
    worse = Area("x", (Finding("y", Mark.TROUBLE, "z"), Finding("y", Mark.TROUBLE, "z")))
    assert not Examination((worse,), {}).is_well
    assert summary_lines(Examination((worse,), {}))[0] == "2 troubles"


def test_text_is_aligned_and_stays_in_its_width() -> None:
    long = " ".join(["word"] * 60)
    area = Area("Area", (Finding("a", Mark.OK, long), Finding("a-longer-name.onnx", Mark.WARNING, "short", "no-avx2")))
    lines = [re.sub(r"\x1b\[\d+m", "", line) for line in area_lines(area, 80)]
    assert all(len(line) <= 80 for line in lines)
    columns = {line.index(told) for line in lines for told in ("word", "short", "what to do: ") if told in line}
    assert len(columns) == 1
    assert len([line for line in area_lines(area, 10**6) if "word" in line]) == 1


def test_every_advice_is_in_the_documentation_and_nothing_else() -> None:
    headings = re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(ADVICE)
    for key, told in ADVICE.items():
        assert "\n" not in told and told == told.strip() and not told.endswith("."), key


def test_checks_name_functions_that_there_are() -> None:
    from importlib import import_module

    for check in (*doctor_checks(Path("x")), *SELFTEST_CHECKS):
        module, _, name = check.function.partition(":")
        assert callable(getattr(import_module(module, "fer_live.realtime.diagnose"), name))
