"""Checkpoints (``.pt``) and exported models (``.onnx``) behind one call: probabilities of each head for images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from fer_live.contract import Contract
from fer_live.errors import ContractError, ModelError
from fer_live.model_metadata import INPUT_NAME, ModelMetadata, output_names
from fer_live.sessions import set_up
from fer_live.training.checkpoint import Checkpoint, load_checkpoint

from .logits import crops_of, predict_logits, probabilities_of

__all__ = ["OnnxPredictor", "Predictor", "TorchPredictor", "load_predictor", "mirror_averaged", "open_session"]

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


class Predictor(Protocol):
    """A model to be evaluated. ``runtime`` says what computes, for the report."""

    contract: Contract
    provenance: dict[str, Any]
    runtime: str

    def __call__(self, images: Images) -> tuple[Floats, ...]:
        """Calibrated probabilities (N, C) of each head of the contract for images (N, S, S) uint8."""
        ...


class TorchPredictor:
    """A checkpoint, in float32."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.contract = checkpoint.contract
        self.provenance = dict(checkpoint.provenance)
        self.runtime = f"torch {torch.__version__}, {device.type}, float32"
        self._network = checkpoint.network().to(device)
        self._device = device

    def __call__(self, images: Images) -> tuple[Floats, ...]:
        """See :class:`Predictor`."""
        logits = predict_logits(self._network, images, self.contract, self._device)
        return tuple(
            probabilities_of(values, head.temperature) for values, head in zip(logits, self.contract.heads, strict=True)
        )


class OnnxPredictor:
    """An exported model, by onnxruntime on the CPU."""

    def __init__(self, session: onnxruntime.InferenceSession, metadata: ModelMetadata, batch: int = 256) -> None:
        self.contract = metadata.contract
        self.provenance = dict(metadata.provenance)
        self.runtime = f"onnxruntime {onnxruntime.__version__}, {session.get_providers()[0]}"
        self._session = session
        self._batch = batch
        self._outputs = list(output_names(self.contract)[1::2])
        missing = set(self._outputs) - {output.name for output in session.get_outputs()}
        if missing:
            raise ModelError(f"the model lacks the outputs {', '.join(sorted(missing))} that its contract promises")

    def __call__(self, images: Images) -> tuple[Floats, ...]:
        """See :class:`Predictor`."""
        parts = [
            self._session.run(self._outputs, {INPUT_NAME: crops_of(images[start : start + self._batch], self.contract)})
            for start in range(0, max(1, len(images)), self._batch)
        ]
        return tuple(np.concatenate([part[number] for part in parts]) for number in range(len(self._outputs)))


def open_session(model: bytes, *, threads: int = 0, name: str = "model") -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU; 0 threads leaves their number to onnxruntime.

    Raises:
        ModelError: not an ONNX model, or one that onnxruntime can't run.
    """
    options = onnxruntime.SessionOptions()
    set_up(options, threads)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's own exceptions have no common base but Exception
        raise ModelError(f"{name}: not a model that onnxruntime can run: {error}") from error


def load_predictor(path: Path, device: torch.device) -> Predictor:
    """Read ``.onnx`` with onnxruntime (on the CPU, whatever ``device`` is), anything else as a checkpoint.

    Raises:
        ModelError: no such file, or not a model.
        ContractError: the model has no contract, or a broken one.
    """
    if path.suffix.lower() != ".onnx":
        return TorchPredictor(load_checkpoint(path), device)
    try:
        session = open_session(path.read_bytes(), name=str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return OnnxPredictor(session, ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map))
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def mirror_averaged(predict: Callable[[Images], tuple[Floats, ...]], images: Images) -> tuple[Floats, ...]:
    """Geometric mean of the probabilities of each image and its mirror image: the mean of both's logits."""

    def log(probabilities: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(probabilities, 1e-30)), np.float32)

    return tuple(
        probabilities_of((log(one) + log(other)) / np.float32(2), 1.0)
        for one, other in zip(predict(images), predict(np.ascontiguousarray(images[:, :, ::-1])), strict=True)
    )
