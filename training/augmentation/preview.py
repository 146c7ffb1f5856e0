"""A sheet of augmented faces: each transform of a recipe alone, and all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_live.errors import DataError
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.recipes.config import TrainConfig

from .augment import augment, mix

__all__ = ["draw_preview", "preview_rows"]

_INK = "#1f2933"

TRANSFORMS = (
    "shift_px",
    "rotation_deg",
    "scale",
    "shear_deg",
    "perspective_px",
    "brightness",
    "contrast",
    "blur_px",
    "noise",
    "motion_px",
    "low_light",
    "shrink",
    "jpeg",
    "erasing",
    "cutout_px",
)

DEGRADED = ("motion_px", "low_light", "shrink", "jpeg")
"""Those of them that only a share of the images gets, ``degrade_share``."""


def draw_preview(path: Path, name: str, config: TrainConfig, dataset: Fer2013, columns: int = 10) -> None:
    """Draw the sheet as a PNG.

    Args:
        path: the file to write.
        name: of the recipe, for the title.
        config: the strengths.
        dataset: its first Training images of each expression in turn are shown.
        columns: faces a row.

    Raises:
        DataError: the data set has no Training image.
    """
    rows = dataset.training_rows(config.cleaning)
    if not len(rows):
        raise DataError("the data set has no Training image to show: give the official fer2013.csv")
    labels = dataset.expression[rows]
    turns = np.empty(len(rows), np.int64)
    for label in np.unique(labels):
        turns[labels == label] = np.arange((labels == label).sum())
    chosen = rows[np.lexsort((labels, turns))[:columns]]
    sheet = preview_rows(torch.from_numpy(dataset.images[chosen])[:, None], config)
    _draw_sheet(path, f"{name}: augmentation of Training images", sheet)


def preview_rows(faces: torch.Tensor, config: TrainConfig) -> list[tuple[str, NDArray[np.uint8]]]:
    """Rows of the sheet: a title, and faces (N, S, S).

    Args:
        faces: (N, 1, S, S) uint8.
        config: the strengths; a transform that is off has no row, and where all are off there is one row only.
    """
    n = len(faces)
    off: dict[str, Any] = dict.fromkeys(TRANSFORMS, 0)
    still = replace(config, **off)
    warped = config.mirror or any(getattr(config, name) for name in TRANSFORMS)
    mixed = config.mixup > 0 or config.mixup_share > 0 or config.cutmix > 0
    rows = [("as they are" if warped or mixed else "no augmentation", faces.float())]

    def row(title: str, strengths: TrainConfig, flip: bool = False) -> None:
        generator = torch.Generator().manual_seed(config.seed)
        mirrored = torch.full((n,), flip)
        rows.append((title, augment(faces, mirrored, strengths, generator, clean=False)))

    if config.mirror:
        row("mirror", still, flip=True)
    abouts = {entry.name: entry.metadata["about"] for entry in fields(TrainConfig)}
    for name in TRANSFORMS:
        strength = getattr(config, name)
        if strength:
            # Shown on every face, whatever share of them it is for.
            only: dict[str, Any] = {name: 1.0 if name == "erasing" else strength, "degrade_share": 1.0}
            share = strength if name == "erasing" else config.degrade_share if name in DEGRADED else 1.0
            some = f"\nfor {100 * share:g} % of images, here for all" if share < 1 else ""
            row(f"{name} {strength:g}\n{abouts[name].partition(',')[0]}{some}", replace(still, **only))
    generator = torch.Generator().manual_seed(config.seed + 1)
    flip = torch.arange(n) % 2 == 1
    everything = augment(faces, flip & config.mirror, config, generator, clean=False)
    also = "and " if warped else ""
    if warped:
        rows.append(("all together", everything))
    if config.mixup > 0 or config.mixup_share > 0:
        told = f"share {config.mixup_share:g}" if config.mixup_share else f"{config.mixup:g}"
        rows.append((f"{also}mixup {told}", mix(everything, replace(config, cutmix=0.0), generator).faces))
    if config.cutmix > 0:
        only = {"mixup": 0.0, "mixup_share": 0.0, "cutmix": 1.0}
        rows.append((f"{also}cutmix {config.cutmix:g}", mix(everything, replace(config, **only), generator).faces))
    if config.clean_tail > 0 and (warped or mixed):
        tail = augment(faces, flip & config.mirror, config, generator, clean=True)
        rows.append((f"last {100 * config.clean_tail:g} % of epochs", tail))
    return [(title, values[:, 0].round().to(torch.uint8).numpy()) for title, values in rows]


def _draw_sheet(path: Path, title: str, rows: Sequence[tuple[str, NDArray[np.uint8]]]) -> None:
    """Faces (N, S, S) uint8 of each row side by side, the row's name to their left."""
    columns = max(len(faces) for _, faces in rows)
    figure = Figure(figsize=(2.6 + 0.85 * columns, 0.5 + 0.9 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    for axes, (name, faces) in zip(grid, rows, strict=True):
        for axis in axes:
            axis.axis("off")
        for axis, face in zip(axes, faces, strict=False):
            axis.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes[0].text(-0.12, 0.5, name, transform=axes[0].transAxes, ha="right", va="center", fontsize=8, color=_INK)
    figure.suptitle(title, color=_INK)
    figure.savefig(path, dpi=120)
