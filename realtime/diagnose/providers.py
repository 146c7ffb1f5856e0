"""Execution providers that really load, each tried with a model, and the GPU and its driver."""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnxruntime

from fer_live.bundled import DETECTOR_YUNET, MODEL, asset_path
from fer_live.errors import FerLiveError, first_line
from fer_live.realtime.inference.classifier import CPU_PROVIDER, Device, OnnxClassifier, bundled_model
from fer_live.realtime.inference.cuda_driver import CUDA_PROVIDER, why_no_cuda
from fer_live.realtime.inference.device_choice import median_ms
from fer_live.sessions import set_up

from .findings import Finding, Mark

__all__ = ["cpu", "cuda", "gpu", "others"]

_PCI = Path("/sys/bus/pci/devices")
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_NVIDIA = "0x10de"
_DISPLAY_CLASS = "0x03"  # of PCI: VGA, XGA and 3D controllers, which compute cards are
_NAME_BYTES = 256
MIB = 2**20


def cpu() -> list[Finding]:
    """The provider that every run can use: the bundled model's answer to its own probe, and how long a face takes."""
    told = f"{CPU_PROVIDER}, onnxruntime {onnxruntime.__version__}"
    try:
        classifier = OnnxClassifier(bundled_model(Device.CPU), Device.CPU)
        face_ms = median_ms(classifier, 1)
    except FerLiveError as error:
        return [Finding("cpu", Mark.TROUBLE, f"{told}: {error}", "cpu-provider")]
    facts = {"provider": classifier.provider, "face_ms": round(face_ms, 2)}
    return [Finding("cpu", Mark.OK, f"{told}: the bundled model reads a face in {face_ms:.1f} ms", facts=facts)]


def cuda() -> list[Finding]:
    """The provider for NVIDIA's GPUs, with the model that it would run."""
    no_cuda = why_no_cuda()
    if no_cuda is not None:
        mark = Mark.WARNING if no_cuda.surprising else Mark.NOTE
        return [Finding("cuda", mark, f"not used: {no_cuda.reason}", "cuda-fails" if no_cuda.surprising else "no-cuda")]
    try:
        classifier = OnnxClassifier(asset_path(MODEL), Device.CUDA)
        face_ms = median_ms(classifier, 1)
    except FerLiveError as error:
        return [Finding("cuda", Mark.WARNING, f"not used: {error}", "cuda-libraries")]
    facts = {"provider": classifier.provider, "face_ms": round(face_ms, 2)}
    told = f"{classifier.provider}: the bundled model reads a face in {face_ms:.1f} ms"
    return [Finding("cuda", Mark.OK, told, facts=facts, meets="cuda")]


def others() -> list[Finding]:
    """What else this onnxruntime has, tried with the face detector; fer-live has no use for it yet."""
    findings = []
    for name in onnxruntime.get_available_providers():
        if name in (CPU_PROVIDER, CUDA_PROVIDER):
            continue
        reason = _why_not_loaded(name)
        told = "loads" if reason is None else "does not load"
        findings.append(
            Finding(
                name.removesuffix("ExecutionProvider").lower(),
                Mark.NOTE,
                f"{name}: {told}; fer-live does not use it",
                facts={"provider": name, "loads": reason is None, "reason": reason},
            )
        )
    return findings


def gpu(
    load: Callable[[str], Any] = ctypes.CDLL, pci: Path = _PCI, driver_version: Path = _NVIDIA_DRIVER
) -> list[Finding]:
    """NVIDIA's GPUs as their driver tells them; where it can't, whether the machine has one."""
    try:
        driver = load("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
        found = _gpus(driver)
    except (OSError, AttributeError) as error:
        reason = f"no NVIDIA driver ({error})" if isinstance(error, OSError) else f"the NVIDIA driver lacks {error}"
        found = reason
    if isinstance(found, str):
        if _has_nvidia_card(pci):
            return [Finding("gpu", Mark.WARNING, f"an NVIDIA GPU is there, but {found}", "nvidia-driver")]
        return [Finding("gpu", Mark.NOTE, f"none that fer-live can use: {found}", "no-cuda")]
    driver_told = _driver(driver, driver_version)
    return [
        Finding("gpu", Mark.OK, f"{name}, {memory // MIB:,} MiB; {driver_told}", facts={"name": name, "bytes": memory})
        for name, memory in found
    ]


def _why_not_loaded(provider: str) -> str | None:
    options = onnxruntime.SessionOptions()
    set_up(options, 1)
    model = asset_path(DETECTOR_YUNET).read_bytes()
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[provider], enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        return first_line(error)
    return None if session.get_providers()[0] == provider else "onnxruntime runs the model on the CPU instead"


def _gpus(driver: Any) -> list[tuple[str, int]] | str:
    """Name and bytes of memory of each GPU, by CUDA's driver API; why there is none where there is none."""
    count = ctypes.c_int(0)
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code:
        return f"its driver answers with CUDA error {code}"
    found = []
    for number in range(count.value):
        device, name, total = ctypes.c_int(0), ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_size_t(0)
        if (
            driver.cuDeviceGet(ctypes.byref(device), number)
            or driver.cuDeviceGetName(name, _NAME_BYTES, device)
            or driver.cuDeviceTotalMem_v2(ctypes.byref(total), device)
        ):
            return f"its driver does not describe GPU {number}"
        found.append((name.value.decode(errors="replace"), total.value))
    return found or "its driver shows no GPU"


def _driver(driver: Any, version: Path) -> str:
    """Of the kernel's part, where Linux tells it, and the newest CUDA that it serves."""
    number = ctypes.c_int(0)
    newest = "" if driver.cuDriverGetVersion(ctypes.byref(number)) else f", for CUDA up to {_cuda(number.value)}"
    found = None
    with suppress(OSError):
        found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", version.read_text())
    return f"driver{f' {found[1]}' if found else ''}{newest}"


def _cuda(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _has_nvidia_card(pci: Path) -> bool:
    for device in pci.glob("*"):
        with suppress(OSError):
            vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
            if vendor == _NVIDIA and kind.startswith(_DISPLAY_CLASS):
                return True
    return False
