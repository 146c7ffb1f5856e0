"""The expression classifier: an exported model run by onnxruntime."""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_live.bundled import MODEL, MODEL_INT8, asset_path
from fer_live.contract import Contract
from fer_live.errors import ContractError, DeviceError, ModelError, first_line
from fer_live.model_metadata import INPUT_NAME, ModelMetadata
from fer_live.realtime.datatypes import Predictions
from fer_live.sessions import set_up

from .cuda_driver import why_no_cuda
from .cuda_model import BUCKETS, CudaModel

__all__ = ["Device", "OnnxClassifier", "bundled_model"]

CPU_PROVIDER = "CPUExecutionProvider"

_PROBABILITIES = "probabilities"

MOST_FACES = BUCKETS[-1]
"""Faces a run; more are run in pieces, which bounds the memory of a crowd."""


class Device(StrEnum):
    """What a classifier runs on."""

    CPU = "cpu"
    CUDA = "cuda"


def bundled_model(device: Device) -> Path:
    """The bundled model that is fastest on ``device``: int8 on the CPU, float32 on CUDA, where no other was measured.

    Raises:
        ModelError: it is missing or damaged.
    """
    return asset_path(MODEL_INT8 if device is Device.CPU else MODEL)


class OnnxClassifier:
    """Labels face crops with a model that ``fer-export`` wrote. From one thread at a time.

    The model's own contract says how faces must be cropped. At start the probe that the model carries is run, which
    warms the session up, and a model that answers differently from where it was made is refused.

    Args:
        path: the ``.onnx`` file.
        device: where to run it.
        threads: onnxruntime's threads on the CPU.

    Raises:
        ModelError: no such file, corrupt, or not an expression model.
        ContractError: no contract, an unknown one, or wrong answers to the probe.
        DeviceError: CUDA cannot be used.
    """

    def __init__(self, path: Path, device: Device = Device.CPU, threads: int = 1) -> None:
        model = _read(path)
        self.path = path
        """The model's file."""
        self.sha256 = sha256(model).hexdigest()
        """Of the file as it was read, lower-case hexadecimal."""
        try:
            # On CUDA, too, a session on the CPU says what the file is, so that no flaw of it is taken for the GPU's.
            session = _cpu_session(model, threads)
            self._metadata = ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map)
        except ModelError as error:
            raise type(error)(f"{path}: {error}") from error
        except UnicodeDecodeError as error:  # onnxruntime looks at its texts only when it is asked for them
            raise ModelError(f"{path}: its metadata is damaged: {error}") from error
        inputs, outputs = (
            [entry.name for entry in entries] for entries in (session.get_inputs(), session.get_outputs())
        )
        if inputs != [INPUT_NAME] or _PROBABILITIES not in outputs:
            raise ModelError(
                f"{path}: expected the input {INPUT_NAME!r} and the output {_PROBABILITIES!r}, "
                f"found {inputs}, {outputs}"
            )
        self._model: CudaModel | _CpuModel = (
            _cuda_model(model, self.contract, threads) if device is Device.CUDA else _CpuModel(session)
        )
        difference = self._metadata.probe.max_difference(self._model.run(self._metadata.probe.faces))
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

    @property
    def provider(self) -> str:
        """The execution provider that runs it."""
        return self._model.provider

    def warm_up(self, most_faces: int = MOST_FACES) -> None:
        """Do now what the first run of each batch size would do, up to ``most_faces``; on the CPU that is nothing.

        Raises:
            DeviceError: the GPU's memory is full.
        """
        self._model.warm_up(most_faces)

    def classify(self, crops: NDArray[np.uint8]) -> Predictions:
        """Predictions for crops (N, 1, S, S) uint8; N may be 0.

        Raises:
            DeviceError: the run failed on CUDA.
            ModelError: it failed on the CPU.
        """
        contract = self._metadata.contract
        if crops.shape[1:] != (1, contract.size, contract.size) or crops.dtype != np.uint8:
            raise ValueError(
                f"crops must be (N, 1, {contract.size}, {contract.size}) uint8, found {crops.shape} {crops.dtype}"
            )
        parts = [self._model.run(crops[start : start + MOST_FACES]) for start in range(0, len(crops), MOST_FACES)]
        none = np.zeros((0, len(contract.labels)), np.float32)
        return Predictions(np.concatenate(parts) if parts else none, contract.labels)


class _CpuModel:
    provider = CPU_PROVIDER

    def __init__(self, session: Any) -> None:
        self._session = session

    def warm_up(self, most_faces: int) -> None:
        """Batches of any size cost the same a face."""

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            answer: Any = self._session.run([_PROBABILITIES], {INPUT_NAME: crops})[0]
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise ModelError(f"the expression model failed on {self.provider}: {first_line(error)}") from error
        return np.asarray(answer, np.float32)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give an .onnx that fer-export wrote")
    if path.suffix.lower() == ".pt":
        raise ModelError(f"{path}: this is a checkpoint; make a model of it with: fer-export {path}")
    return path.read_bytes()


def _cpu_session(model: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    set_up(options, threads)
    try:
        # Its fallback prints to stdout and tries the same again.
        return onnxruntime.InferenceSession(model, options, providers=[CPU_PROVIDER], enable_fallback=0)
    except Exception as error:
        raise ModelError(f"onnxruntime cannot load it: {first_line(error)}") from error


def _cuda_model(model: bytes, contract: Contract, threads: int) -> CudaModel:
    no_cuda = why_no_cuda()
    if no_cuda is not None:
        raise DeviceError(no_cuda.reason)
    return CudaModel(model, contract, threads=threads)
