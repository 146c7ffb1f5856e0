"""The training loop: from a recipe and a data set to a checkpoint, resumable at every epoch.

A run folder holds ``config.json`` (recipe, data, precision, device, threads, git commit, versions),
``metrics.jsonl`` (a line an epoch), TensorBoard events, ``curves.png``, ``last.pt`` (all that resuming needs) and
``model.pt`` (the weights, averaged over time, of the epoch with the best PublicTest accuracy). PrivateTest is never
looked at here.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fer_live.contract import Contract
from fer_live.errors import DataError, ModelError
from fer_live.files import make_folder
from fer_live.training.augmentation.batches import Batch, Batches
from fer_live.training.augmentation.sampling import class_counts, epoch_length, public_rows
from fer_live.training.checkpoint import Checkpoint, load_tensors, save_checkpoint, save_tensors
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.data.ferplus import image_hashes
from fer_live.training.device import held_to_memory, is_out_of_memory
from fer_live.training.distillation.distil import Distillation, Teachers
from fer_live.training.distributed import ALONE, Ranks
from fer_live.training.evaluation.logits import normalise, predict_logits
from fer_live.training.networks.registry import initialise
from fer_live.training.networks.widening import can_widen, widen
from fer_live.training.provenance import environment
from fer_live.training.recipes.recipe import Recipe, build_model

from .folder import Logbook, told_once, write_config
from .losses import LabelLoss, votes_loss
from .optimise import learning_rate, make_optimizer
from .temperatures import fit_temperatures

__all__ = ["Epoch", "MemoryFullError", "RanAwayError", "train"]


LOOK_STEPS = 32
"""Steps between two looks at the loss. A GPU is waited for at each; a loss that has run away stays so."""


class RanAwayError(ModelError):
    """Losses or weights are not finite any more; ``model.pt``, where an epoch before was fine, still holds that one."""


class MemoryFullError(ModelError):
    """Memory, of the CPU or the GPU, does not hold a step; ``last.pt`` keeps the epochs before."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch gave. Losses in nats; accuracies 0..1 on PublicTest by the time-averaged weights.

    ``elapsed_s`` and ``cpu_s``, the processor time of this process (of several, the first) on all its cores, count
    from the first epoch's start, without the unfinished epochs of runs that were stopped.
    """

    epoch: int
    lr: float
    train_loss: float
    public_accuracy: float
    public_balanced_accuracy: float
    public_nll: float
    images_per_s: float
    elapsed_s: float
    cpu_s: float


def train(
    recipe: Recipe,
    dataset: Fer2013,
    folder: Path,
    *,
    device: torch.device,
    bf16: bool,
    ranks: Ranks = ALONE,
    teachers: Teachers | None = None,
    start: Checkpoint | None = None,
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Path:
    """Train until the recipe's last epoch or its patience ends, going on from ``folder/last.pt`` where there is one.

    Args:
        recipe: network and configuration.
        dataset: FER2013; training takes :meth:`Fer2013.training_rows`, selection PublicTest.
        folder: the run folder, made if need be.
        device: where to train.
        bf16: autocast to bfloat16.
        ranks: the processes that train together, this one among them; a batch is spread over them.
        teachers: whom the student learns from; wanted if, and only if, the recipe's ``distill`` is not 0.
        start: the weights to start from, of the recipe's network or a narrower one; without, those of its ``init``.
        on_step: called with (epoch, step, steps an epoch) after each step.
        on_epoch: called after each epoch, those before a resumption included.
        on_note: called with a line on what went wrong without harm to the training.

    Returns:
        The path of ``model.pt``.

    Raises:
        DataError: a split is empty, an expression has no Training image, or a batch is too small for the ranks.
        ModelError: the folder holds a run of another recipe, configuration, precision, data or start, or one without
            its model.pt; or ``start`` is of another network.
        MemoryFullError: a smaller batch helps.
        RanAwayError: the loss is not finite, which is looked at every few dozen steps; a lower learning rate helps.
        SinkError: the folder can't be made or written to.
    """
    config, contract = recipe.train, recipe.contract()
    rows = dataset.training_rows(config.cleaning)
    public = public_rows(dataset, config)
    _check_data(dataset.expression[rows], len(public), recipe, ranks)
    _check_teachers(recipe, teachers)
    identity = _identity(recipe, dataset, bf16) | ({"teachers": teachers.identity} if teachers else {})
    if start is not None:
        _check_start(recipe, start)
        identity["start"] = start.weights_sha256()
    made_by = {"device": device.type, "processes": ranks.world, "threads": torch.get_num_threads(), **environment()}
    if ranks.first:
        make_folder(folder)
        write_config(folder, identity, {**made_by, "notes": list(dataset.notes)})
    if ranks.from_first(lambda: identity) != identity:
        raise DataError(f"process {ranks.rank + 1} of {ranks.world} was given other data or options than the first")

    with _full_memory_told(folder, config.batch_size), held_to_memory(device):
        run = _Run(recipe, dataset, rows, ranks.device(device), bf16, ranks, teachers, start)
        history = run.resume(folder / "last.pt")
        for past in history:
            on_epoch(past)
        best = max((past.public_accuracy for past in history), default=-1.0)
        elapsed_before, cpu_before = (history[-1].elapsed_s, history[-1].cpu_s) if history else (0.0, 0.0)
        started, cpu_started = time.perf_counter(), time.process_time()

        def see_finite(epoch: int, loss: float) -> None:
            if not math.isfinite(loss):
                raise _ran_away(folder, epoch, loss, history)

        def judge(epoch: int, loss: float, images_per_s: float) -> Epoch:
            """What the epoch gave, and all that is written at its end."""
            nonlocal best
            heads = predict_logits(run.averaged.module, dataset.images[public], contract, run.device)
            if not all(np.isfinite(logits).all() for logits in heads):
                raise _ran_away(folder, epoch, loss, history)
            entry = Epoch(
                epoch=epoch,
                lr=run.learning_rate(epoch + 1, 0, history),
                train_loss=loss,
                images_per_s=images_per_s,
                elapsed_s=elapsed_before + time.perf_counter() - started,
                cpu_s=cpu_before + time.process_time() - cpu_started,
                **_public_metrics(heads[0], dataset.expression[public]),
            )
            if entry.public_accuracy > best:
                best = entry.public_accuracy
                provenance = {"epoch": asdict(entry), **identity, **made_by}
                model = folder / "model.pt"
                _write_model(model, run.averaged.module, contract, recipe, dataset, public, heads, provenance)
            run.save(folder / "last.pt", identity, [*history, entry])
            logbook.add(asdict(entry))
            return entry

        past_entries = [asdict(past) for past in history]
        with told_once(), Logbook(folder if ranks.first else None, recipe.name, past_entries, on_note) as logbook:
            for epoch in range(len(history), config.epochs):
                if _out_of_patience(history, config.patience):
                    break
                loss, images_per_s = run.train_epoch(epoch, history, on_step, partial(see_finite, epoch))
                history.append(ranks.from_first(partial(judge, epoch, loss, images_per_s)))
                on_epoch(history[-1])
    return folder / "model.pt"


class _Run:
    """What changes while a network is trained: its weights, their average, the optimizer."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Fer2013,
        rows: NDArray[np.int64],
        device: torch.device,
        bf16: bool,
        ranks: Ranks,
        teachers: Teachers | None,
        start: Checkpoint | None,
    ) -> None:
        self.device = device
        self._start = start
        self._config, self._contract = recipe.train, recipe.contract()
        self._bf16, self._ranks = bf16, ranks
        self._batches = Batches(dataset, rows, recipe.train, device, ranks)
        classes = len(self._contract.labels)
        self._label_loss = LabelLoss(recipe.train, class_counts(self._batches.labels, recipe.train, classes))
        self._distillation: Distillation | None = None
        if teachers is not None:
            hashes = image_hashes(dataset.images[rows])
            self._distillation = Distillation(teachers, recipe.train, hashes, self._contract, device)
        torch.manual_seed(recipe.train.seed)
        self._network = build_model(recipe.model, self._contract)

    def resume(self, path: Path) -> list[Epoch]:
        """Make the run what it was after the epochs of a ``last.pt``, which are returned, or start it anew."""
        config = self._config
        saved = self._ranks.from_first(lambda: load_tensors(path) if path.exists() else None)
        if saved is None and self._start is not None:
            widen(self._network, self._start.state)
        elif saved is None:
            initialise(self._network, config.init)
        self._network = self._network.to(self.device).to(memory_format=torch.channels_last)
        moving_average = _moving_average(config.ema_decay)
        self.averaged = AveragedModel(self._network, multi_avg_fn=moving_average, use_buffers=True)
        self._optimizer = make_optimizer(self._network, config)
        history: list[Epoch] = []
        if saved is not None:
            try:
                self._network.load_state_dict(saved["network"])
                self.averaged.load_state_dict(saved["averaged"])
                self._optimizer.load_state_dict(saved["optimizer"])
                history = [Epoch(**entry) for entry in json.loads(saved["history"])]
            except (KeyError, RuntimeError, ValueError, TypeError) as error:
                raise ModelError(f"{path}: can't be resumed; give another --out to start anew: {error}") from error
        self._wrapped = self._ranks.wrap(self._network, self.device)
        return history

    def save(self, path: Path, identity: dict[str, Any], history: list[Epoch]) -> None:
        """Write what :meth:`resume` reads."""
        save_tensors(
            path,
            {
                "config": json.dumps(identity, sort_keys=True),
                "network": self._network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "history": json.dumps([asdict(entry) for entry in history]),
            },
        )

    def learning_rate(self, epoch: int, step: int, history: list[Epoch]) -> float:
        """The learning rate of a step of an epoch, after the epochs of ``history``."""
        steps, losses = self._batches.steps, [past.public_nll for past in history]
        return learning_rate(self._config, epoch * steps + step, steps * self._config.epochs, losses)

    def train_epoch(
        self,
        epoch: int,
        history: list[Epoch],
        on_step: Callable[[int, int, int], None],
        see_finite: Callable[[float], None],
    ) -> tuple[float, float]:
        """Take the steps of an epoch: the mean loss, and the images a second, of all ranks.

        ``see_finite`` is shown the mean loss so far every :data:`LOOK_STEPS` steps, and at the end.
        """
        config, steps = self._config, self._batches.steps
        self._network.train()
        total = torch.zeros((), device=self.device)
        started = time.perf_counter()
        for step, batch in enumerate(self._batches.epoch(epoch)):
            for group in self._optimizer.param_groups:
                group["lr"] = self.learning_rate(epoch, step, history)
            loss = self._ranks.weigh(self._loss(batch), len(batch.rows), config.batch_size)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self.averaged.update_parameters(self._network)
            total += loss.detach()
            on_step(epoch, step, steps)
            if (step + 1) % LOOK_STEPS == 0:
                see_finite(float(total) / (step + 1))
        mean = float(self._ranks.mean(total)) / steps
        see_finite(mean)
        return mean, steps * config.batch_size / (time.perf_counter() - started)

    def _loss(self, batch: Batch) -> Tensor:
        """The mean loss of all heads."""
        labels, votes = self._batches.labels, self._batches.votes
        x = normalise(batch.faces, self._contract).to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            expression, *ferplus = self._wrapped(x)  # (B, 7), and (B, 8) where there is that head
        loss = self._label_loss(expression.float(), labels[batch.rows], labels[batch.partners], batch.share)
        for logits in ferplus:
            loss = loss + self._config.ferplus_weight * votes_loss(
                logits.float(), votes[batch.rows], votes[batch.partners], batch.share
            )
        if self._distillation is not None:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
                targets = self._distillation.targets(x, batch)
            loss = self._distillation.loss((expression, *ferplus), targets, loss)
        return loss


def _check_teachers(recipe: Recipe, teachers: Teachers | None) -> None:
    if recipe.train.distill > 0 and teachers is None:
        raise DataError(f"recipe {recipe.name} learns from teachers: give --teachers, or --distill 0")
    if recipe.train.distill == 0 and teachers is not None:
        raise DataError(
            f"recipe {recipe.name} does not use teachers: leave --teachers out, or give, say, --distill 0.7"
        )


def _check_start(recipe: Recipe, start: Checkpoint) -> None:
    model, heads = start.model, tuple(head.name for head in start.contract.heads)
    if heads != recipe.heads or not (
        model == recipe.model
        or (model.name == recipe.model.name and can_widen(model.name, model.arguments, recipe.model.arguments))
    ):
        raise ModelError(
            f"the weights to start from belong to {model.to_json()} with heads {', '.join(heads)}; recipe "
            f"{recipe.name} makes {recipe.model.to_json()} with {', '.join(recipe.heads)}: give the recipe and --set "
            "that they were trained with"
        )
    start.network()  # refuses weights that don't fit, or are not finite


def _check_data(labels: NDArray[np.int64], public: int, recipe: Recipe, ranks: Ranks) -> None:
    """Refuse ``labels`` (M,) of the training images, and so many of PublicTest, that nothing can be learnt from."""
    config, names = recipe.train, recipe.contract().labels
    official = "give the official fer2013.csv, or a file or folder with all of its splits"
    if not len(labels):
        raise DataError(f"the data set has no Training image to learn from: {official}")
    if not public:
        raise DataError(f"the data set has no PublicTest image to evaluate epochs on: {official}")
    length = epoch_length(torch.from_numpy(labels), config)
    if length < config.batch_size:
        smaller = f"give --batch-size {max(2, length // 2)}, or " if length > 1 else ""
        raise DataError(
            f"training needs {config.batch_size} Training images for one batch, found {length}: {smaller}more data"
        )
    absent = [name for name, count in zip(names, np.bincount(labels, minlength=len(names)), strict=True) if not count]
    if absent:
        raise DataError(f"training needs images of every expression; Training has none of {', '.join(absent)}")
    if config.batch_size < 2 * ranks.world:  # a batch norm needs two
        raise DataError(
            f"{ranks.world} processes share a batch of {config.batch_size}: give --batch-size {2 * ranks.world} or more"
        )


@contextmanager
def _full_memory_told(folder: Path, batch_size: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        way_out = f"give --batch-size {batch_size // 2}" if batch_size > 3 else "take a smaller network"
        if (folder / "last.pt").exists():
            way_out += " and another --out; the complete epochs are kept"
        raise MemoryFullError(f"{folder}: out of memory with {batch_size} images per step: {way_out}") from error


def _ran_away(folder: Path, epoch: int, loss: float, history: Sequence[Epoch]) -> RanAwayError:
    """What to say of a loss that has run away in ``epoch``, after the epochs of ``history``."""
    way_out = "lower --lr; no epoch was complete"
    if history:
        best = max(history, key=lambda past: past.public_accuracy)
        way_out = f"lower --lr and give another --out; model.pt keeps epoch {best.epoch + 1}"
    return RanAwayError(f"{folder}: the loss diverged in epoch {epoch + 1} ({loss:.3g}): {way_out}")


def _out_of_patience(history: list[Epoch], patience: int) -> bool:
    """Whether the last ``patience`` epochs, not 0, brought no better PublicTest accuracy."""
    accuracies = [past.public_accuracy for past in history]
    return 0 < patience < len(accuracies) and max(accuracies[-patience:]) <= max(accuracies[:-patience])


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average whose decay grows to ``decay``, so that it soon forgets the first weights."""

    def update(averaged: Any, current: Any, updates: Any) -> None:
        count = int(updates)
        average = get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))  # type: ignore[no-untyped-call]
        average(averaged, current, updates)

    return update


def _public_metrics(logits: np.ndarray[Any, np.dtype[np.float32]], labels: np.ndarray[Any, Any]) -> dict[str, float]:
    predicted = logits.argmax(1)
    recalls = [float((predicted[labels == label] == label).mean()) for label in np.unique(labels)]
    nll = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    return {
        "public_accuracy": float((predicted == labels).mean()),
        "public_balanced_accuracy": float(np.mean(recalls)),
        "public_nll": float(nll),
    }


def _write_model(
    path: Path,
    network: nn.Module,
    contract: Contract,
    recipe: Recipe,
    dataset: Fer2013,
    public: NDArray[np.int64],
    logits: Sequence[np.ndarray[Any, np.dtype[np.float32]]],
    provenance: dict[str, Any],
) -> None:
    """Write the checkpoint, its temperatures fitted on ``logits``: the network's (N, C) on rows ``public``, by head."""
    contract = fit_temperatures(contract, dataset, public, logits)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_checkpoint(path, Checkpoint(contract, recipe.model, state, provenance))


def _identity(recipe: Recipe, dataset: Fer2013, bf16: bool) -> dict[str, Any]:
    """What makes two runs the same run."""
    return {
        "recipe": recipe.name,
        "heads": list(recipe.heads),
        "model": json.loads(recipe.model.to_json()),
        "train": asdict(recipe.train),
        "precision": "bf16" if bf16 else "float32",
        "data": dataset.identity(),
    }
