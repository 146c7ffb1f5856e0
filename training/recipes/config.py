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
        1.0, 0.0001, 1, "share of the images that each pass trains on, for trainings shorter than one pass"
    )
    batch_size: int = _number(256, 2, 65_536, "images per step")
    optimizer: str = _choice("muon", ("sgd", "adam", "adamw", "rmsprop", "muon"), "method that takes the steps")
    lr: float = _number(0.003, 0, 100, "peak learning rate")
    momentum: float = _number(0.9, 0, 1, "Nesterov momentum of SGD and Muon")
    weight_decay: float = _number(
        0.05, 0, 10, "L2 penalty on weights, not on norms and biases; decoupled with adamw and muon"
    )
    schedule: str = _choice(
        "cosine", ("cosine", "one_cycle", "constant", "exponential", "plateau"), "schedule of the learning rate"
    )
    warmup: float = _number(0.05, 0, 1, "share of the training during which the learning rate rises")
    lr_decay: float = _number(0.5, 0, 1, "factor of each decay, schedules exponential and plateau")
    lr_decay_steps: int = _number(1000, 1, 10**9, "steps between two decays, schedule exponential")
    lr_patience: int = _number(5, 1, 100_000, "epochs without a lower PublicTest loss before a decay, schedule plateau")
    lr_min: float = _number(0.0, 0, 100, "lowest learning rate, schedules exponential and plateau")
    patience: int = _number(0, 0, 100_000, "stop after so many epochs without a better PublicTest accuracy, 0: never")
    init: str = _choice("default", ("default", "xavier", "imagenet"), "starting weights; default: torch's random ones")
    loss: str = _choice(
        "cross_entropy", ("cross_entropy", "multi_margin", "double_softmax"), "loss for FER2013's labels"
    )
    label_smoothing: float = _number(0.1, 0, 1, "smoothing of FER2013's labels, in the cross entropy")
    class_weights: str = _choice(
        "none", ("none", "inverse", "sqrt"), "weight of each class in the loss, by its count in an epoch"
    )
    logit_adjustment: float = _number(0.5, 0, 10, "tau of Menon et al. 2021, a margin for rare classes")
    ferplus_weight: float = _number(0.5, 0, 100, "weight of the FER+ head's loss")
    distill: float = _number(0.0, 0, 1, "weight of the teachers' answers; labels and votes have the rest")
    distill_temperature: float = _number(
        3.0, 0.1, 100, "temperature at which teachers' and student's answers are compared"
    )
    balance: str = _choice(
        "none",
        ("none", "oversample", "sqrt", "undersample", "augment_all"),
        "how often images of each class appear in an epoch",
    )
    copies: int = _number(4, 1, 100, "views of each image per epoch, balance augment_all")
    cleaning: str = _choice("standard", ("standard", "dedup", "none"), "which training images are left out")
    mixup: float = _number(0.2, 0, 10, "parameter of mixup's Beta distribution, 0: no mixup")
    mixup_share: float = _number(0.0, 0, 1, "fixed share of the original in a mixture, 0: drawn at random")
    cutmix: float = _number(0.0, 0, 1, "share of images that get a rectangle of another image")
    erasing: float = _number(0.5, 0, 1, "share of images that have a rectangle erased")
    cutout_px: int = _number(0, 0, 48, "side of a square cut out of every image, in pixels")
    mirror: bool = _switch(True, "show each image and its mirror image in turn")
    shift_px: float = _number(4.0, 0, 24, "largest shift in pixels")
    rotation_deg: float = _number(12.0, 0, 180, "largest rotation in degrees")
    scale: float = _number(0.15, 0, 0.9, "largest relative change of size")
    shear_deg: float = _number(0.0, 0, 60, "largest shear in degrees")
    perspective_px: float = _number(0.0, 0, 16, "largest move of each corner in pixels, by a perspective warp")
    brightness: float = _number(0.2, 0, 1, "largest shift of brightness, as a share of the full range")
    contrast: float = _number(0.2, 0, 1, "largest relative change of contrast")
    blur_px: float = _number(0.0, 0, 5, "largest sigma of a Gaussian blur in pixels")
    noise: float = _number(0.0, 0, 1, "largest standard deviation of Gaussian noise, as a share of the full range")
    motion_px: float = _number(0.0, 0, 24, "longest motion blur in pixels")
    low_light: float = _number(0.0, 0, 8, "largest number of times the light is halved, with sensor noise")
    shrink: float = _number(0.0, 0, 0.9, "largest loss of size, by shrinking and enlarging; 0.5 is half")
    jpeg: float = _number(0.0, 0, 0.99, "largest loss of JPEG quality; 0.7 is quality 30")
    degrade_share: float = _number(0.25, 0, 1, "share of images that get each of motion, low light, shrink and jpeg")
    clean_tail: float = _number(
        0.15, 0, 1, "final share of the epochs: no mixtures, erasing or cutout, and half the warp"
    )
    ema_decay: float = _number(0.999, 0, 1, "decay of the weights' moving average per step; 0: no average")
    public_images: int = _number(
        0, 0, 100_000, "PublicTest images to evaluate each epoch on, a fixed random sample; 0: all"
    )
    seed: int = _number(0, 0, 2**31 - 1, "seed of weights, order and augmentation")

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
