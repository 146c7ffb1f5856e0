"""The curves of a training, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["draw_curves"]

_INK, _ACCENT, _MUTED = "#1f2933", "#2667a8", "#c5ccd3"

_FEW = 15
"""So many epochs at most have a mark each: of one epoch there is no line."""


def draw_curves(path: Path, title: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Loss, PublicTest accuracy and learning rate over the epochs."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [entry["epoch"] + 1 for entry in history]
    mark: dict[str, Any] = {"marker": "o" if len(epochs) <= _FEW else "", "markersize": 4}
    loss.plot(epochs, [entry["train_loss"] for entry in history], color=_ACCENT, label="training (augmented)", **mark)
    loss.plot(epochs, [entry["public_nll"] for entry in history], color=_INK, label="PublicTest, FER2013 head", **mark)
    loss.set(title="loss", xlabel="epoch", ylabel="nats")
    loss.legend(frameon=False, fontsize=8)
    accuracy.plot(
        epochs, [100 * entry["public_accuracy"] for entry in history], color=_ACCENT, label="accuracy", **mark
    )
    accuracy.plot(
        epochs,
        [100 * entry["public_balanced_accuracy"] for entry in history],
        color=_INK,
        label="balanced accuracy",
        **mark,
    )
    accuracy.set(title="PublicTest, averaged weights", xlabel="epoch", ylabel="%")
    accuracy.legend(frameon=False, fontsize=8)
    rate.plot(epochs, [entry["lr"] for entry in history], color=_ACCENT, **mark)
    rate.set(title="learning rate", xlabel="epoch")
    for axis in (loss, accuracy, rate):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axis.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        axis.grid(color=_MUTED, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, color=_INK)
    figure.savefig(path, dpi=120)
