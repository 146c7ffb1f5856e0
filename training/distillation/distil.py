"""What teachers say of the faces of a batch, and the loss that makes a student answer alike (Hinton et al. 2015).

The best teachers of an image were not trained on it: each belongs to a fold of the training images, which it has never
seen (:mod:`~fer_live.training.distillation.teachers`). :class:`LiveTeachers` see the very batch that the student sees,
augmented and mixed; :class:`StoredTeachers` were asked once, about the images as they are, which costs nothing to train
with and tells nothing of what augmentation did to them. Any checkpoints can be asked so
(:mod:`~fer_live.training.distillation.asking`), those that have seen the images too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fer_live.contract import Contract
from fer_live.errors import DataError
from fer_live.files import replacing, system_errors_as
from fer_live.training.augmentation.batches import Batch
from fer_live.training.recipes.config import TrainConfig

__all__ = [
    "Distillation",
    "Hashes",
    "LiveTeachers",
    "StoredTeachers",
    "Teachers",
    "check_heads",
    "distillation_loss",
    "fold_of",
]

Hashes = NDArray[np.uint64]


def fold_of(hashes: Hashes, folds: int) -> NDArray[np.int64]:
    """The fold (N,), 0..``folds`` - 1, of images by their hash (N,): identical images share one, in any data set."""
    return np.asarray((hashes >> np.uint64(8)) % np.uint64(folds), np.int64)


class Teachers(Protocol):
    """Networks, or what they said, with ``identity``, which tells them from others."""

    @property
    def identity(self) -> str:
        """Another one for other teachers."""

    def prepare(self, hashes: Hashes, contract: Contract, device: torch.device) -> None:
        """Get ready for training images of these hashes (M,) on a device; DataError where that can't be."""

    def logits(self, x: Tensor, rows: Tensor) -> Sequence[Tensor]:
        """Logits (B, C) of each head for the images ``rows`` (B,) of those, which look like ``x`` (B, 1, S, S) now."""


class StoredTeachers:
    """What teachers said of images as they are.

    Args:
        hashes: (U,), each image once.
        logits: (U, C) by the name of the head.
    """

    def __init__(self, hashes: Hashes, logits: dict[str, NDArray[np.float16]]) -> None:
        order = np.argsort(hashes)
        self.hashes = hashes[order]
        self.answers = {name: values[order] for name, values in logits.items()}
        self._prepared: list[Tensor] = []

    @property
    def identity(self) -> str:
        """SHA-256 of all of it."""
        digest = hashlib.sha256(self.hashes.astype("<u8").tobytes())
        for name in sorted(self.answers):
            digest.update(name.encode() + self.answers[name].astype("<f2").tobytes())
        return f"stored {digest.hexdigest()}"

    def prepare(self, hashes: Hashes, contract: Contract, device: torch.device) -> None:
        """Find the answers about the images.

        Raises:
            DataError: there is none about an image or for a head, or one has another number of labels.
        """
        check_heads(self.answers, contract)
        for head in contract.heads:
            labels = self.answers[head.name].shape[1]
            if labels != len(head.labels):
                raise DataError(
                    f"the teachers' answers for the head {head.name} have {labels} labels, not {len(head.labels)}"
                )
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        unknown = int((self.hashes[place] != hashes).sum())
        if unknown:
            raise DataError(
                f"the teachers have no answers for {unknown:,} of {len(hashes):,} training images: they are of "
                "other data"
            )
        self._prepared = [
            torch.from_numpy(self.answers[head.name][place].astype(np.float32)).to(device) for head in contract.heads
        ]

    def logits(self, x: Tensor, rows: Tensor) -> Sequence[Tensor]:
        """What was said of the images ``rows``, whatever ``x`` looks like."""
        return [answers[rows] for answers in self._prepared]

    def write(self, path: Path) -> None:
        """Write an .npz, two bytes a logit; SinkError where that fails."""
        with replacing(path) as partial:
            np.savez_compressed(partial, sha256_64=self.hashes, **self.answers)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> StoredTeachers:
        """Read what :meth:`write` wrote; DataError for anything else."""
        with system_errors_as(DataError, path):
            content = path.open("rb")
        with content:
            try:
                with np.load(content, allow_pickle=False) as arrays:
                    found = {name: arrays[name] for name in arrays.files}
                hashes = found.pop("sha256_64").astype(np.uint64)
                answers = {name: values.astype(np.float16) for name, values in found.items()}
                if not len(hashes) or any(v.ndim != 2 or len(v) != len(hashes) for v in answers.values()):
                    raise ValueError("shapes")
            except Exception as error:  # on bytes that are no .npz numpy's reader raises whatever they lead it to
                raise DataError(f"{path}: not a file of teachers' answers (.npz of logits by image hash)") from error
        return cls(hashes, answers)


class LiveTeachers:
    """Teachers that look at every batch; an image's logits are the mean of those of its fold's teachers.

    Args:
        networks: for each fold those that were not trained on it.
        identity: what tells them from others.
    """

    def __init__(self, networks: Sequence[Sequence[nn.Module]], identity: str) -> None:
        self.networks = networks
        self.identity = identity
        self._folds = torch.zeros(0, dtype=torch.long)

    @property
    def folds(self) -> int:
        """In how many parts the Training images were cut."""
        return len(self.networks)

    def prepare(self, hashes: Hashes, contract: Contract, device: torch.device) -> None:
        """Move the networks to the device."""
        self._folds = torch.from_numpy(fold_of(hashes, len(self.networks))).to(device)
        for network in (network for fold in self.networks for network in fold):
            network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def logits(self, x: Tensor, rows: Tensor) -> Sequence[Tensor]:
        """What the teachers that have never seen the images ``rows`` say of ``x``."""
        order = torch.argsort(self._folds[rows])
        counts = torch.bincount(self._folds[rows], minlength=len(self.networks)).tolist()
        parts = []
        for part, networks in zip(torch.split(x[order], counts), self.networks, strict=True):
            if len(part):
                answers = [network(part.contiguous(memory_format=torch.channels_last)) for network in networks]
                parts.append([torch.stack(heads).float().mean(0) for heads in zip(*answers, strict=True)])
        back = torch.argsort(order)
        return [torch.cat(heads)[back] for heads in zip(*parts, strict=True)]


class Distillation:
    """The loss of a training with teachers, and what they say.

    Args:
        teachers: prepared by this.
        config: weight and temperature, and the weight of the FER+ head.
        hashes: (M,) of the training images.
        contract: of the student.
        device: where it trains.
    """

    def __init__(
        self, teachers: Teachers, config: TrainConfig, hashes: Hashes, contract: Contract, device: torch.device
    ) -> None:
        teachers.prepare(hashes, contract, device)
        self._teachers, self._config = teachers, config

    def loss(self, outputs: Sequence[Tensor], targets: Sequence[Tensor], others: Tensor) -> Tensor:
        """The loss with what the teachers say in it.

        Args:
            outputs: the student's logits (B, C) of each head, FER2013's first.
            targets: the teachers' probabilities (B, C) of each.
            others: the loss without teachers.
        """
        config = self._config
        weights = [1.0] + [config.ferplus_weight] * (len(outputs) - 1)
        taught = torch.zeros_like(others)
        for weight, logits, target in zip(weights, outputs, targets, strict=True):
            taught = taught + weight * distillation_loss(logits.float(), target, config.distill_temperature)
        return (1 - config.distill) * others + config.distill * taught

    @torch.no_grad()
    def targets(self, x: Tensor, batch: Batch) -> list[Tensor]:
        """The teachers' probabilities (B, C) of each head at the temperature.

        Args:
            x: (B, 1, S, S), what the student sees.
            batch: whose they are; of a mixture each part's teachers are asked, and weigh as much as it has of it.
        """
        temperature = self._config.distill_temperature
        targets = [torch.softmax(z.float() / temperature, 1) for z in self._teachers.logits(x, batch.rows)]
        mixed = torch.nonzero(batch.share < 1).flatten()
        if len(mixed):
            share = batch.share[mixed, None]
            for target, z in zip(targets, self._teachers.logits(x[mixed], batch.partners[mixed]), strict=True):
                target[mixed] = share * target[mixed] + (1 - share) * torch.softmax(z.float() / temperature, 1)
        return targets


def check_heads(told: Collection[str], contract: Contract) -> None:
    """Raise DataError where teachers that answer for the heads ``told`` lack one of the student's contract."""
    lacking = [head.name for head in contract.heads if head.name not in told]
    if lacking:
        raise DataError(f"the teachers have no answers for the head {', '.join(lacking)}")


def distillation_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """KL divergence of softmax(logits / T) from ``target``, both (B, C), times T squared, as Hinton et al. 2015.

    With that factor the gradient stays of one magnitude whatever the temperature.
    """
    student = functional.log_softmax(logits / temperature, 1)
    return functional.kl_div(student, target, reduction="batchmean") * temperature**2
