from dataclasses import fields
from typing import Any

import pytest
import torch

from fer_live.training.augmentation.sampling import class_counts
from fer_live.training.networks.registry import network_options
from fer_live.training.recipes.idle import why_idle
from fer_live.training.recipes.registry import RECIPES, Recipe, TrainConfig, build_model
from fer_live.training.run.losses import LabelLoss
from fer_live.training.run.optimise import learning_rate, make_optimizer

OTHER: dict[str, Any] = {
    "widths": [6] * 6,
    "kernels": 7,
    "padding": "valid",
    "norm": "none",
    "norm_at": [1],
    "pools": [1],
    "pool": "conv",
    "dropout": 0.7,
    "mean_pool": True,
    "hidden": [9],
    "head_norm": "after",
    "head_dropout": 0.7,
    "activation": "leaky_relu",
    "attention": "se",
    "edges": True,
    "depth": 2,
    "width_factor": 2,
    "blocks": 3,
    "input": "learned",
    "backbone": "efficientnet_b0",
}
"""Another value of each option of a network than those that the recipes below have."""

BARE = RECIPES["six_conv"].with_arguments({"pools": [], "hidden": [], "norm": "none"})
LINEAR = RECIPES["feedforward"].with_arguments({"hidden": []})
NETWORKS = {
    "six_conv": RECIPES["six_conv"],
    "bare": BARE,
    "feedforward": RECIPES["feedforward"],
    "linear": LINEAR,
    "residual": RECIPES["residual_tiny"].with_arguments({"attention": "none"}),
    "no blocks": RECIPES["residual_tiny"].with_arguments({"attention": "none", "blocks": 0}),
    "resnet18": RECIPES["resnet18_transfer"],
    "resnet18 with a head": RECIPES["resnet18_transfer"].with_arguments({"hidden": [8]}),
}


def structure(recipe: Recipe) -> str:
    with torch.device("meta"):
        return str(build_model(recipe.model, recipe.contract()))


@pytest.mark.parametrize("name", NETWORKS)
def test_an_option_of_a_network_is_idle_where_it_changes_nothing(name: str) -> None:
    recipe = NETWORKS[name]
    before = structure(recipe)
    for option, default in network_options(recipe.model.name).items():
        value = OTHER[option]
        if recipe.model.arguments.get(option, default) == value or (option == "norm" and name == "bare"):
            value = "before" if option == "norm" else "relu"
        if not recipe.model.arguments.get("widths", True) and option in ("depth", "norm_at", "pools"):
            continue  # refused as such
        changed = recipe.with_arguments({option: value})
        assert (structure(changed) == before) == (why_idle(changed, option) is not None), option


def with_options(**options: Any) -> Recipe:
    return RECIPES["residual_tiny"].with_options(options)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "constant", "exponential", "plateau"])
def test_settings_of_the_learning_rate_are_idle_where_they_change_nothing(schedule: str) -> None:
    def rates(recipe: Recipe) -> list[float]:
        return [learning_rate(recipe.train, step, 3000, [1.0] * (step // 100)) for step in range(0, 3000, 50)]

    base = with_options(schedule=schedule, lr=1.0)
    for option, value in (
        ("lr_decay", 0.1),
        ("lr_decay_steps", 70),
        ("lr_patience", 2),
        ("lr_min", 0.4),
        ("warmup", 1),
    ):
        changed = base.with_options({option: value})
        assert (rates(changed) == rates(base)) == (why_idle(changed, option) is not None), option


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "muon"])
def test_momentum_is_idle_where_the_optimizer_has_none(optimizer: str) -> None:
    def made(momentum: float) -> list[dict[str, Any]]:
        network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(2, 2))
        config = with_options(optimizer=optimizer, momentum=momentum).train
        return [
            {key: value for key, value in group.items() if key != "params"}
            for group in make_optimizer(network, config).param_groups
        ]

    idle = why_idle(with_options(optimizer=optimizer), "momentum")
    assert (made(0.5) == made(0.9)) == (idle is not None)


@pytest.mark.parametrize("loss", ["cross_entropy", "multi_margin", "double_softmax"])
def test_label_smoothing_is_idle_where_the_loss_has_none(loss: str) -> None:
    labels, logits = torch.arange(7), torch.randn(7, 7, generator=torch.Generator().manual_seed(0))

    def of(smoothing: float) -> float:
        config = with_options(loss=loss, label_smoothing=smoothing).train
        return float(LabelLoss(config, torch.ones(7))(logits, labels, labels, torch.ones(7)))

    assert (of(0.0) == of(0.3)) == (why_idle(with_options(loss=loss), "label_smoothing") is not None)


@pytest.mark.parametrize("balance", ["none", "oversample", "sqrt", "undersample", "augment_all"])
def test_weights_of_classes_are_idle_where_all_come_up_equally_often(balance: str) -> None:
    labels, logits = torch.tensor([0, 0, 0, 1, 2]), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))

    def of(**options: Any) -> float:
        config = with_options(balance=balance, **{"class_weights": "none", "logit_adjustment": 0.0} | options).train
        return float(LabelLoss(config, class_counts(labels, config, 3))(logits, labels, labels, torch.ones(5)))

    for option, value in (("class_weights", "inverse"), ("class_weights", "sqrt"), ("logit_adjustment", 1.0)):
        idle = why_idle(with_options(balance=balance), option)
        assert (of(**{option: value}) == pytest.approx(of())) == (idle is not None), option


@pytest.mark.parametrize(
    ("recipe", "option", "idle"),
    [
        ("six_conv", "ferplus_weight", True),
        ("residual", "ferplus_weight", False),
        ("residual", "distill_temperature", True),
        ("flagship", "distill_temperature", False),
        ("residual", "copies", True),
        ("flagship", "copies", False),
        ("cifar_cnn_mixup", "mixup", True),
        ("residual", "mixup", False),
        ("residual", "degrade_share", True),
        ("flagship", "degrade_share", False),
        ("six_conv", "clean_tail", True),
        ("six_conv_augmented", "clean_tail", False),
        ("cifar_cnn_mixup", "clean_tail", False),
    ],
)
def test_settings_that_need_others(recipe: str, option: str, idle: bool) -> None:
    assert (why_idle(RECIPES[recipe], option) is not None) == idle


def test_what_is_searched_over_may_have_other_values() -> None:
    adam = with_options(optimizer="adam")
    assert why_idle(adam, "momentum") == "with optimizer adam: only sgd and muon use it"
    assert why_idle(adam, "momentum", {"optimizer"}) is None


def test_every_other_setting_always_does_something() -> None:
    idle = {entry.name for entry in fields(TrainConfig) for recipe in RECIPES.values() if why_idle(recipe, entry.name)}
    assert idle == {"momentum", "lr_decay", "lr_decay_steps", "lr_patience", "lr_min", "label_smoothing", "mixup",
                    "ferplus_weight", "distill_temperature", "copies", "degrade_share", "clean_tail",
                    "class_weights", "logit_adjustment"}  # fmt: skip
