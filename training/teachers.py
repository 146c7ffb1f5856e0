"""Teachers of a student: larger networks, each trained without one fold of the Training images.

A folder of teachers has a run folder for each fold and seed, ``fold0-seed0`` and so on, and ``teachers.json`` once all
are done. Folds go by image hash, so identical images share one; another picture of the same person may lie in another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fer_live.errors import DataError, ModelError

from .asking import CheckpointTeachers, mean_logits, training_images
from .checkpoint import load_checkpoint
from .data import Fer2013, Usage
from .distil import LiveTeachers, StoredTeachers, Teachers, fold_of
from .distributed import ALONE, Ranks
from .ferplus import image_hashes
from .files import make_folder, replacing, system_errors_as
from .loop import Epoch, train
from .provenance import file_sha256
from .recipe import Recipe

__all__ = ["TEACHERS", "ask", "load_live", "load_teachers", "train_teachers", "without_fold"]

TEACHERS = "teachers.json"
FORMAT = "fer-live teachers 1"


def without_fold(dataset: Fer2013, fold: int, folds: int) -> Fer2013:
    """The data set without the Training images of a fold; the tests are kept."""
    left_out = (dataset.usage == Usage.Training) & (fold_of(image_hashes(dataset.images), folds) == fold)
    return dataset.take(np.flatnonzero(~left_out))


def train_teachers(
    recipe: Recipe,
    dataset: Fer2013,
    folder: Path,
    *,
    folds: int,
    seeds: tuple[int, ...],
    device: torch.device,
    bf16: bool,
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    on_epoch: Callable[[str, Epoch], None] = lambda name, epoch: None,
) -> None:
    """Train a teacher for each fold and seed, going on where it was stopped; the epochs are chosen on PublicTest.

    Args:
        recipe: of the teachers.
        dataset: FER2013.
        folder: of the teachers, made if need be.
        folds: in how many parts the Training images are cut, at least 2.
        seeds: for each one teacher a fold.
        device: where to train.
        bf16: autocast to bfloat16.
        on_step: as :func:`~fer_live.training.loop.train`'s.
        on_epoch: likewise, with the teacher's name before.

    Raises:
        FerLiveError: as :func:`~fer_live.training.loop.train`.
    """
    make_folder(folder)
    digests: dict[str, str] = {}
    for seed in seeds:
        for fold in range(folds):
            name = f"fold{fold}-seed{seed}"
            # No two teachers start from the same weights.
            own = recipe.with_options({"seed": (seed * folds + fold) % 2**31})
            part = without_fold(dataset, fold, folds)
            run = train(
                own,
                part,
                folder / name,
                device=device,
                bf16=bf16,
                on_step=on_step,
                on_epoch=lambda epoch, name=name: on_epoch(name, epoch),  # type: ignore[misc]
            )
            digests[name] = file_sha256(run)
    about = {"format": FORMAT, "folds": folds, "seeds": list(seeds), "sha256": digests}
    with replacing(folder / TEACHERS) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n")


def load_live(folder: Path) -> LiveTeachers:
    """The teachers of a folder, to look at every batch.

    Raises:
        ModelError: they are not all there, or others than ``teachers.json`` names.
    """
    path = folder / TEACHERS
    with system_errors_as(ModelError, path):
        text = path.read_text()
    try:
        about = json.loads(text)
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']!r}")
        folds, seeds, digests = int(about["folds"]), list(map(int, about["seeds"])), dict(about["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not a {TEACHERS} that the training of teachers writes") from error
    networks: list[list[nn.Module]] = []
    for fold in range(folds):
        networks.append([])
        for seed in seeds:
            name = f"fold{fold}-seed{seed}"
            model = folder / name / "model.pt"
            checkpoint = load_checkpoint(model)
            if file_sha256(model) != digests.get(name):
                raise ModelError(f"{model}: not the teacher that {path} names; train the teachers again")
            networks[-1].append(checkpoint.network())
    return LiveTeachers(networks, f"live {file_sha256(path)}")


def ask(folder: Path, dataset: Fer2013, device: torch.device) -> tuple[StoredTeachers, float]:
    """Ask a folder's teachers about the Training images that they have not seen, as they are.

    Args:
        folder: of the teachers.
        dataset: FER2013.
        device: where to compute.

    Returns:
        The answers, of each image once, the mean logits over the seeds in float16; and the share of the images whose
        FER2013 label they find, which tells of their seeing them if it is far above that on PublicTest.

    Raises:
        ModelError: the teachers are not all there.
    """
    live = load_live(folder)
    contract = load_checkpoint(next(folder.glob("fold0-seed*/model.pt"))).contract
    hashes, rows = training_images(dataset)
    folds = fold_of(hashes, live.folds)
    answers = {head.name: np.zeros((len(rows), len(head.labels)), np.float16) for head in contract.heads}
    for fold in range(live.folds):
        chosen = np.flatnonzero(folds == fold)
        told = mean_logits(live.networks[fold], dataset.images[rows[chosen]], contract, device)
        for head, logits in zip(contract.heads, told, strict=True):
            answers[head.name][chosen] = logits
    right = answers[contract.heads[0].name].argmax(1) == dataset.expression[rows]
    return StoredTeachers(hashes, answers), float(right.mean())


def load_teachers(
    paths: Sequence[Path],
    dataset: Fer2013,
    *,
    bf16: bool,
    ranks: Ranks = ALONE,
    on_asked: Callable[[int, int], None] = lambda asked, of: None,
) -> Teachers:
    """The teachers of a folder, live; their answers from an .npz; or checkpoints (.pt), asked before the first step.

    Args:
        paths: one folder or .npz, or any number of checkpoints.
        dataset: FER2013, whose Training images checkpoints are asked about.
        bf16: whether checkpoints are asked in bfloat16.
        ranks: as :class:`~fer_live.training.asking.CheckpointTeachers`'.
        on_asked: likewise.

    Raises:
        DataError: nothing there, no answers of teachers, or kinds that don't go together.
        ModelError: the folder's teachers are not all there, or the checkpoints can't teach together.
    """
    checkpoints = [path for path in paths if path.suffix == ".pt"]
    if checkpoints and len(checkpoints) == len(paths):
        return CheckpointTeachers(paths, dataset, bf16=bf16, ranks=ranks, on_asked=on_asked)
    if len(paths) > 1:
        found = ", ".join(map(str, paths))
        raise DataError(f"teachers are one or more checkpoints (.pt), or one .npz or folder alone; found {found}")
    (path,) = paths
    if path.is_dir():
        return load_live(path)
    if not path.is_file():
        raise DataError(
            f"{path}: no such file or folder; give a model.pt, or make teachers by python -m fer_live.training.flagship"
        )
    return StoredTeachers.read(path)
