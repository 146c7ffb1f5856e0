"""The expression classifier: an exported model run by onnxruntime."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.contract import Contract
from fer_live.errors import ContractError, DeviceError, ModelError, first_line
from fer_live.model_metadata import INPUT_NAME, ModelMetadata
from fer_live.sessions import set_up

from .datatypes import Predictions

__all__ = ["Device", "OnnxClassifier", "bundled_model"]

_PROBABILITIES = "probabilities"

MOST_FACES = 64
"""Faces a run; more are run in pieces, which bounds the memory of a crowd."""


class Device(StrEnum):
    """Where the classifier runs. ``AUTO`` is CUDA where it can be used, else the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def bundled_model(device: Device) -> Path:
    """The bundled model that is fastest on ``device``: int8 on the CPU, float32 where CUDA will be used.

    Raises:
        ModelError: it is missing or damaged.
    """
    on_cpu = device is Device.CPU or (device is Device.AUTO and _why_no_cuda() is not None)
    return asset_path(MODEL_INT8 if on_cpu else MODEL)


class OnnxClassifier:
    """Labels face crops with a model that ``fer-export`` wrote.

    The model's own contract says how faces must be cropped. At start the probe that the model carries is run, which
    warms the session up, and a model that answers differently from where it was made is refused.

    Args:
        path: the ``.onnx`` file.
        device: where to run it.
        threads: onnxruntime's threads on the CPU.

    Raises:
        ModelError: no such file, corrupt, or not an expression model.
        ContractError: no contract, an unknown one, or wrong answers to the probe.
        DeviceError: CUDA was asked for and cannot be used.
    """

    def __init__(self, path: Path, device: Device = Device.AUTO, threads: int = 1) -> None:
        self._session = _open_session(path, device, threads)
        self.provider: str = self._session.get_providers()[0]
        try:
            self._metadata = ModelMetadata.from_props(self._session.get_modelmeta().custom_metadata_map)
        except ContractError as error:
            raise ContractError(f"{path}: {error}") from error
        inputs = [entry.name for entry in self._session.get_inputs()]
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != [INPUT_NAME] or _PROBABILITIES not in outputs:
            raise ModelError(
                f"{path}: expected the input {INPUT_NAME!r} and the output {_PROBABILITIES!r}, "
                f"found {inputs}, {outputs}"
            )
        answer = self.classify(self._metadata.probe.faces).probabilities
        difference = self._metadata.probe.max_difference(answer)
        tolerance = self._metadata.probe.tolerance
        if not difference <= tolerance:
            raise ContractError(
                f"{path}: on {self.provider} the model answers its probe {difference:.2g} away from what it was "
                f"exported with (at most {tolerance:g} expected): export it again, or use another --device"
            )

    @property
    def contract(self) -> Contract:
        """How faces must be cropped, and what the outputs mean."""
        return self._metadata.contract

    def classify(self, crops: NDArray[np.uint8]) -> Predictions:
        """Predictions for crops (N, 1, S, S) uint8; N may be 0."""
        contract = self._metadata.contract
        if crops.shape[1:] != (1, contract.size, contract.size) or crops.dtype != np.uint8:
            raise ValueError(
                f"crops must be (N, 1, {contract.size}, {contract.size}) uint8, found {crops.shape} {crops.dtype}"
            )
        parts = [self._run(crops[start : start + MOST_FACES]) for start in range(0, len(crops), MOST_FACES)]
        none = np.zeros((0, len(contract.labels)), np.float32)
        return Predictions(np.concatenate(parts) if parts else none, contract.labels)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            answer: Sequence[Any] = self._session.run([_PROBABILITIES], {INPUT_NAME: crops})
        except Exception as error:  # onnxruntime's exceptions have no public base class but RuntimeError's siblings
            raise ModelError(f"the expression model failed on {self.provider}: {error}") from error
        return np.asarray(answer[0], np.float32)


def _open_session(path: Path, device: Device, threads: int) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give an .onnx that fer-export wrote")
    if path.suffix.lower() == ".pt":
        raise ModelError(f"{path}: this is a checkpoint; make a model of it with: fer-export {path}")
    providers = _providers(device)
    options = onnxruntime.SessionOptions()
    set_up(options, threads)
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:
        if device is not Device.CUDA:
            raise ModelError(f"{path}: onnxruntime cannot load it: {first_line(error)}") from error
        raise DeviceError(f"CUDA cannot run {path}: {first_line(error)}; use --device cpu") from error
    if device is Device.CUDA and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceError(
            _no_cuda("onnxruntime's CUDA provider did not load (pip install 'fer-live[cuda]' brings its libraries)")
        )
    return session


def _providers(device: Device) -> list[str]:
    if device is Device.CPU:
        return ["CPUExecutionProvider"]
    reason = _why_no_cuda()
    if reason is None:
        # CUDA and cuDNN from the nvidia packages, where they are installed beside onnxruntime.
        onnxruntime.preload_dlls()
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]
    if device is Device.CUDA:
        raise DeviceError(_no_cuda(reason))
    return ["CPUExecutionProvider"]


def _why_no_cuda() -> str | None:
    """Why CUDA cannot be used, as far as can be told without asking onnxruntime to try (it complains on stderr)."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime has no CUDA provider (pip install onnxruntime-gpu)"
    driver = "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return f"no NVIDIA driver ({driver}) was found"
    count = ctypes.c_int(0)
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "the NVIDIA driver shows no GPU" + (f" (CUDA_VISIBLE_DEVICES={hidden!r})" if hidden is not None else "")
    return None


def _no_cuda(reason: str) -> str:
    return f"CUDA was asked for and cannot be used: {reason}; use --device cpu or mend that"
