"""What a recipe is: a network and how it is trained, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fer_live.contract import FER2013_FRAMING, FER2013_LABELS, FERPLUS_LABELS, Contract, Head
from fer_live.errors import ModelError

from .config import TrainConfig

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ModelSpec", "Recipe", "build_model", "fer2013_contract"]

PIXEL_MEAN, PIXEL_STD = 0.5077, 0.2550
"""Of FER2013's 28,709 Training images, pixels scaled to 0..1."""

_LABELS = {"fer2013": FER2013_LABELS, "ferplus": FERPLUS_LABELS}


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
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"model description is broken: {error}") from error


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named network with its training configuration and where it comes from.

    ``reported``: the source's own figure, in % of accuracy unless it says otherwise. ``reconstructed``: what the
    source doesn't say and was chosen here. ``caveat``: why the source's figure is not to be compared with ours as it
    stands, sentences. ``heads``: of the contract, FER2013's first.
    """

    name: str
    about: str
    source: str
    model: ModelSpec
    train: TrainConfig = field(default_factory=TrainConfig)
    heads: tuple[str, ...] = ("fer2013", "ferplus")
    reported: str = ""
    reconstructed: str = ""
    caveat: str = ""

    def with_options(self, options: Mapping[str, Any]) -> Recipe:
        """The recipe with some of its training options replaced."""
        return replace(self, train=TrainConfig(**{**asdict(self.train), **options}))

    def with_arguments(self, arguments: Mapping[str, Any]) -> Recipe:
        """The recipe with some arguments of its network replaced."""
        return replace(self, model=ModelSpec(self.model.name, {**self.model.arguments, **arguments}))

    def variant(
        self,
        name: str,
        about: str,
        reported: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        reconstructed: str | None = None,
        caveat: str | None = None,
        **options: Any,
    ) -> Recipe:
        """Another recipe that differs in what is given."""
        changed = self.with_arguments(arguments or {}).with_options(options)
        return replace(
            changed,
            name=name,
            about=about,
            reported=reported,
            reconstructed=self.reconstructed if reconstructed is None else reconstructed,
            caveat=self.caveat if caveat is None else caveat,
        )

    def contract(self) -> Contract:
        """What its network is fed and what it answers."""
        return fer2013_contract(self.heads)


def fer2013_contract(heads: tuple[str, ...] = ("fer2013", "ferplus")) -> Contract:
    """The contract of a network trained here: FER2013's label first, FER+'s second where it has that head."""
    return Contract(
        heads=tuple(Head(name, _LABELS[name]) for name in heads),
        framing=FER2013_FRAMING,
        mean=PIXEL_MEAN,
        std=PIXEL_STD,
    )


def build_model(spec: ModelSpec, contract: Contract) -> nn.Module:
    """A fresh network with one output per head of the contract, with torch's random weights.

    Raises:
        ModelError: the name is unknown or the arguments don't fit.
    """
    # They bring torch, which the list of recipes must not wait for.
    from fer_live.training.networks.registry import FIXED, network_class, network_options

    network, options = network_class(spec.name), network_options(spec.name)
    unknown = sorted(set(spec.arguments) - set(options))
    if unknown:
        fixed = f". {FIXED[spec.name]}" if spec.name in FIXED else ""
        raise ModelError(
            f"network {spec.name!r} has no option {', '.join(unknown)}; it has {', '.join(options)}{fixed}"
        )
    try:
        return network(outputs=[len(head.labels) for head in contract.heads], **spec.arguments)
    except (TypeError, ValueError, IndexError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise ModelError(
            f"network {spec.name!r} does not accept its options: {error}. It was given {dict(spec.arguments)}"
        ) from error
