"""How a network is trained, as data: every field of :class:`TrainConfig` is an option of ``fer-train``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["TrainConfig"]


def _number(default: float, low: float, high: float, about: str) -> Any:
    """A number with its range."""
    return field(default=default, metadata={"low": low, "high": high, "about": about})


def _choice(default: str, choices: tuple[str, ...], about: str) -> Any:
    """One of a few names."""
    return field(default=default, metadata={"choices": choices, "about": about})


def _switch(default: bool, about: str) -> Any:
    """Yes or no."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a network is trained. The defaults are those of recipe ``residual``.

    ``schedule``: the learning rate after a linear rise over the fraction ``warmup``. ``cosine`` falls to 0;
    ``one_cycle`` (Smith 2018) starts at a 25th, rises over ``warmup`` and falls to a 250,000th, both by a cosine;
    ``exponential`` is multiplied by ``lr_decay`` every ``lr_decay_steps`` steps; ``plateau`` by ``lr_decay`` after
    each ``lr_patience`` epochs without a lower loss on PublicTest.

    ``loss``: ``multi_margin`` is the hinge of each other class, margin 1; ``double_softmax`` is the cross entropy of
    probabilities taken for logits, a slip of report E that is kept to show what it costs. ``logit_adjustment`` is tau
    of Menon et al. 2021: tau * log(prior) is added to the logits in the loss, so rare classes keep a margin. Priors and
    class weights are of the images that ``balance`` makes an epoch of: no imbalance is made up for twice.
    ``ferplus_weight`` weighs the second head's KL divergence to the FER+ votes, where a recipe has that head.

    ``balance``: how often an image comes up in an epoch. ``oversample`` repeats classes up to the largest, ``sqrt``
    draws them by the square root of their counts, ``undersample`` cuts them to the rarest, ``augment_all`` shows every
    image ``copies`` times, each time augmented anew. ``cleaning``: ``standard`` leaves out blank images and those that
    copy a test image, ``dedup`` also keeps one only of identical images, ``none`` takes all: figures on the test
    splits are then flattered by the images they share with Training.

    ``mixup`` is the Beta parameter (Zhang et al. 2018), or ``mixup_share`` the fixed share of the original; they,
    CutMix (Yun et al. 2019), erasing, cutout and strong warps stop for the last ``clean_tail`` of the epochs.

    ``distill`` is the weight of what teachers say (Hinton et al. 2015) against 1 - ``distill`` of labels and votes;
    a training needs teachers where it is not 0.
    """

    epochs: int = _number(60, 1, 100_000, "passes over the training images")
    epoch_share: float = _number(
        1.0, 0.0001, 1, "share of each pass that is trained on, for less time than one pass takes"
    )
    batch_size: int = _number(256, 2, 65_536, "images a step")
    optimizer: str = _choice("muon", ("sgd", "adam", "adamw", "rmsprop", "muon"), "what takes the steps")
    lr: float = _number(0.003, 0, 100, "peak learning rate")
    momentum: float = _number(0.9, 0, 1, "of SGD and Muon, Nesterov")
    weight_decay: float = _number(0.05, 0, 10, "L2, on weights, not on norms and biases; decoupled with adamw and muon")
    schedule: str = _choice(
        "cosine", ("cosine", "one_cycle", "constant", "exponential", "plateau"), "of the learning rate"
    )
    warmup: float = _number(0.05, 0, 1, "share of the training with a rising learning rate")
    lr_decay: float = _number(0.5, 0, 1, "factor of the schedules exponential and plateau")
    lr_decay_steps: int = _number(1000, 1, 10**9, "steps between two decays, schedule exponential")
    lr_patience: int = _number(5, 1, 100_000, "epochs without progress before a decay, schedule plateau")
    lr_min: float = _number(0.0, 0, 100, "lowest learning rate of the schedules exponential and plateau")
    patience: int = _number(0, 0, 100_000, "epochs without a better PublicTest accuracy before it stops, 0: never")
    init: str = _choice("default", ("default", "xavier", "imagenet"), "starting weights; default: torch's random ones")
    loss: str = _choice("cross_entropy", ("cross_entropy", "multi_margin", "double_softmax"), "of FER2013's label")
    label_smoothing: float = _number(0.1, 0, 1, "of FER2013's label, in the cross entropy")
    class_weights: str = _choice(
        "none", ("none", "inverse", "sqrt"), "weight of a class in the loss, by its count in an epoch"
    )
    logit_adjustment: float = _number(0.5, 0, 10, "tau of Menon et al. 2021, margin for rare classes")
    ferplus_weight: float = _number(0.5, 0, 100, "weight of the FER+ head's loss")
    distill: float = _number(0.0, 0, 1, "weight of the teachers' answers against labels and votes")
    distill_temperature: float = _number(3.0, 0.1, 100, "of teachers' and student's answers when they are compared")
    balance: str = _choice(
        "none", ("none", "oversample", "sqrt", "undersample", "augment_all"), "how often images come up in an epoch"
    )
    copies: int = _number(4, 1, 100, "views of each image an epoch, balance augment_all")
    cleaning: str = _choice("standard", ("standard", "dedup", "none"), "which training images are left out")
    mixup: float = _number(0.2, 0, 10, "parameter of mixup's Beta distribution, 0 for none")
    mixup_share: float = _number(0.0, 0, 1, "fixed share of the original in a mixture, 0 for a drawn one")
    cutmix: float = _number(0.0, 0, 1, "share of images with a rectangle of another one pasted in")
    erasing: float = _number(0.5, 0, 1, "share of images with a rectangle erased")
    cutout_px: int = _number(0, 0, 48, "side of a square cut out of every image")
    mirror: bool = _switch(True, "show every image as its mirror image every other time")
    shift_px: float = _number(4.0, 0, 24, "largest shift in pixels")
    rotation_deg: float = _number(12.0, 0, 180, "largest rotation in degrees")
    scale: float = _number(0.15, 0, 0.9, "largest relative change of size")
    shear_deg: float = _number(0.0, 0, 60, "largest shear in degrees")
    perspective_px: float = _number(0.0, 0, 16, "largest move of each corner in pixels, perspective warp")
    brightness: float = _number(0.2, 0, 1, "largest shift of brightness, of the full range")
    contrast: float = _number(0.2, 0, 1, "largest relative change of contrast")
    blur_px: float = _number(0.0, 0, 5, "largest sigma of a Gaussian blur in pixels")
    noise: float = _number(0.0, 0, 1, "largest standard deviation of Gaussian noise, of the full range")
    motion_px: float = _number(0.0, 0, 24, "longest smear of a moving face in pixels")
    low_light: float = _number(0.0, 0, 8, "most halvings of the light, with the noise of a sensor")
    shrink: float = _number(0.0, 0, 0.9, "largest loss of size, made small and large again; 0.5 is half")
    jpeg: float = _number(0.0, 0, 0.99, "largest loss of JPEG quality; 0.7 is quality 30")
    degrade_share: float = _number(0.25, 0, 1, "share of images that each of motion, low light, shrink, jpeg is for")
    clean_tail: float = _number(0.15, 0, 1, "last share of the epochs without mixtures, erasing and strong warps")
    ema_decay: float = _number(0.999, 0, 1, "of the weights' moving average, a step; 0 for no average")
    public_images: int = _number(
        0, 0, 100_000, "images of PublicTest to judge an epoch by, a fixed draw; 0: all of them"
    )
    seed: int = _number(0, 0, 2**31 - 1, "of weights, order and augmentation")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, limits = getattr(self, entry.name), entry.metadata
            if "choices" in limits:
                if value not in limits["choices"]:
                    raise ValueError(f"{entry.name} must be one of {', '.join(limits['choices'])}, found {value!r}")
            elif "low" not in limits:
                if not isinstance(value, bool):
                    raise ValueError(f"{entry.name} must be true or false, found {value!r}")
            elif not limits["low"] <= value <= limits["high"]:
                raise ValueError(f"{entry.name} must be {limits['low']}..{limits['high']}, found {value}")
