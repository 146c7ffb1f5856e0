"""Options that do nothing because of the values of others: momentum with Adam, dropout after pools without any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .recipe import Recipe

__all__ = ["why_idle"]

_FERPLUS = "a FER+ head"
_WARPS = ("shift_px", "rotation_deg", "scale", "shear_deg", "perspective_px")
_DEGRADED = ("motion_px", "low_light", "shrink", "jpeg")
_HOLES_AND_MIXTURES = ("erasing", "cutout_px", "mixup", "mixup_share", "cutmix")


@dataclass(frozen=True, slots=True)
class _Need:
    """What an option needs to do something: one of ``others`` on, that is one of ``values`` or, without them, anything
    but 0, none and nothing. ``otherwise`` ends the sentence that begins with "has no effect".
    """

    others: tuple[str, ...]
    otherwise: str
    values: tuple[Any, ...] = ()

    def met(self, value: Any) -> bool:
        """Whether a value of one of ``others`` is on."""
        return value in self.values if self.values else bool(value) and value != "none"


_CONVOLUTIONS = _Need(("widths",), "without convolutions (widths)")
_BLOCKS = _Need(("blocks",), "without blocks")
_POOLS = _Need(("pools",), "without pools")
_UNEQUAL = _Need(
    ("balance",), "with balance {balance}: all expressions appear equally often", ("none", "sqrt", "augment_all")
)
_HIDDEN = _Need(("hidden",), "without fully connected layers before the heads (hidden)")

_SETTINGS: Mapping[str, tuple[_Need, ...]] = {
    "momentum": (_Need(("optimizer",), "with optimizer {optimizer}: only sgd and muon use it", ("sgd", "muon")),),
    "lr_decay": (_Need(("schedule",), "with schedule {schedule}: only exponential and plateau use it",
                       ("exponential", "plateau")),),
    "lr_decay_steps": (_Need(("schedule",), "with schedule {schedule}: only exponential uses it", ("exponential",)),),
    "lr_patience": (_Need(("schedule",), "with schedule {schedule}: only plateau uses it", ("plateau",)),),
    "lr_min": (_Need(("schedule",), "with schedule {schedule}: only exponential and plateau use it",
                     ("exponential", "plateau")),),
    "label_smoothing": (_Need(("loss",), "with loss {loss}: only cross_entropy and double_softmax use it",
                              ("cross_entropy", "double_softmax")),),
    "class_weights": (_UNEQUAL,),
    "logit_adjustment": (_UNEQUAL,),
    "ferplus_weight": (_Need((_FERPLUS,), f"without {_FERPLUS}"),),
    "distill_temperature": (_Need(("distill",), "without distill"),),
    "copies": (_Need(("balance",), "with balance {balance}: only augment_all uses it", ("augment_all",)),),
    "mixup": (_Need(("mixup_share",), "with a fixed mixup_share of {mixup_share:g}", (0,)),),
    "degrade_share": (_Need(_DEGRADED, f"without {', '.join(_DEGRADED)}"),),
    "clean_tail": (_Need((*_WARPS, *_HOLES_AND_MIXTURES), "without warps, erasing, cutout or mixtures"),),
}  # fmt: skip

_NETWORKS: Mapping[str, Mapping[str, tuple[_Need, ...]]] = {
    "conv": {
        **dict.fromkeys(("kernels", "padding", "norm", "attention", "width_factor"), (_CONVOLUTIONS,)),
        "norm_at": (_CONVOLUTIONS, _Need(("norm",), "with norm none")),
        "pool": (_POOLS,),
        "dropout": (_POOLS,),
        "head_norm": (_HIDDEN,),
        "activation": (_Need(("widths", "hidden"), "in a network that has only linear heads"),),
    },
    "residual": {**dict.fromkeys(("attention", "depth"), (_BLOCKS,)), "head_norm": (_HIDDEN,)},
    "transfer": {"activation": (_HIDDEN,), "head_norm": (_HIDDEN,)},
}


def why_idle(recipe: Recipe, name: str, searched: Collection[str] = ()) -> str | None:
    """Why an option does nothing in a recipe, whatever its value; None where it does something.

    Args:
        recipe: with the values of all other options.
        name: a field of :class:`~fer_live.training.recipes.config.TrainConfig`, or an option of its network.
        searched: options that have other values as well: what needs them is not idle.

    Returns:
        The end of a sentence that begins with "has no effect".
    """
    if name in _SETTINGS:
        values: dict[str, Any] = {**asdict(recipe.train), _FERPLUS: "ferplus" in recipe.heads}
        needs = _SETTINGS[name]
    elif needs := _NETWORKS.get(recipe.model.name, {}).get(name, ()):
        from fer_live.training.networks.registry import network_options  # brings torch, which a list must not wait for

        values = {**network_options(recipe.model.name), **recipe.model.arguments}
    for need in needs:
        if not any(other in searched or need.met(values[other]) for other in need.others):
            return need.otherwise.format(**values)
    return None
