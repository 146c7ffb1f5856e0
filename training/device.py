"""Where and in which precision to compute, and within what memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fer_live.errors import DeviceError
from fer_live.machine import memory_bytes

from .provenance import cpu_capabilities

__all__ = ["choose_bf16", "choose_device", "held_to_memory", "is_out_of_memory"]


def choose_device(name: str) -> torch.device:
    """``auto`` is CUDA where it is there, else the CPU.

    Raises:
        DeviceError: ``cuda`` was asked for and torch finds no CUDA GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch finds no CUDA GPU; see nvidia-smi, or give --device cpu")
    return torch.device(name)


def choose_bf16(precision: str, device: torch.device) -> bool:
    """Whether to autocast to bfloat16: ``auto`` does where the hardware multiplies it, which is 1.5-3.6x faster."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = cpu_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the CPU or a GPU, is what failed: torch says so in several ways."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    told = str(error)
    return isinstance(error, RuntimeError) and any(
        part in told for part in ("can't allocate memory", "out of memory", "ALLOC_FAILED", "std::bad_alloc")
    )


@contextmanager
def held_to_memory(device: torch.device) -> Iterator[None]:
    """Let allocations fail where the memory that is free now ends.

    Linux promises more memory than there is, and kills without a word who uses it. This does nothing elsewhere, and
    on a GPU, whose driver takes addresses without memory.
    """
    if sys.platform != "linux" or device.type != "cpu" or (memory := memory_bytes()) is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([_written_bytes() + memory[0], *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _written_bytes() -> int:
    """What this process has of the memory that RLIMIT_DATA is about."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmData:"))
    return 1024 * int(kilobytes)
