"""The teachers that belong to a recipe: trained in its run folder, and asked, before the student's first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.distillation.teachers import TEACHERS, ask
from fer_live.training.recipes.registry import RECIPES

from .fold_teachers import train_teachers
from .loop import Epoch

__all__ = ["FOLDS", "TEACHER_OF", "epoch_line", "own_teachers", "train_own_teachers"]

TEACHER_OF = {"flagship": "flagship_teacher"}
"""Recipes that have teachers of their own, by name, and the recipe of these."""
FOLDS = 5
"""In how many parts the Training images are cut; each teacher has not seen one of them."""
_FOLDER, _ANSWERS = "teachers", "teacher_logits.npz"


def train_own_teachers(
    recipe: str,
    dataset: Fer2013,
    out: Path,
    *,
    folds: int = FOLDS,
    seeds: tuple[int, ...] = (0,),
    device: torch.device,
    bf16: bool,
    on_step: Callable[[int, int, int], None] = lambda epoch, step, steps: None,
    on_epoch: Callable[[str, Epoch], None] = lambda name, epoch: None,
) -> tuple[int, float]:
    """Train a recipe's teachers, going on where it was stopped, and write what they say of images they have not seen.

    Args:
        recipe: the student's, one of :data:`TEACHER_OF`.
        dataset: FER2013.
        out: gets ``teachers/`` and ``teacher_logits.npz``.
        folds: as :func:`~fer_live.training.run.fold_teachers.train_teachers`'.
        seeds: likewise.
        device: likewise.
        bf16: likewise.
        on_step: likewise.
        on_epoch: likewise.

    Returns:
        Of how many images there are answers, and on what share of them they find the FER2013 label.

    Raises:
        FerLiveError: as :func:`~fer_live.training.run.loop.train`.
    """
    measured = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True  # batches are of one size
    try:
        train_teachers(
            RECIPES[TEACHER_OF[recipe]],
            dataset,
            out / _FOLDER,
            folds=folds,
            seeds=seeds,
            device=device,
            bf16=bf16,
            on_step=on_step,
            on_epoch=on_epoch,
        )
    finally:
        torch.backends.cudnn.benchmark = measured
    stored, share = ask(out / _FOLDER, dataset, device)
    stored.write(out / _ANSWERS)
    return len(stored.hashes), share


def own_teachers(out: Path, device: torch.device, kind: str = "auto") -> Path:
    """What a student in ``out`` learns from, there or not: the folder of teachers (live), or their answers (stored).

    Args:
        out: as :func:`train_own_teachers`'.
        device: of the student.
        kind: ``live``, ``stored`` or ``auto``: live on CUDA where the teachers are all there.
    """
    if kind == "auto":
        kind = "live" if device.type == "cuda" and (out / _FOLDER / TEACHERS).exists() else "stored"
    return out / (_FOLDER if kind == "live" else _ANSWERS)


def epoch_line(name: str, epoch: Epoch) -> str:
    """What is said of a teacher's or a student's epoch."""
    return (
        f"{name} epoch {epoch.epoch + 1}: loss {epoch.train_loss:.4f}, PublicTest {epoch.public_accuracy:.2%}, "
        f"{epoch.images_per_s:,.0f} images/s, {epoch.elapsed_s:.0f} s"
    )
