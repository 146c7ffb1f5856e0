"""GPUs as a stand-in for CUDA's driver tells of them; the providers as they are on this machine."""

from pathlib import Path
from typing import Any

import pytest

from fer_live.realtime.diagnose import providers
from fer_live.realtime.diagnose.findings import Mark
from fer_live.realtime.inference.cuda_driver import NoCuda


class Driver:
    """A part of libcuda; ``failing``: calls that answer with an error."""

    def __init__(self, gpus: int = 1, failing: tuple[str, ...] = ()) -> None:
        self._gpus, self._failing = gpus, failing

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: 999 if name in self._failing else getattr(self, f"_{name}")(*arguments)

    def _cuInit(self, _: int) -> int:
        return 0

    def _cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self._gpus
        return 0

    def _cuDeviceGet(self, device: Any, number: int) -> int:
        device._obj.value = number
        return 0

    def _cuDeviceGetName(self, name: Any, _: int, device: Any) -> int:
        name.value = f"GPU {device.value}".encode()
        return 0

    def _cuDeviceTotalMem_v2(self, total: Any, _: Any) -> int:
        total._obj.value = 8 * 2**30
        return 0

    def _cuDriverGetVersion(self, number: Any) -> int:
        number._obj.value = 13020
        return 0


def card(pci: Path, vendor: str = "0x10de", kind: str = "0x030200") -> Path:
    (pci / "0000:01:00.0").mkdir(parents=True)
    (pci / "0000:01:00.0" / "vendor").write_text(f"{vendor}\n")
    (pci / "0000:01:00.0" / "class").write_text(f"{kind}\n")
    return pci


def test_gpus_by_name_with_their_driver(tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 2025\n")
    found = providers.gpu(lambda _: Driver(2), tmp_path, version)
    assert [each.told for each in found] == [
        f"GPU {number}, 8,192 MiB; driver 580.65.06, for CUDA up to 13.2" for number in range(2)
    ]
    assert {each.mark for each in found} == {Mark.OK}


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        (Driver(0), "shows no GPU"),
        (Driver(1, ("cuInit",)), "CUDA error 999"),
        (Driver(1, ("cuDeviceGetName",)), "does not describe GPU 0"),
        (OSError("libcuda.so.1: cannot open shared object file"), "no NVIDIA driver"),
        (object(), "lacks"),
    ],
)
def test_a_card_without_a_driver_that_works_is_a_warning(tmp_path: Path, driver: Any, told: str) -> None:
    def load(_: str) -> Any:
        if isinstance(driver, OSError):
            raise driver
        return driver

    (found,) = providers.gpu(load, card(tmp_path / "pci"), tmp_path / "none")
    assert (found.mark, found.advice) == (Mark.WARNING, "nvidia-driver")
    assert told in found.told
    (found,) = providers.gpu(load, card(tmp_path / "intel", "0x8086"), tmp_path / "none")
    assert (found.mark, found.advice) == (Mark.NOTE, "no-cuda")
    (found,) = providers.gpu(load, card(tmp_path / "sound", kind="0x040300"), tmp_path / "none")
    assert found.mark is Mark.NOTE


def test_the_cpu_runs_the_bundled_model() -> None:
    (found,) = providers.cpu()
    assert found.mark is Mark.OK and found.facts["face_ms"] > 0


@pytest.mark.parametrize(("surprising", "mark"), [(True, Mark.WARNING), (False, Mark.NOTE)])
def test_why_cuda_is_not_used(monkeypatch: pytest.MonkeyPatch, surprising: bool, mark: Mark) -> None:
    monkeypatch.setattr(providers, "why_no_cuda", lambda: NoCuda("because", surprising))
    (found,) = providers.cuda()
    assert (found.mark, found.told, found.meets) == (mark, "not used: because", None)


def test_cuda_that_does_not_load_meets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no GPU, or there is one: either way the answer is onnxruntime's own."""
    monkeypatch.setattr(providers, "why_no_cuda", lambda: None)
    (found,) = providers.cuda()
    if found.mark is Mark.OK:
        assert found.meets == "cuda" and found.facts["provider"] == "CUDAExecutionProvider"
    else:
        assert (found.advice, found.meets) == ("cuda-libraries", None)


def test_other_providers_are_no_trouble() -> None:
    assert {each.mark for each in providers.others()} <= {Mark.NOTE}
