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
from fer_live.files import system_errors_as
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.distributed import ALONE, Ranks
from fer_live.training.provenance import file_sha256

from .asking import CheckpointTeachers, mean_logits, training_images
from .distil import LiveTeachers, StoredTeachers, Teachers, fold_of

__all__ = ["FORMAT", "TEACHERS", "ask", "load_live", "load_teachers"]

TEACHERS = "teachers.json"
FORMAT = "fer-live teachers 1"


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
        raise ModelError(f"{path}: not a {TEACHERS} written by the training of teachers") from error
    networks: list[list[nn.Module]] = []
    for fold in range(folds):
        networks.append([])
        for seed in seeds:
            name = f"fold{fold}-seed{seed}"
            model = folder / name / "model.pt"
            checkpoint = load_checkpoint(model)
            if file_sha256(model) != digests.get(name):
                raise ModelError(f"{model}: not the teacher that {path} lists; train the teachers again")
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
        ranks: as :class:`~fer_live.training.distillation.asking.CheckpointTeachers`'.
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
        raise DataError(f"--teachers takes one or more checkpoints (.pt), or a single .npz or folder; found {found}")
    (path,) = paths
    if path.is_dir():
        return load_live(path)
    if not path.is_file():
        raise DataError(
            f"{path}: no such file or folder; give a model.pt, or train teachers with python -m "
            "fer_live.training.flagship"
        )
    return StoredTeachers.read(path)
