"""The batches of an epoch, made from images in memory: drawn, mirrored, augmented, mixed on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.data.ferplus import ferplus_distribution, image_hashes
from fer_live.training.distributed import ALONE, Ranks
from fer_live.training.recipes.config import TrainConfig

from .augment import augment, mix
from .sampling import epoch_generator, epoch_length, epoch_order, epoch_steps

__all__ = ["Batch", "Batches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """``faces``: (B, 1, S, S) float32, 0..255. ``rows``: (B,) whose they are, ``partners``: (B,) whose were mixed in.

    ``share``: (B,) float32, of ``rows`` in the mixture, 1 where nothing was mixed in.
    """

    faces: Tensor
    rows: Tensor
    partners: Tensor
    share: Tensor


class Batches:
    """The training images on a device, and the batches that an epoch makes of them.

    All images live there as uint8: 28,006 x 48 x 48 are 65 MB.

    Args:
        dataset: FER2013.
        rows: (M,) its rows to train on.
        config: batch size, balance, augmentation and mixing.
        device: where they live and the batches are made.
        ranks: the processes that train together; each makes its own share of every batch.

    Attributes:
        labels: (M,) int64.
        votes: (M, 8) float32, FER+ as a distribution, zeros where there is none.
        steps: batches an epoch.
    """

    def __init__(
        self,
        dataset: Fer2013,
        rows: NDArray[np.int64],
        config: TrainConfig,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self._config, self._device, self._ranks = config, device, ranks
        self._faces = torch.from_numpy(dataset.images[rows]).unsqueeze(1).to(device)  # (M, 1, S, S) uint8
        self._parity = torch.from_numpy((image_hashes(dataset.images[rows]) % 2).astype(bool)).to(device)  # (M,)
        self.labels = torch.from_numpy(dataset.expression[rows]).to(device)
        self.votes = torch.from_numpy(ferplus_distribution(dataset.votes[rows])).to(device)
        self.steps = epoch_steps(epoch_length(self.labels, config), config)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, the same each time; seeds torch's global generator, too, which dropout draws from.

        Of several ranks each sees every batch's own share: the order is the same for all, the augmentation is not.
        """
        config, ranks = self._config, self._ranks
        # One generator an epoch: a run that was killed repeats its unfinished epoch with the same draws.
        generator = epoch_generator(config, epoch, self._device)
        order, repeat = epoch_order(self.labels, config, generator)
        ranks.draw_apart(generator)
        torch.manual_seed(generator.initial_seed())
        clean = epoch >= round(config.epochs * (1 - config.clean_tail))
        for step in range(self.steps):
            chosen = slice(step * config.batch_size, (step + 1) * config.batch_size)
            rows = ranks.share(order[chosen])
            # Alternating flip (Jordan 2024): every image is seen once as it is and once mirrored in two epochs.
            again = ranks.share(repeat[chosen]) % 2 == 1
            flip = (self._parity[rows] ^ bool(epoch % 2) ^ again) & config.mirror
            faces = augment(self._faces[rows], flip, config, generator, clean=clean)
            if (config.mixup > 0 or config.mixup_share > 0 or config.cutmix > 0) and not clean:
                mixed = mix(faces, config, generator)
                yield Batch(mixed.faces, rows, rows[mixed.partner], mixed.share)
            else:
                yield Batch(faces, rows, rows, torch.ones(len(rows), device=self._device))
