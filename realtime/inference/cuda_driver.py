"""Can CUDA be used here? Asked of the driver and of onnxruntime, before onnxruntime tries and complains on stderr."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import onnxruntime

__all__ = ["CUDA_PROVIDER", "NoCuda", "load_libraries", "why_no_cuda", "why_not_loaded"]

CUDA_PROVIDER = "CUDAExecutionProvider"

NO_DEVICE = 100
"""``CUDA_ERROR_NO_DEVICE`` of the driver API: the driver works, and sees no GPU."""

_FAILED = "Failed to load "


@dataclass(frozen=True, slots=True)
class NoCuda:
    """Why CUDA can't be used.

    ``surprising``: whoever owns this machine expects otherwise, for it has an NVIDIA GPU, or a driver that fails.
    """

    reason: str
    surprising: bool


def why_no_cuda(load: Callable[[str], Any] = ctypes.CDLL) -> NoCuda | None:
    """Why CUDA can't be used, as far as driver and onnxruntime tell; None where there is a GPU for it to try.

    Without a driver this costs one failed look for a library.

    Args:
        load: gives a shared library by its name, or raises ``OSError``.
    """
    no_gpu = _why_no_gpu(load)
    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        reason = "this onnxruntime has no CUDA provider (pip uninstall onnxruntime; pip install onnxruntime-gpu)"
        return NoCuda(reason, surprising=no_gpu is None)
    return no_gpu


def _why_no_gpu(load: Callable[[str], Any]) -> NoCuda | None:
    name = "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"
    try:
        driver = load(name)
    except OSError:
        return NoCuda(f"no NVIDIA driver ({name}) was found", surprising=False)
    count = ctypes.c_int(0)
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code not in (0, NO_DEVICE):
        return NoCuda(f"the NVIDIA driver fails with {_error_name(driver, code)}", surprising=True)
    if code == NO_DEVICE or count.value == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f" (CUDA_VISIBLE_DEVICES={hidden!r})" if hidden is not None else ""
        return NoCuda(f"the NVIDIA driver shows no GPU{why}", surprising=False)
    return None


def _error_name(driver: Any, code: int) -> str:
    name = ctypes.c_char_p()
    if driver.cuGetErrorName(code, ctypes.byref(name)) == 0 and name.value:
        return f"{name.value.decode()} ({code})"
    return f"CUDA error {code}"


def load_libraries() -> str | None:
    """Load CUDA and cuDNN from the nvidia packages beside onnxruntime, else from where the system keeps them.

    onnxruntime tells on stdout what it does not find; here that is returned: None where all was found.
    """
    said = StringIO()
    with redirect_stdout(said):
        onnxruntime.preload_dlls()
    failures = [line.removeprefix(_FAILED) for line in said.getvalue().splitlines() if line.startswith(_FAILED)]
    if not failures:
        return None
    # "libcurand.so.10: libcurand.so.10: cannot open shared object file: …"
    name, _, rest = failures[0].partition(": ")
    return f"{name}: {rest.removeprefix(f'{name}: ')}"


def why_not_loaded(load: Callable[[str], Any] = ctypes.CDLL) -> str:
    """What the system's loader says of onnxruntime's CUDA provider, which onnxruntime only logs.

    To be asked after onnxruntime failed to load it, never before: loaded by anybody else it does not work.
    """
    name = "onnxruntime_providers_cuda.dll" if platform.system() == "Windows" else "libonnxruntime_providers_cuda.so"
    path = Path(onnxruntime.__file__).parent / "capi" / name
    try:
        load(str(path))
    except OSError as error:
        return str(error).replace(str(path), name)
    return "onnxruntime did not load its CUDA provider"
