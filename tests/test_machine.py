from pathlib import Path

from fer_live.machine import memory_bytes


def test_memory_of_the_machine_and_of_its_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\nHugePages_Total: 0\n")
    assert memory_bytes(meminfo, tmp_path) == (2**33, 2**34)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    assert memory_bytes(meminfo, tmp_path) == (2**33, 2**34)
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    assert memory_bytes(meminfo, tmp_path) == (2**29, 2**30)
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {2**28}\nactive_file 2\n")
    assert memory_bytes(meminfo, tmp_path) == (2**29 + 2**28, 2**30)
    (tmp_path / "memory.current").write_text(f"{2**31}\n")
    assert memory_bytes(meminfo, tmp_path) == (0, 2**30)
    assert memory_bytes(tmp_path / "none", tmp_path) is None
