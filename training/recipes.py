"""Recipes: a network and how it is trained, as data. ``fer-train --list`` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from torch import nn

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, FERPLUS_LABELS, Contract, Head
from fer_live.errors import ModelError

from .models import ResidualNet

__all__ = ["RECIPES", "ModelSpec", "Recipe", "TrainConfig", "build_model", "fer2013_contract"]

PIXEL_MEAN, PIXEL_STD = 0.5077, 0.2550
"""Of FER2013's 28,709 Training images, pixels scaled to 0..1."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network by name, and its arguments."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One JSON value that :meth:`from_json` reads back."""
        return json.dumps({"name": self.name, "arguments": dict(self.arguments)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what :meth:`to_json` wrote; ModelError where it is something else."""
        try:
            raw = json.loads(text)
            return cls(str(raw["name"]), dict(raw["arguments"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"model description is broken: {error}") from error


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a network is trained. Every field is an option of ``fer-train``.

    ``lr`` is the peak of a cosine with a linear warm-up over the fraction ``warmup``. ``logit_adjustment`` is tau of
    Menon et al. 2021: tau * log(prior) is added to the logits in the loss, so rare classes keep a margin.
    ``ferplus_weight`` weighs the second head's KL divergence to the FER+ votes. ``mixup`` is the Beta parameter
    (Zhang et al. 2018); it, erasing and strong warps stop for the last ``clean_tail`` of the epochs.
    """

    epochs: int = 60
    batch_size: int = 256
    lr: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.05
    label_smoothing: float = 0.1
    logit_adjustment: float = 0.5
    ferplus_weight: float = 0.5
    mixup: float = 0.2
    erasing: float = 0.5
    shift_px: float = 4.0
    rotation_deg: float = 12.0
    scale: float = 0.15
    brightness: float = 0.2
    contrast: float = 0.2
    clean_tail: float = 0.15
    ema_decay: float = 0.999
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("batch_size", 2, 65_536),
            ("lr", 0, 100),
            ("momentum", 0, 1),
            ("weight_decay", 0, 10),
            ("warmup", 0, 1),
            ("label_smoothing", 0, 1),
            ("logit_adjustment", 0, 10),
            ("ferplus_weight", 0, 100),
            ("mixup", 0, 10),
            ("erasing", 0, 1),
            ("shift_px", 0, 24),
            ("rotation_deg", 0, 180),
            ("scale", 0, 0.9),
            ("brightness", 0, 1),
            ("contrast", 0, 1),
            ("clean_tail", 0, 1),
            ("ema_decay", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be {low}..{high}, found {value}")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> TrainConfig:
        """Read what ``dataclasses.asdict`` gave; ModelError for other fields."""
        names = {entry.name for entry in fields(cls)}
        if set(raw) != names:
            raise ModelError(f"training configuration needs the fields {sorted(names)}, found {sorted(raw)}")
        return cls(**raw)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named network with its training configuration and where it comes from."""

    name: str
    about: str
    source: str
    model: ModelSpec
    train: TrainConfig = field(default_factory=TrainConfig)

    def with_options(self, options: Mapping[str, Any]) -> Recipe:
        """The recipe with some of its training options replaced."""
        return replace(self, train=TrainConfig(**{**asdict(self.train), **options}))


def fer2013_contract() -> Contract:
    """The contract of a network trained here: FER2013's label first, FER+'s second."""
    return Contract(
        heads=(Head("fer2013", FER2013_LABELS), Head("ferplus", FERPLUS_LABELS)),
        framing=FER2013_FRAMING,
        mean=PIXEL_MEAN,
        std=PIXEL_STD,
    )


def build_model(spec: ModelSpec, contract: Contract) -> nn.Module:
    """A fresh network with one output per head of the contract.

    Raises:
        ModelError: the name is unknown or the arguments don't fit.
    """
    try:
        network = _NETWORKS[spec.name]
    except KeyError as error:
        raise ModelError(f"unknown network {spec.name!r}; known: {', '.join(_NETWORKS)}") from error
    try:
        return network(outputs=[len(head.labels) for head in contract.heads], **spec.arguments)
    except TypeError as error:
        raise ModelError(f"network {spec.name!r} does not take {dict(spec.arguments)}: {error}") from error


_NETWORKS: dict[str, type[ResidualNet]] = {"residual": ResidualNet}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="residual",
            about="residual net with squeeze-excitation, strided stem, FER2013 and FER+ heads: the bundled model",
            source="He et al. 2016, Hu et al. 2018; votes of Barsoum et al. 2016 as second target",
            model=ModelSpec("residual", {"widths": [48, 96, 192], "blocks": 2, "dropout": 0.2}),
        ),
        Recipe(
            name="residual_tiny",
            about="the same with a third of the width: minutes on a laptop, for trying things out",
            source="as residual",
            model=ModelSpec("residual", {"widths": [16, 32, 64], "blocks": 1, "dropout": 0.1}),
            train=TrainConfig(epochs=20, mixup=0.0),
        ),
    )
}
