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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fer_live.contract import Contract
from fer_live.errors import DataError, ModelError

from .augment import augment, mixup
from .checkpoint import Checkpoint, load_tensors, save_checkpoint, save_tensors
from .data import Fer2013
from .evaluate import normalise, predict_logits
from .ferplus import ferplus_distribution, image_hashes
from .files import make_folder
from .losses import LabelLoss, votes_loss
from .networks import initialise
from .optimise import learning_rate, make_optimizer
from .plots import draw_curves
from .provenance import environment
from .recipe import Recipe, build_model
from .sampling import epoch_generator, epoch_length, epoch_order, epoch_steps, public_rows
from .temperatures import fit_temperatures

__all__ = ["Epoch", "RanAwayError", "train"]


class RanAwayError(ModelError):
    """Losses or weights are not finite any more; ``model.pt``, where an epoch before was fine, still holds that one."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch gave. Losses in nats; accuracies 0..1 on PublicTest by the time-averaged weights.

    ``elapsed_s`` and ``cpu_s``, the processor time of this process on all its cores, count from the first epoch's
    start, without the unfinished epochs of runs that were stopped.
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
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Path:
    """Train until the recipe's last epoch or its patience ends, going on from ``folder/last.pt`` where there is one.

    Args:
        recipe: network and configuration.
        dataset: FER2013; training takes :meth:`Fer2013.training_rows`, selection PublicTest.
        folder: the run folder, made if need be.
        device: where to train.
        bf16: autocast to bfloat16.
        on_step: called with (epoch, step, steps an epoch) after each step.
        on_epoch: called after each epoch, those before a resumption included.

    Returns:
        The path of ``model.pt``.

    Raises:
        DataError: a split is empty.
        ModelError: the folder holds a run of another recipe, configuration, precision or data, or one without its
            model.pt.
        RanAwayError: the loss is not finite; a lower learning rate helps.
        SinkError: the folder can't be made or written to.
    """
    config = recipe.train
    contract = recipe.contract()
    rows = dataset.training_rows(config.cleaning)
    public = public_rows(dataset, config)
    length = epoch_length(torch.from_numpy(dataset.expression[rows]), config)
    if length < config.batch_size or not len(public):
        raise DataError(
            f"training needs {config.batch_size} Training images, a batch, and some of PublicTest, "
            f"found {length} and {len(public)}"
        )
    make_folder(folder)
    made_by = {"device": device.type, "threads": torch.get_num_threads(), **environment()}
    identity = _identity(recipe, dataset, bf16)
    _write_config(folder, identity, {**made_by, "notes": list(dataset.notes)})

    # All training images live on the device as uint8: 28,006 x 48 x 48 are 65 MB.
    faces = torch.from_numpy(dataset.images[rows]).unsqueeze(1).to(device)  # (M, 1, 48, 48) uint8
    labels = torch.from_numpy(dataset.expression[rows]).to(device)  # (M,) int64
    votes = torch.from_numpy(ferplus_distribution(dataset.votes[rows])).to(device)  # (M, 8) float32
    label_loss = LabelLoss(config, torch.bincount(labels, minlength=len(contract.labels)))
    parity = torch.from_numpy((image_hashes(dataset.images[rows]) % 2).astype(bool)).to(device)  # (M,)
    public_images, public_labels = dataset.images[public], dataset.expression[public]

    torch.manual_seed(config.seed)
    network = build_model(recipe.model, contract)
    if not (folder / "last.pt").exists():
        initialise(network, config.init)
    network = network.to(device).to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=_moving_average(config.ema_decay), use_buffers=True)
    optimizer = make_optimizer(network, config)
    steps = epoch_steps(length, config)
    history: list[Epoch] = []
    if (folder / "last.pt").exists():
        history = _resume(folder / "last.pt", network, averaged, optimizer)
        for past in history:
            on_epoch(past)
    best = max((past.public_accuracy for past in history), default=-1.0)
    elapsed_before = history[-1].elapsed_s if history else 0.0
    cpu_before = history[-1].cpu_s if history else 0.0
    started, cpu_started = time.perf_counter(), time.process_time()

    with _Logbook(folder, len(history)) as logbook:
        logbook.start(history)
        for epoch in range(len(history), config.epochs):
            if _out_of_patience(history, config.patience):
                break
            # One generator an epoch: a run that was killed repeats its unfinished epoch with the same draws.
            generator = epoch_generator(config, epoch, device)
            torch.manual_seed(generator.initial_seed())  # dropout draws from the global one
            clean = epoch >= round(config.epochs * (1 - config.clean_tail))
            order, repeat = epoch_order(labels, config, generator)
            losses = [past.public_nll for past in history]
            network.train()
            total = torch.zeros((), device=device)
            epoch_started = time.perf_counter()
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(config, epoch * steps + step, steps * config.epochs, losses)
                chosen = slice(step * config.batch_size, (step + 1) * config.batch_size)
                batch = order[chosen]  # (B,) rows
                # Alternating flip (Jordan 2024): every image is seen once as it is and once mirrored in two epochs.
                flip = (parity[batch] ^ bool(epoch % 2) ^ (repeat[chosen] % 2 == 1)) & config.mirror
                x = augment(faces[batch], flip, config, generator, clean=clean)
                partner, share = batch, torch.ones(len(batch), device=device)
                if (config.mixup > 0 or config.mixup_share > 0) and not clean:
                    mixed = mixup(x, config.mixup, generator, fixed_share=config.mixup_share)
                    x, partner, share = mixed.faces, batch[mixed.partner], mixed.share
                x = normalise(x, contract).to(memory_format=torch.channels_last)
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    expression, *ferplus = network(x)  # (B, 7), and (B, 8) where there is that head
                loss = label_loss(expression.float(), labels[batch], labels[partner], share)
                for logits in ferplus:
                    loss = loss + config.ferplus_weight * votes_loss(
                        logits.float(), votes[batch], votes[partner], share
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                averaged.update_parameters(network)
                total += loss.detach()
                on_step(epoch, step, steps)
            seconds = time.perf_counter() - epoch_started
            loss_mean = float(total) / steps
            heads = predict_logits(averaged.module, public_images, contract, device)
            if not (math.isfinite(loss_mean) and all(np.isfinite(logits).all() for logits in heads)):
                raise RanAwayError(f"{folder}: epoch {epoch + 1} has run away (loss {loss_mean:.3g}): lower --lr")
            history.append(
                Epoch(
                    epoch=epoch,
                    lr=learning_rate(config, (epoch + 1) * steps, steps * config.epochs, losses),
                    train_loss=loss_mean,
                    images_per_s=steps * config.batch_size / seconds,
                    elapsed_s=elapsed_before + time.perf_counter() - started,
                    cpu_s=cpu_before + time.process_time() - cpu_started,
                    **_public_metrics(heads[0], public_labels),
                )
            )
            if history[-1].public_accuracy > best:
                best = history[-1].public_accuracy
                provenance = {"epoch": asdict(history[-1]), **identity, **made_by}
                _write_model(folder / "model.pt", averaged.module, contract, recipe, dataset, public, heads, provenance)
            save_tensors(
                folder / "last.pt",
                {
                    "config": json.dumps(identity, sort_keys=True),
                    "network": network.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "history": json.dumps([asdict(entry) for entry in history]),
                },
            )
            logbook.add(history[-1])
            draw_curves(folder / "curves.png", recipe.name, [asdict(entry) for entry in history])
            on_epoch(history[-1])
    return folder / "model.pt"


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


def _resume(
    path: Path,
    network: nn.Module,
    averaged: AveragedModel,
    optimizer: torch.optim.Optimizer,
) -> list[Epoch]:
    saved = load_tensors(path)
    try:
        network.load_state_dict(saved["network"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        return [Epoch(**entry) for entry in json.loads(saved["history"])]
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: cannot go on from it; give another --out to start anew: {error}") from error


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


def _write_config(folder: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
    if (folder / "last.pt").exists():
        try:
            saved = dict(json.loads(load_tensors(folder / "last.pt")["config"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}/last.pt: not of a training; give another --out") from error
        different = sorted(key for key in identity if saved.get(key) != identity[key])
        if different == ["precision"] and "precision" in saved:
            precision = saved["precision"]
            raise ModelError(
                f"{folder} holds a run in {precision}; give --precision {precision} to go on, or another --out"
            )
        if different:
            raise ModelError(f"{folder} holds a run with another {', '.join(different)}; give another --out")
        if not (folder / "model.pt").exists():
            raise ModelError(
                f"{folder / 'model.pt'} is gone, and last.pt does not hold the best epoch's weights: put it back, or "
                "give another --out to train anew"
            )
        return
    (folder / "config.json").write_text(json.dumps({**identity, **about}, indent=2) + "\n")


class _Logbook:
    """``metrics.jsonl`` and TensorBoard events of a run folder."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = folder / "metrics.jsonl"
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def __enter__(self) -> _Logbook:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def start(self, history: list[Epoch]) -> None:
        """Make the file say what the checkpoint says, should the run have died between the two."""
        self._path.write_text("".join(json.dumps(asdict(entry)) + "\n" for entry in history))

    def add(self, entry: Epoch) -> None:
        with open(self._path, "a") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
        for name, value in asdict(entry).items():
            if name != "epoch":
                self._writer.add_scalar(name, value, entry.epoch)
        self._writer.flush()
