"""What a network says of images: its logits through the live engine's pixel path, and the probabilities they make."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fer_live.contract import Contract
from fer_live.preprocess import crop_faces, whole_image_squares

__all__ = ["Floats", "crops_of", "fit_temperature", "normalise", "predict_logits", "probabilities_of"]

Floats = NDArray[np.float32]


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
