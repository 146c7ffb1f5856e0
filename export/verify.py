"""Does the exported model answer as the network does? Compared through onnxruntime before a file is written."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fer_live.errors import ModelError
from fer_live.model_metadata import INPUT_NAME, ModelMetadata, output_names
from fer_live.training.checkpoint import Checkpoint
from fer_live.training.evaluation.predictors import open_session

from .onnx_export import LiveGraph
from .probe import probe_faces

__all__ = [
    "BATCH_SIZES",
    "HALF_MEAN_TOLERANCE",
    "INT8_MEAN_TOLERANCE",
    "TOLERANCE",
    "Agreement",
    "Parity",
    "compare",
    "comparison_faces",
    "measure_ms_per_face",
    "verify",
]

BATCH_SIZES = (0, 1, 2, 8, 33)
TOLERANCE = 1e-4
"""Largest difference of a probability that is accepted between torch and onnxruntime, both float32 on the CPU."""

INT8_MEAN_TOLERANCE = 0.05
"""Mean over faces of the largest probability difference that is accepted between an int8 model and its float32 one."""

HALF_MEAN_TOLERANCE = 0.005
"""The same for a half-precision model; on the CPU, which rounds its weights and not what is computed with them."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute difference of probabilities, over ``faces`` faces."""

    max_probability_difference: float
    faces: int


def comparison_faces(size: int, seed: int = 0) -> NDArray[np.uint8]:
    """Crops (N, 1, size, size) uint8 to compare on: probe, flat, striped, single pixels, smooth, random."""
    generator = np.random.default_rng(seed)
    line = np.arange(size)
    stripes = np.broadcast_to(np.where(line % 2, 255, 0), (size, size))
    dot = np.zeros((size, size), int)
    dot[size // 3, size // 4] = 255
    coarse = generator.integers(0, 256, (8, size // 8 + 1, size // 8 + 1))
    smooth = coarse.repeat(8, 1).repeat(8, 2)[:, :size, :size]
    structured = [np.zeros((size, size), int), np.full((size, size), 255), stripes, stripes.T, dot, 255 - dot]
    random = generator.integers(0, 256, (15, size, size))
    crops = np.concatenate([np.stack(structured), smooth, random]).astype(np.uint8)[:, None]
    return np.concatenate([probe_faces(size), crops])


def verify(checkpoint: Checkpoint, model: bytes) -> Parity:
    """Compare an exported model with its network, for every batch size of :data:`BATCH_SIZES`.

    Args:
        checkpoint: where the model comes from.
        model: the ``.onnx`` file's bytes.

    Raises:
        ModelError: it can't be run, its outputs have other shapes, an answer is not finite or differs by more than
            :data:`TOLERANCE`, or its metadata is not the checkpoint's.
    """
    contract = checkpoint.contract
    session = open_session(model)
    metadata = ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map)
    if metadata.contract != contract:
        raise ModelError("the exported model's contract is not the checkpoint's")
    graph = LiveGraph(checkpoint.network(), contract).eval()
    faces = comparison_faces(contract.size)
    names = list(output_names(contract))
    worst = {name: 0.0 for name in names}
    for size in BATCH_SIZES:
        batch = faces[:size]
        with torch.inference_mode():
            expected = [output.numpy() for output in graph(torch.from_numpy(batch))]
        found = session.run(names, {INPUT_NAME: batch})
        for name, one, other in zip(names, expected, found, strict=True):
            if one.shape != other.shape or other.dtype != np.float32:
                raise ModelError(
                    f"the exported model's {name} is {other.shape} {other.dtype} for {size} faces, expected "
                    f"{one.shape} float32"
                )
            if not (np.isfinite(one).all() and np.isfinite(other).all()):
                raise ModelError(f"{name} is not finite: the weights are broken")
            worst[name] = max(worst[name], float(np.abs(one - other).max(initial=0.0)))
    probabilities = max(value for name, value in worst.items() if name.endswith("probabilities"))
    if probabilities > TOLERANCE:
        raise ModelError(
            f"the exported model answers differently from its network: probabilities differ by {probabilities:.2g}, "
            f"accepted are {TOLERANCE:g}"
        )
    probe = session.run(names[1:2], {INPUT_NAME: metadata.probe.faces})[0]
    if metadata.probe.max_difference(probe) > TOLERANCE:
        raise ModelError("the exported model answers its own probe differently from its network")
    return Parity(probabilities, max(BATCH_SIZES))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a model's first head answers beside another one's, over ``faces`` faces.

    ``same_label``: share of faces with the same label, 0..1. ``mean_difference``, ``max_difference``: of the largest
    absolute difference of a face's probabilities. ``accuracies``: of the reference and of the model, 0..1; None where
    the truth is not known.
    """

    faces: int
    same_label: float
    mean_difference: float
    max_difference: float
    accuracies: tuple[float, float] | None


def compare(
    reference: bytes,
    model: bytes,
    crops: NDArray[np.uint8],
    truth: NDArray[np.int64] | None = None,
    *,
    option: str = "int8",
    accepted: float = INT8_MEAN_TOLERANCE,
) -> Agreement:
    """Compare a model of fewer bits with the float32 model that it was made of.

    Args:
        reference: the float32 ``.onnx`` file's bytes.
        model: the other one's.
        crops: (N, 1, S, S) uint8, N > 0; none that an int8 model's ranges were found on.
        truth: (N,) labels of the first head.
        option: of ``fer-export`` that made it.
        accepted: mean over faces of the largest probability difference.

    Raises:
        ModelError: the outputs of :data:`BATCH_SIZES` faces have other shapes or are not finite, it answers its own
            probe otherwise, or its answers differ by more than ``accepted``.
    """
    sessions = open_session(reference), open_session(model)
    metadata = ModelMetadata.from_props(sessions[1].get_modelmeta().custom_metadata_map)
    name = output_names(metadata.contract)[1]
    for size in BATCH_SIZES:
        faces = np.resize(crops, (size, *crops.shape[1:]))
        for one, other in zip(*(session.run(None, {INPUT_NAME: faces}) for session in sessions), strict=True):
            if one.shape != other.shape or not np.isfinite(other).all():
                raise ModelError(
                    f"the {option} model answers {size} faces with {other.shape}, expected {one.shape}, finite"
                )
    probe = sessions[1].run([name], {INPUT_NAME: metadata.probe.faces})[0]
    if not metadata.probe.max_difference(probe) <= metadata.probe.tolerance:
        raise ModelError(f"the {option} model answers its own probe differently from when it was made")
    one, other = (
        np.concatenate([session.run([name], {INPUT_NAME: crops[at : at + 256]})[0] for at in range(0, len(crops), 256)])
        for session in sessions
    )
    difference = np.abs(one - other).max(axis=1)
    if not difference.mean() <= accepted:
        raise ModelError(
            f"{option} changes this network's probabilities by {difference.mean():.2g} on average, accepted are "
            f"{accepted:g}: export without --{option}"
        )
    labels = one.argmax(axis=1), other.argmax(axis=1)
    return Agreement(
        len(crops),
        float((labels[0] == labels[1]).mean()),
        float(difference.mean()),
        float(difference.max()),
        None if truth is None else (float((labels[0] == truth).mean()), float((labels[1] == truth).mean())),
    )


def measure_ms_per_face(model: bytes, batch: int, *, threads: int, seconds: float = 0.4) -> float:
    """Median milliseconds a face, by onnxruntime on the CPU with ``threads`` threads and batches of ``batch``."""
    session = open_session(model, threads=threads)
    size = session.get_inputs()[0].shape[2]
    faces = np.random.default_rng(0).integers(0, 256, (batch, 1, size, size), np.uint8)
    durations: list[float] = []
    session.run(None, {INPUT_NAME: faces})
    end = time.perf_counter() + seconds
    while len(durations) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, {INPUT_NAME: faces})
        durations.append(time.perf_counter() - start)
    return 1000 * float(np.median(durations)) / batch
