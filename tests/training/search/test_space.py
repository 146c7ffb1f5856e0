import math
from dataclasses import fields

import click
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from fer_live.training.networks.registry import network_options
from fer_live.training.options import ARGUMENT, RECIPE, chosen_recipe, command_options, setting_options
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.registry import RECIPES, Recipe
from fer_live.training.search.anneal import AnnealingSampler
from fer_live.training.search.presets import PRESETS
from fer_live.training.search.space import check_effects, parse_dimension, with_drawn

RIV = RECIPES["riv_1"]


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("lr=1e-4..1e-1:log", FloatDistribution(1e-4, 1e-1, log=True)),
        ("label-smoothing=0..0.3", FloatDistribution(0, 0.3)),
        ("weight_decay=0..0.001:step=0.0001", FloatDistribution(0, 0.001, step=0.0001)),
        ("epochs=10..50:step=5", IntDistribution(10, 50, step=5)),
        ("batch_size=16..512:log", IntDistribution(16, 512, log=True)),
        ("batch_size=32,64,128", CategoricalDistribution([32, 64, 128])),
        ("optimizer=sgd, adam", CategoricalDistribution(["sgd", "adam"])),
        ("mirror=true,false", CategoricalDistribution([True, False])),
        ("kernels=3..7:step=2", IntDistribution(3, 7, step=2)),
        ("head_dropout=0..1", FloatDistribution(0, 1)),
        ("depth=4..6", IntDistribution(4, 6)),
        ("attention=none,se", CategoricalDistribution(["none", "se"])),
        ("hidden=[],[256],[512,256]", CategoricalDistribution(["[]", "[256]", "[512, 256]"])),
    ],
)
def test_syntax(text: str, distribution: optuna.distributions.BaseDistribution) -> None:
    dimension = parse_dimension(text, RIV)
    assert dimension.distribution == distribution
    assert dimension.of_network == (dimension.name in network_options("conv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "neither NAME=LOW..HIGH nor"),
        ("lrr=1,2", "did you mean lr"),
        ("widht_factor=1,2", "did you mean width_factor"),
        ("zzz=1,2", "riv_1 has no option 'zzz'; it has epochs, "),
        ("lr=0..1:log", "must start above 0"),
        ("lr=1..0.1", "from low to high"),
        ("lr=nan..1", "from low to high"),
        ("lr=1e-4..1e3", "lr: 1000.0 is not in the range 0<=x<=100"),
        ("lr=a..b", "'a' is not a valid float"),
        ("lr=1e-4..1e-2:lgo", "may end in :log or :step=S"),
        ("lr=1e-4..1e-2:log:step=1e-4", "may end in :log or :step=S"),
        ("epochs=10..50:step=7", "not a whole number of steps"),
        ("epochs=10..50:step=0", "not a whole number of steps"),
        ("epochs=1.5..3", "'1.5' is not a valid integer"),
        ("optimizer=sgd..adam", "can't have a range; give choices"),
        ("optimizer=sgd,lion", "'lion' is not one of 'sgd'"),
        ("batch_size=32", "only one value"),
        ("batch_size=32,64,32", "is given twice"),
        ("kernels=3,4", "kernels must be odd"),
        ("kernels=3..5", "kernels must be odd"),
        ("head_dropout=0..1.5", "dropout"),
        ("activation=relu,swish", "activation must be one of"),
        ("activation=0..1", "can't have a range; give choices"),
    ],
)
def test_bad_dimensions_are_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as told:
        parse_dimension(text, RIV)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_options_of_training_and_network_have_different_names() -> None:
    names = {entry.name for entry in fields(TrainConfig)}
    assert not any(names & set(network_options(network)) for network in ("conv", "residual", "transfer"))


def test_every_option_of_a_recipe_can_be_searched() -> None:
    for entry in fields(TrainConfig):
        if "choices" in entry.metadata:
            values = ",".join(entry.metadata["choices"])
        elif "low" in entry.metadata:
            values = f"{entry.metadata['low']}..{entry.metadata['high']}"
        else:
            values = "true,false"
        assert parse_dimension(f"{entry.name}={values}", RIV).name == entry.name


def test_presets_are_searches() -> None:
    for preset in PRESETS.values():
        recipe = RECIPES[preset.recipe]
        assert [parse_dimension(text, recipe) for text in preset.over]


numbers = st.floats(1e-6, 1.0)


@given(st.tuples(numbers, numbers).filter(lambda ends: ends[1] > ends[0] * 1.001), st.booleans(), st.integers(0, 9))
def test_drawn_values_are_in_their_range(ends: tuple[float, float], log: bool, seed: int) -> None:
    space = [
        parse_dimension(f"momentum={ends[0]!r}..{ends[1]!r}{':log' if log else ''}", RIV),
        parse_dimension("copies=2..20:step=3", RIV),
        parse_dimension("cutout_px=1..48:log", RIV),
        parse_dimension("balance=none,sqrt,oversample", RIV),
    ]
    study = optuna.create_study(sampler=AnnealingSampler(seed, step=0.5, temperature=0.1, cooling=0.9))
    for number in range(6):
        trial = study.ask({of.name: of.distribution for of in space})
        train = with_drawn(RIV, space, trial.params).train
        assert ends[0] <= train.momentum <= ends[1]
        assert train.copies in range(2, 21, 3)
        assert 1 <= train.cutout_px <= 48 and isinstance(train.cutout_px, int)
        assert train.balance in ("none", "sqrt", "oversample")
        study.tell(trial, math.sin(number))


@click.command()
@click.option("--recipe", type=RECIPE)
@click.option("--set", "arguments", type=ARGUMENT, multiple=True)
@setting_options
def parsed(recipe: Recipe, arguments: tuple[tuple[str, object], ...], **settings: object) -> Recipe:
    return chosen_recipe(recipe, arguments, False, settings)


def test_command_options_leave_out_what_does_nothing() -> None:
    recipe = RIV.with_options({"momentum": 0.5, "copies": 7}).with_arguments({"hidden": [], "head_norm": "after"})
    assert command_options(recipe) == ["--recipe", RIV.name, "--set", "hidden=[]"]
    with_sgd = recipe.with_options({"optimizer": "sgd"})
    assert command_options(with_sgd)[2:6] == ["--optimizer", "sgd", "--momentum", "0.5"]


@pytest.mark.parametrize(
    ("texts", "idle"),
    [
        (["momentum=0..0.9", "lr=0.1,1"], "momentum: has no effect on riv_1 with optimizer adam"),
        (["momentum=0..0.9", "optimizer=adam,adamw"], "momentum: has no effect"),
        (["momentum=0..0.9", "optimizer=adam,sgd"], ""),
        (["head_norm=none,after"], ""),
        (["head_norm=none,after", "hidden=[],[8]"], ""),
    ],
)
def test_an_option_that_never_does_anything_is_not_searched_over(texts: list[str], idle: str) -> None:
    space = [parse_dimension(text, RIV) for text in texts]
    if idle:
        with pytest.raises(ValueError, match=idle):
            check_effects(space, RIV)
    else:
        check_effects(space, RIV)


def test_command_options_make_the_recipe_again() -> None:
    texts = ("lr=1e-5..1:log", "optimizer=sgd,adam,rmsprop", "mirror=true,false", "hidden=[],[64],[64,32]",
             "head_dropout=0..1", "attention=none,se", "edges=true,false", "rotation_deg=0..40")  # fmt: skip
    space = [parse_dimension(text, RIV) for text in texts]
    study = optuna.create_study(sampler=RandomSampler(0))
    for _ in range(20):
        recipe = with_drawn(RIV, space, study.ask({of.name: of.distribution for of in space}).params)
        assert parsed.main(command_options(recipe), standalone_mode=False) == recipe
