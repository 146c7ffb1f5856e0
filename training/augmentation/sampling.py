"""Which training images come up in an epoch, and how often (the balance of classes), and which ones judge it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.recipes.config import TrainConfig

__all__ = [
    "class_counts",
    "epoch_generator",
    "epoch_length",
    "epoch_order",
    "epoch_steps",
    "public_rows",
    "rows_seen",
    "sample_rows",
]


def epoch_generator(config: TrainConfig, epoch: int, device: torch.device) -> torch.Generator:
    """The source of randomness of one epoch, its own: an epoch that is repeated draws the same again."""
    return torch.Generator(device).manual_seed(config.seed * 1_000_003 + epoch)


def public_rows(dataset: Fer2013, config: TrainConfig) -> NDArray[np.int64]:
    """The rows of PublicTest that judge an epoch: all, or the fixed draw that ``public_images`` asks for."""
    rows = dataset.rows(Usage.PublicTest)
    return sample_rows(rows, config.public_images or len(rows))


def sample_rows(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """``n`` of the rows in their order, or all where there are no more: the same ones each time."""
    if n >= len(rows):
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, n, replace=False))


def epoch_length(labels: Tensor, config: TrainConfig) -> int:
    """How many images an epoch has, the same in each."""
    return sum(count for _, count in _wanted(labels, config))


def class_counts(labels: Tensor, config: TrainConfig, classes: int) -> Tensor:
    """How many images of each class an epoch has, (``classes``,) int64: the prior that a network learns from.

    Args:
        labels: (M,) int64 of the training images.
        config: its ``balance`` and ``copies``.
        classes: there are; one without images has 0.
    """
    counts = torch.zeros(classes, dtype=torch.int64, device=labels.device)
    for members, count in _wanted(labels, config):
        counts[labels[members[0]]] = count
    return counts


def epoch_steps(length: int, config: TrainConfig) -> int:
    """Steps of an epoch that would have ``length`` images were it whole."""
    return max(1, int(length * config.epoch_share) // config.batch_size)


def epoch_order(labels: Tensor, config: TrainConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The rows of an epoch in random order.

    Args:
        labels: (M,) int64 of the training images.
        config: its ``balance`` and ``copies``.
        generator: source of randomness, on the device of ``labels``.

    Returns:
        Row numbers (L,), and (L,) how often each row stood in the epoch before, so that repeats can be mirrored.
        A class that wants more images than it has shows each of them as often as any other, give or take one.
    """
    if config.balance == "none":
        order = torch.randperm(len(labels), generator=generator, device=labels.device)
        return order, torch.zeros_like(order)
    rows: list[Tensor] = []
    repeats: list[Tensor] = []
    for members, count in _wanted(labels, config):
        for repeat, start in enumerate(range(0, count, len(members))):
            drawn = torch.randperm(len(members), generator=generator, device=labels.device)[: count - start]
            rows.append(members[drawn])
            repeats.append(torch.full_like(drawn, repeat))
    order = torch.randperm(sum(map(len, rows)), generator=generator, device=labels.device)
    return torch.cat(rows)[order], torch.cat(repeats)[order]


def rows_seen(labels: Tensor, config: TrainConfig, epochs: int) -> int:
    """How many of the training images, labels (M,), came up at all in the first ``epochs`` epochs, on the CPU."""
    seen = torch.zeros(len(labels), dtype=torch.bool)
    images = epoch_steps(epoch_length(labels, config), config) * config.batch_size
    for epoch in range(epochs):
        order, _ = epoch_order(labels, config, epoch_generator(config, epoch, labels.device))
        seen[order[:images]] = True
    return int(seen.sum())


def _wanted(labels: Tensor, config: TrainConfig) -> list[tuple[Tensor, int]]:
    """The rows of each class that occurs, and how many images of it an epoch has."""
    classes = [torch.nonzero(labels == label).flatten() for label in torch.unique(labels)]
    counts = [len(members) for members in classes]
    if config.balance == "oversample":
        wanted = [max(counts)] * len(counts)
    elif config.balance == "undersample":
        wanted = [min(counts)] * len(counts)
    elif config.balance == "sqrt":
        roots = [count**0.5 for count in counts]
        wanted = [max(1, round(sum(counts) * root / sum(roots))) for root in roots]
    else:
        wanted = [count * (config.copies if config.balance == "augment_all" else 1) for count in counts]
    return list(zip(classes, wanted, strict=True))
