"""Pictures of a training and of an evaluation, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .evaluate import Metrics

__all__ = ["draw_confusion", "draw_curves", "draw_face_sheet", "draw_reliability"]

_INK, _ACCENT, _MUTED = "#1f2933", "#2667a8", "#c5ccd3"


def draw_curves(path: Path, title: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Loss, PublicTest accuracy and learning rate over the epochs."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [entry["epoch"] + 1 for entry in history]
    loss.plot(epochs, [entry["train_loss"] for entry in history], color=_ACCENT, label="training (augmented)")
    loss.plot(epochs, [entry["public_nll"] for entry in history], color=_INK, label="PublicTest, FER2013 head")
    loss.set(title="loss", xlabel="epoch", ylabel="nats")
    loss.legend(frameon=False, fontsize=8)
    accuracy.plot(epochs, [100 * entry["public_accuracy"] for entry in history], color=_ACCENT, label="accuracy")
    accuracy.plot(
        epochs, [100 * entry["public_balanced_accuracy"] for entry in history], color=_INK, label="balanced accuracy"
    )
    accuracy.set(title="PublicTest, averaged weights", xlabel="epoch", ylabel="%")
    accuracy.legend(frameon=False, fontsize=8)
    rate.plot(epochs, [entry["lr"] for entry in history], color=_ACCENT)
    rate.set(title="learning rate", xlabel="epoch")
    for axis in (loss, accuracy, rate):
        axis.grid(color=_MUTED, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, color=_INK)
    figure.savefig(path, dpi=120)


def draw_confusion(path: Path, title: str, metrics: Metrics) -> None:
    """The confusion matrix, each row a true label and in per cent of it, with counts below."""
    counts = np.array(metrics.confusion)
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axis = figure.subplots()
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        axis.text(
            column,
            row,
            f"{100 * share[row, column]:.0f}\n",
            ha="center",
            va="center",
            fontsize=10,
            color="white" if share[row, column] > 0.5 else _INK,
        )
        axis.text(
            column,
            row,
            f"\n{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if share[row, column] > 0.5 else "#52606d",
        )
    axis.set_xticks(range(len(metrics.labels)), metrics.labels, rotation=30, ha="right")
    axis.set_yticks(range(len(metrics.labels)), metrics.labels)
    axis.set(xlabel="predicted", ylabel="FER2013's label")
    axis.set_title(f"{title}\naccuracy {100 * metrics.accuracy:.2f} %, n = {metrics.n:,}; % of the row, count below")
    figure.savefig(path, dpi=120)


def draw_reliability(path: Path, title: str, table: NDArray[np.float64], ece: float) -> None:
    """Reliability diagram of :func:`~fer_live.training.evaluate.calibration_bins`."""
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    reliability, counts = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    width = 1 / len(table)
    centre = (np.arange(len(table)) + 0.5) * width
    used = table[:, 0] > 0
    reliability.bar(centre[used], table[used, 2], width * 0.92, color=_ACCENT, label="accuracy")
    reliability.plot([0, 1], [0, 1], "--", color=_INK, linewidth=1, label="perfect")
    reliability.plot(table[used, 1], table[used, 2], "o", color=_INK, markersize=3, label="at the mean confidence")
    reliability.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    reliability.set_title(f"{title}\nexpected calibration error {ece:.3f} (15 bins)")
    reliability.legend(frameon=False, fontsize=8, loc="upper left")
    counts.bar(centre, table[:, 0], width * 0.92, color=_MUTED)
    counts.set(xlabel="confidence (largest probability)", ylabel="faces")
    for axis in (reliability, counts):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def draw_face_sheet(path: Path, title: str, rows: Sequence[tuple[str, NDArray[np.uint8]]]) -> None:
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
