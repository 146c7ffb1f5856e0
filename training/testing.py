"""A small data set in FER2013's shape whose classes can be learnt in seconds, and a network that learnt nothing: for
tests and for trying things out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fer_live.contract import FER2013_LABELS, FERPLUS_LABELS

from .checkpoint import Checkpoint
from .data.fer2013 import SIDE, Fer2013, Usage
from .recipes.registry import RECIPES, build_model, fer2013_contract

__all__ = ["subset", "synthetic_fer2013", "untrained_checkpoint"]

_PATTERNS = ((0, 2), (0, 4), (0, 6), (2, 0), (4, 0), (6, 0), (0, 0))
"""Waves across and down of each class; the last is flat. Alike in the mirror, apart under mild warps."""


def synthetic_fer2013(n: int, seed: int = 0) -> Fer2013:
    """``n`` noisy drawn patterns, one for each expression: 80 % Training, 10 % PublicTest, 10 % PrivateTest, in turns.

    Nine of ten FER+ votes are for the same expression, one is for "unknown". No two images are alike.
    """
    generator = np.random.default_rng(seed)
    expression = np.arange(n, dtype=np.int64) % len(FER2013_LABELS)
    order = np.arange(n) // len(FER2013_LABELS) % 10
    usage = np.select([order == 8, order == 9], [Usage.PublicTest, Usage.PrivateTest], Usage.Training).astype(np.uint8)
    line = (np.arange(SIDE) - SIDE / 2) / SIDE
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for image, label in zip(images, expression, strict=True):
        across, down = _PATTERNS[label]
        wave = np.cos(2 * np.pi * across * line)[None, :] * np.cos(2 * np.pi * down * line)[:, None]
        contrast, level = generator.uniform(40, 70), generator.uniform(100, 150)
        noise = generator.normal(0, 15, (SIDE, SIDE))
        image[...] = np.clip(level + contrast * (wave if across or down else 0) + noise, 0, 255)
    votes = np.zeros((n, 10), np.uint8)
    ferplus = [FERPLUS_LABELS.index(label) for label in FER2013_LABELS]
    votes[np.arange(n), np.array(ferplus)[expression]] = 9
    votes[:, 8] = 1
    return Fer2013(images, expression, usage, votes, ("synthetic: drawn patterns, not faces",))


def subset(dataset: Fer2013, rows: NDArray[np.int64]) -> Fer2013:
    """The rows ``rows`` of a data set, in that order."""
    return dataset.take(rows)


def untrained_checkpoint(seed: int = 0) -> Checkpoint:
    """A checkpoint of ``residual_tiny`` with random weights, norms and temperatures: all that an export must carry."""
    model = RECIPES["residual_tiny"].model
    contract = fer2013_contract().with_temperatures({"fer2013": 0.7, "ferplus": 1.9})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(model, contract)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
                for tensor in (module.bias, module.running_mean):
                    nn.init.normal_(tensor, 0, 0.2)  # type: ignore[arg-type]
    return Checkpoint(contract, model, network.state_dict(), {"recipe": "residual_tiny", "seed": seed})
