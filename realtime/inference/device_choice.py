"""Which device the classifier runs on, and why: asked for, the only one, or the faster one for the batch at hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

from fer_live.errors import ContractError, DeviceError

from .classifier import Device, OnnxClassifier, bundled_model
from .cuda_driver import why_no_cuda

__all__ = ["Choice", "likely_batch", "median_ms", "open_classifier"]

FACES_A_FRAME = 4
"""Faces that a frame is taken to have where nobody can know it: before it was read."""

RUNS = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A classifier, and what is to be told of how it came about.

    ``reason``: why this device, where two could be used. ``warning``: why CUDA is not used on a machine where one
    would expect it. Either is None where there is nothing to tell.
    """

    classifier: OnnxClassifier
    reason: str | None = None
    warning: str | None = None


def likely_batch(is_live: bool) -> int:
    """Faces that the classifier is likely to get at once.

    Live: those of one frame. From a file: those of a batch of 8 frames of which every fourth is classified, which is
    how long a classification stays fresh at 25 frames a second.
    """
    return FACES_A_FRAME if is_live else 2 * FACES_A_FRAME


def median_ms(classifier: OnnxClassifier, batch: int) -> float:
    """Median milliseconds of a run of ``batch`` faces, the first run apart."""
    crops = np.zeros((batch, 1, classifier.contract.size, classifier.contract.size), np.uint8)
    classifier.classify(crops)
    times = []
    for _ in range(RUNS):
        started_s = time.perf_counter()
        classifier.classify(crops)
        times.append(1e3 * (time.perf_counter() - started_s))
    return median(times)


def open_classifier(
    model: Path | None,
    device: Device | Literal["auto"],
    threads: int = 1,
    *,
    batch: int,
    open_on: Callable[[Path, Device, int], OnnxClassifier] = OnnxClassifier,
    measure: Callable[[OnnxClassifier, int], float] = median_ms,
) -> Choice:
    """The classifier on ``device``; on "auto", where there is a GPU, on what runs ``batch`` faces in less time.

    Without a GPU nothing is timed.

    Args:
        model: the ``.onnx`` file, or None for the bundled one that is fastest on the device.
        device: where to run it.
        threads: onnxruntime's threads on the CPU.
        batch: see :func:`likely_batch`.
        open_on: opens a model on a device; another in tests.
        measure: gives milliseconds a run; another in tests.

    Raises:
        ModelError: the model cannot be used, see :class:`~.classifier.OnnxClassifier`.
        DeviceError: CUDA was asked for and cannot be used.
    """

    def on(chosen: Device) -> OnnxClassifier:
        return open_on(model if model is not None else bundled_model(chosen), chosen, threads)

    if device is Device.CUDA:
        try:
            return Choice(on(Device.CUDA))
        except DeviceError as error:
            told = f"CUDA was asked for and cannot be used: {error}; use --device cpu or mend that"
            raise DeviceError(told) from error
    cpu = on(Device.CPU)
    if device is Device.CPU:
        return Choice(cpu)
    no_cuda = why_no_cuda()
    if no_cuda is not None:
        return Choice(cpu, warning=_not_used(no_cuda.reason) if no_cuda.surprising else None)
    try:
        cuda = on(Device.CUDA)
        cuda_ms = measure(cuda, batch)
    except (DeviceError, ContractError) as error:
        return Choice(cpu, warning=_not_used(str(error)))
    cpu_ms = measure(cpu, batch)
    times = {Device.CUDA: cuda_ms, Device.CPU: cpu_ms}
    first, second = sorted(times, key=times.__getitem__)
    return Choice(
        cuda if first is Device.CUDA else cpu,
        reason=f"{first} ({times[first]:.2f} ms a batch of {batch}; {second} {times[second]:.2f} ms)",
    )


def _not_used(reason: str) -> str:
    return f"CUDA is not used, the expression model runs on the CPU: {reason}"
