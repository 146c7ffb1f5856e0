"""The training of teachers: larger networks, each trained without one fold of the Training images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fer_live.files import make_folder, replacing
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.data.ferplus import image_hashes
from fer_live.training.distillation.distil import fold_of
from fer_live.training.distillation.teachers import FORMAT, TEACHERS
from fer_live.training.provenance import file_sha256
from fer_live.training.recipes.recipe import Recipe

from .loop import Epoch, train

__all__ = ["train_teachers", "without_fold"]


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
        on_step: as :func:`~fer_live.training.run.loop.train`'s.
        on_epoch: likewise, with the teacher's name before.

    Raises:
        FerLiveError: as :func:`~fer_live.training.run.loop.train`.
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
