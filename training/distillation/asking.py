"""What networks say of the Training images as they are, and teachers given as checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_live.contract import Contract
from fer_live.errors import ModelError
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.data.ferplus import image_hashes
from fer_live.training.distributed import ALONE, Ranks
from fer_live.training.evaluation.logits import Floats, predict_logits

from .distil import Hashes, StoredTeachers, check_heads

__all__ = ["CheckpointTeachers", "mean_logits", "training_images"]

_PART = 2048
"""Images between two words on how far it is."""


def training_images(dataset: Fer2013) -> tuple[Hashes, NDArray[np.int64]]:
    """The hash (U,) and the row (U,) of each Training image, of identical ones the first, in order of the hashes."""
    rows = dataset.training_rows("none")
    hashes, first = np.unique(image_hashes(dataset.images[rows]), return_index=True)
    return hashes, rows[first]


def mean_logits(
    networks: Sequence[nn.Module],
    images: NDArray[np.uint8],
    contract: Contract,
    device: torch.device,
    *,
    mirrored: bool = False,
    bf16: bool = False,
    on_images: Callable[[int], None] = lambda images: None,
) -> tuple[Floats, ...]:
    """The mean over the networks of the raw logits (N, C) of each head for images (N, S, S).

    Args:
        networks: of the contract; left on the device, in eval mode.
        images: as they are in the data set.
        contract: the networks' own.
        device: where to compute.
        mirrored: the mean also over each image's mirror image.
        bf16: autocast to bfloat16.
        on_images: called with the number of images that a network has just been asked about, mirror images counted.
    """
    views = (images, np.ascontiguousarray(images[..., ::-1])) if mirrored else (images,)
    sums = tuple(np.zeros((len(images), len(head.labels)), np.float32) for head in contract.heads)
    for network in networks:
        network.to(device)
        for view in views:
            for part in (slice(start, start + _PART) for start in range(0, len(view), _PART)):
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    heads = predict_logits(network, view[part], contract, device)
                for total, logits in zip(sums, heads, strict=True):
                    total[part] += logits
                on_images(len(view[part]))
    answers = len(networks) * len(views)
    return tuple(np.asarray(total / answers, np.float32) for total in sums)


class CheckpointTeachers:
    """Checkpoints that are asked once, before the first step, about each Training image and its mirror image.

    Their answer is the mean of their logits. Of a student like its teachers Furlanello et al. 2018 write ("born-again
    networks"). Such teachers have seen the images as a rule, and are surer of them than of others: their answers tell
    less than those of teachers that have not (:func:`~fer_live.training.distillation.teachers.ask`).

    Args:
        paths: of the checkpoints, at least one.
        dataset: FER2013.
        bf16: autocast to bfloat16.
        ranks: the processes that train together; the first asks, for all.
        on_asked: called with how many answers there are, and of how many, after each part.

    Raises:
        ModelError: a file is missing or no checkpoint, or two are of other heads, labels or faces.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        dataset: Fer2013,
        *,
        bf16: bool,
        ranks: Ranks = ALONE,
        on_asked: Callable[[int, int], None] = lambda asked, of: None,
    ) -> None:
        self._checkpoints = [load_checkpoint(path) for path in paths]
        self._first = paths[0]
        for path, checkpoint in zip(paths, self._checkpoints, strict=True):
            odd = _difference(checkpoint.contract, self._checkpoints[0].contract)
            if odd:
                raise ModelError(f"{path} can't teach together with {paths[0]}: {odd}")
        self._dataset, self._bf16, self._ranks, self._on_asked = dataset, bf16, ranks, on_asked
        self._stored: StoredTeachers | None = None

    @property
    def identity(self) -> str:
        """SHA-256 of the weights and of what makes them answers, whatever the order of the checkpoints.

        Not of the answers: those of another machine, or of more threads, differ by rounding.
        """
        digest = hashlib.sha256()
        for line in sorted(
            f"{checkpoint.weights_sha256()} {checkpoint.model.to_json()} {checkpoint.contract.mean} "
            f"{checkpoint.contract.std}\n"
            for checkpoint in self._checkpoints
        ):
            digest.update(line.encode())
        return f"checkpoints {digest.hexdigest()}"

    def prepare(self, hashes: Hashes, contract: Contract, device: torch.device) -> None:
        """Ask them.

        Raises:
            DataError: they lack a head of the student's.
            ModelError: their labels or faces are others than the student's.
        """
        theirs = self._checkpoints[0].contract
        by_name = {head.name: head for head in theirs.heads}
        check_heads(by_name, contract)
        odd = _difference(replace(theirs, heads=tuple(by_name[head.name] for head in contract.heads)), contract)
        if odd:
            raise ModelError(f"{self._first} can't teach this student: {odd}")
        self._stored = self._ranks.from_first(lambda: self.answers(device))
        self._stored.prepare(hashes, contract, device)

    def logits(self, x: Tensor, rows: Tensor) -> Sequence[Tensor]:
        """What was said of the images ``rows``, whatever ``x`` looks like; after :meth:`prepare`."""
        assert self._stored is not None
        return self._stored.logits(x, rows)

    def answers(self, device: torch.device) -> StoredTeachers:
        """What they say of each Training image, identical ones once.

        Raises:
            ModelError: the weights of one don't fit its network.
        """
        hashes, rows = training_images(self._dataset)
        images = self._dataset.images[rows]
        asked, of = 0, 2 * len(images) * len(self._checkpoints)

        def count(more: int) -> None:
            nonlocal asked
            asked += more
            self._on_asked(asked, of)

        self._on_asked(0, of)
        told = [
            mean_logits(
                [checkpoint.network()],
                images,
                checkpoint.contract,
                device,
                mirrored=True,
                bf16=self._bf16,
                on_images=count,
            )
            for checkpoint in self._checkpoints
        ]
        names = [head.name for head in self._checkpoints[0].contract.heads]
        means = (np.mean(heads, axis=0).astype(np.float16) for heads in zip(*told, strict=True))
        return StoredTeachers(hashes, dict(zip(names, means, strict=True)))


def _difference(one: Contract, other: Contract) -> str:
    """In what two contracts see or name faces differently, or nothing."""
    if one.size != other.size:
        return f"faces of {one.size} px, not of {other.size}"
    heads = [", ".join(head.name for head in contract.heads) for contract in (one, other)]
    if heads[0] != heads[1]:
        return f"heads {heads[0]}, not {heads[1]}"
    for own, wanted in zip(one.heads, other.heads, strict=True):
        if own.labels != wanted.labels:
            return f"the head {own.name} answers {', '.join(own.labels)}, not {', '.join(wanted.labels)}"
    return ""
