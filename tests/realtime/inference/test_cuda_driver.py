"""What the driver and onnxruntime say of CUDA, with stand-ins for both."""

import ctypes
from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest

from fer_live.realtime.inference.cuda_driver import CUDA_PROVIDER, load_libraries, why_no_cuda, why_not_loaded


class FakeDriver:
    """``libcuda.so.1`` with so many GPUs, whose start gives a code."""

    def __init__(self, gpus: int = 1, code: int = 0, name: bytes | None = None) -> None:
        self.gpus, self.code, self.name = gpus, code, name

    def __call__(self, library: str) -> "FakeDriver":
        assert library in ("libcuda.so.1", "nvcuda.dll")
        return self

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.gpus
        return 0

    def cuGetErrorName(self, code: int, name: Any) -> int:
        name._obj.value = self.name
        return 0 if self.name is not None else 1


def no_driver(library: str) -> Any:
    raise OSError(f"{library}: cannot open shared object file")


@pytest.fixture(autouse=True)
def with_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, "CPUExecutionProvider"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu() -> None:
    assert why_no_cuda(FakeDriver()) is None


@pytest.mark.parametrize(
    ("load", "reason", "surprising"),
    [
        (no_driver, "no NVIDIA driver", False),
        (FakeDriver(gpus=0), "shows no GPU", False),
        (FakeDriver(code=100), "shows no GPU", False),
        (FakeDriver(code=803, name=b"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"), "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", True),
        (FakeDriver(code=999), "CUDA error 999", True),
    ],
)
def test_no_gpu_is_ordinary_and_a_failing_driver_is_not(
    load: Callable[[str], Any], reason: str, surprising: bool
) -> None:
    found = why_no_cuda(load)
    assert found is not None
    assert reason in found.reason
    assert found.surprising is surprising


def test_a_hidden_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    found = why_no_cuda(FakeDriver(code=100))
    assert found is not None
    assert "CUDA_VISIBLE_DEVICES='-1'" in found.reason
    assert not found.surprising


@pytest.mark.parametrize(("load", "surprising"), [(FakeDriver(), True), (no_driver, False)])
def test_onnxruntime_without_cuda_surprises_where_there_is_a_gpu(
    load: Callable[[str], Any], surprising: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found = why_no_cuda(load)
    assert found is not None
    assert "onnxruntime-gpu" in found.reason
    assert found.surprising is surprising


def test_the_real_driver_is_asked_without_harm() -> None:
    found = why_no_cuda(ctypes.CDLL)
    assert found is None or found.reason


def test_missing_libraries_are_returned_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def preload() -> None:
        print("Failed to load libcurand.so.10: libcurand.so.10: cannot open shared object file: No such file")
        print("Please follow https://onnxruntime.ai/docs/install/#cuda-and-cudnn to install CUDA.")

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    assert load_libraries() == "libcurand.so.10: cannot open shared object file: No such file"
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("all well"))
    assert load_libraries() is None
    assert capsys.readouterr().out == ""


def test_why_the_provider_does_not_load() -> None:
    def load(path: str) -> Any:
        raise OSError(f"{path}: undefined symbol: cuTensorMapEncodeTiled")

    assert why_not_loaded(load) in (
        "libonnxruntime_providers_cuda.so: undefined symbol: cuTensorMapEncodeTiled",
        "onnxruntime_providers_cuda.dll: undefined symbol: cuTensorMapEncodeTiled",
    )
