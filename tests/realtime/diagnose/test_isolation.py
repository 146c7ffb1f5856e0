"""Checks that crash, hang or answer nonsense; the functions are the standard library's."""

import json
import threading
from pathlib import Path

import pytest

from fer_live.realtime.diagnose.findings import Finding, Mark
from fer_live.realtime.diagnose.isolation import Check, Processes, answer, run_checks


def look(function: str, limit_s: float = 60.0, **arguments: object) -> Finding:
    check = Check("area", "thing", function, arguments, limit_s, if_broken=Mark.WARNING)
    with Processes() as processes:
        (found,) = processes.look(check)
    return found


def test_a_crash_is_a_finding() -> None:
    found = look("os:abort")
    assert (found.name, found.mark, found.advice) == ("thing", Mark.WARNING, "check-crashes")
    assert "SIGABRT" in found.told


def test_a_hang_is_a_finding() -> None:
    found = look("signal:pause", limit_s=1.0)
    assert (found.mark, found.advice) == (Mark.WARNING, "check-hangs")
    assert "1 s" in found.told


def test_an_end_without_an_answer_is_a_finding() -> None:
    found = look("os:_exit", status=7)
    assert (found.advice, found.told) == ("check-crashes", "ended with exit code 7")


def test_an_error_is_a_finding() -> None:
    found = look("json:loads", s="no JSON")
    assert found.advice == "check-failed"
    assert found.told.startswith("JSONDecodeError: ")
    assert look("no_such_module:check").told.startswith("ModuleNotFoundError: ")


def test_what_a_library_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud.py").write_text(
        "import os\nfrom fer_live.realtime.diagnose.findings import Finding, Mark\n"
        "def check():\n    print('hello'); os.system('echo hello')\n    return [Finding('a', Mark.OK, 'told')]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert look("loud:check") == Finding("a", Mark.OK, "told")


def test_a_file_in_the_current_folder_is_not_taken_for_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise SystemExit('this is not PyAV')")
    monkeypatch.chdir(tmp_path)
    assert look(".codecs:decoders").mark is Mark.OK


def test_answers_come_in_the_order_of_the_checks() -> None:
    checks = [
        Check("a", "slow", "signal:pause", limit_s=1.0),
        Check("b", "quick", "os:abort"),
        Check("c", "quick", "os:_exit", {"status": 1}),
    ]
    begun: list[str] = []
    found = list(run_checks(checks, lambda check: begun.append(check.area)))
    assert [check for check, _ in found] == checks
    assert begun == ["a", "b", "c"]


def test_those_still_at_work_are_ended_when_nobody_waits_any_more() -> None:
    checks = [Check("a", "quick", "os:abort"), *(Check("b", "hangs", "signal:pause", limit_s=300.0) for _ in range(3))]
    answers = run_checks(checks)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fer-live-check")]


def test_no_process_can_be_started(tmp_path: Path) -> None:
    with Processes(python=str(tmp_path / "none")) as processes:
        (found,) = processes.look(Check("area", "thing", "os:abort"))
    assert (found.mark, found.advice) == (Mark.TROUBLE, "check-failed")


def test_findings_survive_the_way() -> None:
    finding = Finding("camera 0", Mark.OK, "told", facts={"modes": [{"fps": [30.0]}]}, meets="camera")
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
    noted = Finding("x", Mark.NOTE, "told", "no-cuda")
    assert noted.to_json()["way_out"] == noted.way_out is not None


def test_findings_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown advice"):
        Finding("x", Mark.NOTE, "told", "pray")
    with pytest.raises(ValueError, match="unknown requirement"):
        Finding("x", Mark.OK, "told", meets="luck")
    with pytest.raises(ValueError, match="meets no requirement"):
        Finding("x", Mark.TROUBLE, "told", meets="cuda")


def test_the_same_in_this_process() -> None:
    assert answer("json:loads", {"s": "{"})["error"].startswith("JSONDecodeError")
