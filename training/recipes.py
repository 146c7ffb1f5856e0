"""Recipes: a network and how it is trained, as data. ``fer-train --list`` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, FERPLUS_LABELS, Contract, Head
from fer_live.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

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


def _setting(default: float, low: float, high: float, about: str) -> Any:
    """A field of :class:`TrainConfig` with its range; ``fer-train`` makes an option of it."""
    return field(default=default, metadata={"low": low, "high": high, "about": about})


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a network is trained. Every field is an option of ``fer-train``.

    ``lr`` is the peak of a cosine with a linear warm-up over the fraction ``warmup``. ``logit_adjustment`` is tau of
    Menon et al. 2021: tau * log(prior) is added to the logits in the loss, so rare classes keep a margin.
    ``ferplus_weight`` weighs the second head's KL divergence to the FER+ votes. ``mixup`` is the Beta parameter
    (Zhang et al. 2018); it, erasing and strong warps stop for the last ``clean_tail`` of the epochs.
    """

    epochs: int = _setting(60, 1, 100_000, "passes over the training images")
    batch_size: int = _setting(256, 2, 65_536, "images a step")
    lr: float = _setting(0.2, 0, 100, "peak learning rate")
    momentum: float = _setting(0.9, 0, 1, "of SGD, Nesterov")
    weight_decay: float = _setting(5e-4, 0, 10, "on weights, not on norms and biases")
    warmup: float = _setting(0.05, 0, 1, "share of the training with a rising learning rate")
    label_smoothing: float = _setting(0.1, 0, 1, "of FER2013's label")
    logit_adjustment: float = _setting(0.5, 0, 10, "tau of Menon et al. 2021, margin for rare classes")
    ferplus_weight: float = _setting(0.5, 0, 100, "weight of the FER+ head's loss")
    mixup: float = _setting(0.2, 0, 10, "parameter of mixup's Beta distribution, 0 for none")
    erasing: float = _setting(0.5, 0, 1, "share of images with a rectangle erased")
    shift_px: float = _setting(4.0, 0, 24, "largest shift in pixels")
    rotation_deg: float = _setting(12.0, 0, 180, "largest rotation in degrees")
    scale: float = _setting(0.15, 0, 0.9, "largest relative change of size")
    brightness: float = _setting(0.2, 0, 1, "largest shift of brightness, of the full range")
    contrast: float = _setting(0.2, 0, 1, "largest relative change of contrast")
    clean_tail: float = _setting(0.15, 0, 1, "last share of the epochs without mixup, erasing and strong warps")
    ema_decay: float = _setting(0.999, 0, 1, "of the weights' moving average, a step")
    seed: int = _setting(0, 0, 2**31 - 1, "of weights, order and augmentation")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, low, high = getattr(self, entry.name), entry.metadata["low"], entry.metadata["high"]
            if not low <= value <= high:
                raise ValueError(f"{entry.name} must be {low}..{high}, found {value}")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> TrainConfig:
        """Read what ``dataclasses.asdict`` gave; ModelError for other fields."""
        names = {entry.name for entry in fields(cls)}
        if set(raw) != names:
            raise ModelError(f"training configuration needs the fields {sorted(names)}, found {sorted(raw)}")
        try:
            return cls(**raw)
        except (TypeError, ValueError) as error:
            raise ModelError(f"training configuration is broken: {error}") from error


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
    from .models import ResidualNet  # brings torch, which the list of recipes must not wait for

    networks = {"residual": ResidualNet}
    try:
        network = networks[spec.name]
    except KeyError as error:
        raise ModelError(f"unknown network {spec.name!r}; known: {', '.join(networks)}") from error
    try:
        return network(outputs=[len(head.labels) for head in contract.heads], **spec.arguments)
    except (TypeError, ValueError, IndexError, RuntimeError, ZeroDivisionError) as error:
        raise ModelError(f"network {spec.name!r} does not take {dict(spec.arguments)}: {error}") from error


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
