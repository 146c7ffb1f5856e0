"""The searches that the reports ran, as data: ``fer-search --preset``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A search by name. ``over`` and ``options`` are values of the options of ``fer-search`` that stand in for those
    which are not given. ``reconstructed``: what the source doesn't say and was chosen here.
    """

    name: str
    about: str
    source: str
    reconstructed: str
    recipe: str
    over: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="report_b_annealing",
            about="simulated annealing over learning rate, epochs and batch size, 30 steps",
            source="report B (2023)",
            reconstructed="ranges, steps, batch sizes, start temperature and cooling: the report says only that there "
            "are a range and a step for the learning rate and for the epochs, a set of batch sizes, and 30 steps",
            recipe="six_conv_augmented",
            over=("lr=0.0001..0.0021:step=0.0002", "epochs=10..50:step=5", "batch_size=32,64,128,256"),
            options={
                "sampler": "anneal",
                "trials": 30,
                "pruner": "none",
                "anneal_step": 0.1,
                "anneal_temperature": 0.02,
                "anneal_cooling": 0.9,
            },
        ),
        Preset(
            name="report_b_random",
            about="random search over optimizer, learning rate and batch size",
            source="report B (2023)",
            reconstructed="30 trials of 5 epochs; the learning rate is drawn by its logarithm",
            recipe="resnet18_transfer",
            over=("optimizer=adam,adamw,sgd", "lr=1e-5..1e-3:log", "batch_size=126,256"),
            options={"sampler": "random", "trials": 30, "pruner": "none", "epochs": 5},
        ),
    )
}
