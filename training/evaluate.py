"""Evaluation: logits of a network on images, and the figures that honest tables need.

Splits: *public* (PublicTest, for choosing), *private* (PrivateTest, standard) and *private_dedup* (PrivateTest
without images that stand in Training or PublicTest).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fer_live.contract import Contract
from fer_live.preprocess import crop_faces, whole_image_squares

__all__ = [
    "Metrics",
    "calibration_bins",
    "compute_metrics",
    "crops_of",
    "fit_temperature",
    "normalise",
    "predict_logits",
    "probabilities_of",
    "wilson_interval",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one head on one split. Shares are 0..1, losses in nats.

    ``confusion``: (C, C) counts, rows the true label, columns the predicted. ``precision``, ``recall``, ``f1``: (C,).
    ``recall_interval``: 95 % Wilson interval of each recall, (C, 2). ``ece``: expected calibration error, 15 equal
    bins of confidence (Guo et al. 2017). ``brier``: multi-class Brier score, 0..2.
    ``accuracy_at_70``: accuracy on the 70 % of images it is surest of.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    balanced_accuracy: float
    nll: float
    brier: float
    ece: float
    accuracy_at_70: float
    labels: tuple[str, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    recall_interval: tuple[tuple[float, float], ...]
    confusion: tuple[tuple[int, ...], ...]


def normalise(faces: Tensor, contract: Contract) -> Tensor:
    """Pixels (N, 1, S, S) 0..255, any dtype, to the network's float32 input."""
    return (faces.float() / 255.0 - contract.mean) / contract.std


def crops_of(images: NDArray[np.uint8], contract: Contract) -> NDArray[np.uint8]:
    """Images (N, S, S) as the live engine's pixel path crops them, (N, 1, S, S); N may be 0."""
    crops = [
        crop_faces(image, square[None], contract)
        for image, square in zip(images, whole_image_squares(images), strict=True)
    ]
    return np.concatenate(crops) if crops else np.empty((0, 1, contract.size, contract.size), np.uint8)


def predict_logits(
    network: nn.Module,
    images: NDArray[np.uint8],
    contract: Contract,
    device: torch.device,
    *,
    batch: int = 512,
) -> tuple[Floats, ...]:
    """Raw logits (N, C) of each head for images (N, S, S), through the same pixel path as the live engine.

    Leaves the network in eval mode.
    """
    network.eval()
    chunks: list[list[Floats]] = [[] for _ in contract.heads]
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            crops = crops_of(images[start : start + batch], contract)
            outputs = network(normalise(torch.from_numpy(crops).to(device), contract))
            for chunk, output in zip(chunks, outputs, strict=True):
                chunk.append(output.float().cpu().numpy())
    return tuple(
        np.concatenate(chunk) if chunk else np.zeros((0, len(head.labels)), np.float32)
        for chunk, head in zip(chunks, contract.heads, strict=True)
    )


def probabilities_of(logits: Floats, temperature: float) -> Floats:
    """Softmax of logits (N, C) divided by ``temperature``."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    exp = np.exp(scaled)
    return np.asarray(exp / exp.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The temperature that minimises the cross entropy of logits (N, C) to target distributions (N, C).

    Guo et al. 2017. Rows of zeros in ``target`` don't count.
    """
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    logits, target = logits.double(), target.double()
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -(target * functional.log_softmax(logits / log_temperature.exp(), 1)).sum(1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(min(max(math.exp(log_temperature.item()), 0.05), 20.0))


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson score interval of the share ``hits / n``; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The ends are exact where the share is 0 or 1, which rounding would miss by a hair.
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


def calibration_bins(probabilities: Floats, truth: NDArray[np.int64], bins: int = 15) -> NDArray[np.float64]:
    """Reliability of probabilities (N, C): rows (count, mean confidence, accuracy) of ``bins`` equal bins."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    table = np.zeros((bins, 3))
    for number in range(bins):
        inside = index == number
        if inside.any():
            table[number] = inside.sum(), confidence[inside].mean(), correct[inside].mean()
    return table


def compute_metrics(probabilities: Floats, truth: NDArray[np.int64], labels: Sequence[str]) -> Metrics:
    """All figures of one head: probabilities (N, C), true labels (N,) 0..C-1, N > 0."""
    n, classes = probabilities.shape
    if n == 0:
        raise ValueError("metrics of no images")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (truth, predicted), 1)
    hits = confusion.diagonal()
    actual, guessed = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = np.divide(hits, actual, out=np.zeros(classes), where=actual > 0)
    precision = np.divide(hits, guessed, out=np.zeros(classes), where=guessed > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(classes), where=both > 0)
    one_hot = np.eye(classes)[truth]
    table = calibration_bins(probabilities, truth)
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(0.7 * n))]
    return Metrics(
        n=n,
        accuracy=float(hits.sum() / n),
        accuracy_interval=wilson_interval(int(hits.sum()), n),
        macro_f1=float(f1.mean()),
        balanced_accuracy=float(recall[actual > 0].mean()),
        nll=float(-np.log(np.maximum(probabilities[np.arange(n), truth], 1e-12)).mean()),
        brier=float(((probabilities - one_hot) ** 2).sum(axis=1).mean()),
        ece=float((table[:, 0] * np.abs(table[:, 1] - table[:, 2])).sum() / n),
        accuracy_at_70=float((predicted[surest] == truth[surest]).mean()),
        labels=tuple(labels),
        precision=_floats(precision),
        recall=_floats(recall),
        f1=_floats(f1),
        recall_interval=tuple(wilson_interval(int(hit), int(of)) for hit, of in zip(hits, actual, strict=True)),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def _floats(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
