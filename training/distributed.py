"""Training by several processes together, as ``torchrun`` starts them: which of them this one is, what they share.

Every process (*rank*) holds the data and the network and takes its share of each batch; PyTorch's
``DistributedDataParallel`` averages their gradients. gloo carries what is exchanged between CPUs, NCCL between GPUs.
The first rank judges, writes and speaks. A rank that fails ends the others, and one of them says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from fer_live.errors import DeviceError, first_line

__all__ = ["ALONE", "Ranks", "together"]

T = TypeVar("T")

_APART = 2_654_435_761
"""Between the seeds of two ranks, modulo 2**32, which is all that torch's CPU generator takes of a seed."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among those that train together: ``rank`` of 0..``world`` - 1, on its machine the ``local`` one.

    Alone (``world`` 1) every method gives back what it was given, and nothing is exchanged.
    """

    rank: int = 0
    local: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one judges, writes and speaks."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Where this rank computes: on its own GPU where ``device`` is CUDA."""
        return torch.device("cuda", self.local) if self.world > 1 and device.type == "cuda" else device

    def share(self, batch: Tensor) -> Tensor:
        """The rank's entries of a batch (B, ...): every ``world``-th."""
        return batch[self.rank :: self.world] if self.world > 1 else batch

    def weigh(self, loss: Tensor, images: int, batch_size: int) -> Tensor:
        """The mean loss of this rank's ``images``, so that the mean over the ranks is that of the whole batch."""
        return loss * (images * self.world / batch_size) if self.world > 1 else loss

    def draw_apart(self, generator: torch.Generator) -> None:
        """Let the ranks draw differently from here on; the first rank's draws stay what they were."""
        if self.rank:
            generator.manual_seed(generator.initial_seed() + self.rank * _APART)

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over the ranks, which start from the first one's weights.

        On GPUs batch norms use the whole batch (``SyncBatchNorm``). On CPUs, which PyTorch has none for, each rank
        uses its share's mean and variance, and the running ones are the first rank's. ``network`` itself is changed.
        """
        if self.world == 1:
            return network
        if device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(network, device_ids=[device.index])
        return DistributedDataParallel(network)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a scalar over the ranks."""
        if self.world > 1:
            dist.all_reduce(value)
            value = value / self.world
        return value

    def from_first(self, make: Callable[[], T]) -> T:
        """What ``make`` gives the first rank, who alone calls it."""
        if self.world == 1:
            return make()
        told = [make() if self.first else None]
        dist.broadcast_object_list(told, 0)
        return told[0]  # type: ignore[return-value]


ALONE = Ranks()


@contextmanager
def together(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; :data:`ALONE` where it did not, or started one only.

    Of the ranks that fail within, the first to do so raises its error; the others, whom it takes along, end silently
    with exit code 1.

    Args:
        device: where to train; with CUDA each process of a machine takes a GPU of its own.

    Raises:
        DeviceError: more processes than GPUs, the processes don't find each other, or another one has died.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    ranks = Ranks(int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0")), int(os.environ["WORLD_SIZE"]))
    if device.type == "cuda":
        if ranks.local >= torch.cuda.device_count():
            raise DeviceError(
                f"process {ranks.local + 1} of this machine has no GPU of its own, torch finds "
                f"{torch.cuda.device_count()}: give a smaller --nproc-per-node, or --device cpu"
            )
        torch.cuda.set_device(ranks.local)
    try:
        store, _, _ = next(rendezvous("env://"))
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.world)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"the {ranks.world} processes can't find each other: {first_line(error)}") from error
    try:
        yield ranks
    except Exception as error:
        if not _first_to_fail(store):
            raise SystemExit(1) from error
        sys.stderr = sys.__stderr__
        if _is_a_lost_peer(error):
            raise DeviceError(
                "another process of this training has died or can't be reached; the same command resumes from the "
                "last complete epoch"
            ) from error
        raise
    dist.destroy_process_group()


def _first_to_fail(store: Any) -> bool:
    try:
        return bool(store.add("fer_live/failed", 1) == 1)
    except RuntimeError:  # it is gone with the process that held it, which has spoken
        return False


def _is_a_lost_peer(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))
