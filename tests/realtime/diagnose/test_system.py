import os
from pathlib import Path

import pytest

from fer_live.realtime.diagnose import system
from fer_live.realtime.diagnose.findings import Mark
from fer_live.realtime.diagnose.isolation import Check, Processes


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", None), ("50000 100000", 0.5), ("100000000 100000", None), ("nonsense", None), ("1 0", None)],
)
def test_a_containers_share_of_the_cores(tmp_path: Path, quota: str, cores: float | None) -> None:
    there = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert system.usable_cores(tmp_path) == (there if cores is None else min(there, cores))
    assert system.usable_cores(tmp_path / "none") == there


def test_too_little_of_a_core_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    found = system.processor_found(tmp_path)
    assert (found.mark, found.advice, found.facts["usable_cores"]) == (Mark.WARNING, "one-core", 0.5)
    assert "0.5 may be used" in found.told


def test_what_the_processor_can_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "usable_cores", lambda _: 2.0)
    monkeypatch.setattr(system.platform, "machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name : Some CPU\nflags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx_vnni amx_int8\n")
    found = system.processor_found(tmp_path, cpuinfo)
    assert found.mark is Mark.OK and found.facts["features"] == ["AVX2", "AVX-512", "VNNI", "AMX"]
    cpuinfo.write_text("flags\t\t: fpu sse2\n")
    assert system.processor_found(tmp_path, cpuinfo).advice == "no-avx2"
    assert system.processor_found(tmp_path, tmp_path / "none").facts["features"] is None


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "memory_bytes", lambda: (2**33, 2**34))
    (found,) = system.memory()
    assert (found.mark, found.told) == (Mark.OK, "8.0 of 16.0 GiB free")
    monkeypatch.setattr(system, "memory_bytes", lambda: (2**29, 2**30))
    (found,) = system.memory()
    assert (found.mark, found.told, found.advice) == (Mark.WARNING, "0.5 of 1.0 GiB free", "little-memory")
    monkeypatch.setattr(system, "memory_bytes", lambda: None)
    assert system.memory() == []


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert system.disk().facts == system.disk().facts | {"folder": str(tmp_path)}
    with monkeypatch.context() as patched:
        patched.setattr(system.os, "access", lambda *_: False)
        assert system.disk().advice == "folder-read-only"
    with monkeypatch.context() as patched:
        patched.setattr(system, "_LEAST_DISK", 2**80)
        assert system.disk().advice == "disk-full"


def test_a_current_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert (system.disk().mark, system.disk().advice) == (Mark.WARNING, "folder-read-only")


def test_no_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.temporary_folder().mark is Mark.OK
    monkeypatch.setattr(system.tempfile, "tempdir", str(tmp_path / "none"))
    assert (system.temporary_folder().mark, system.temporary_folder().advice) == (Mark.TROUBLE, "no-temporary-folder")
    with Processes() as processes:
        (found,) = processes.look(Check("area", "thing", "os:abort"))
    assert (found.mark, found.advice) == (Mark.TROUBLE, "check-failed")


def test_this_machine() -> None:
    assert system.system().mark is Mark.OK
    assert "Python" in system.system().told
