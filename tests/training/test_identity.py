import json
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json

from fer_live.training.identity import difference

RUN: dict[str, Any] = {
    "recipe": "residual",
    "heads": ["fer2013", "ferplus"],
    "model": {"name": "residual", "arguments": {"widths": [8, 16], "blocks": 1}},
    "train": {"epochs": 1, "lr": 0.1, "mirror": True, "a": 0, "b": 0, "c": 0},
    "precision": "bf16",
    "data": {"images": 35887, "sha256": "0"},
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"train": {**RUN["train"], "epochs": 2}}, "other options: epochs 1, not 2"),
        (
            {"train": {**RUN["train"], "epochs": 2, "mirror": False}},
            "other options: epochs 1, not 2; mirror True, not False",
        ),
        (
            {"train": dict.fromkeys(RUN["train"], 9)},
            "other options: epochs 1, not 9; lr 0.1, not 9; mirror True, not 9; a 0, not 9; 2 more",
        ),
        ({"train": {**RUN["train"], "new": 3}}, "other options: new unset, not 3"),
        (
            {"model": {"name": "residual", "arguments": {"widths": [8], "blocks": 1}}},
            "another network: widths 8,16, not 8",
        ),
        ({"model": {"name": "conv", "arguments": {}}}, "another network: residual, not conv"),
        ({"recipe": "riv_1", "train": {}}, "another recipe: residual, not riv_1"),
        ({"heads": ["fer2013"]}, "other heads: fer2013,ferplus, not fer2013"),
        ({"precision": "float32"}, "another precision: bf16, not float32"),
        ({"data": {"images": 350, "sha256": "1"}}, "other data: 35,887 images, not 350"),
        ({"data": {"images": 35887, "sha256": "1"}}, "other data: 35,887 images too, but not the same ones"),
        ({"teachers": "x", "start": "y"}, "no teachers and no weights to start from"),
        (
            {"train": {**RUN["train"], "lr": 1.0}, "precision": "float32"},
            "other options: lr 0.1, not 1.0 and another precision: bf16, not float32",
        ),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], told: str) -> None:
    assert difference(RUN, {**RUN, **change}) == told


def test_what_is_given_at_one_side_only() -> None:
    assert difference({**RUN, "teachers": "x"}, RUN) == "teachers"
    assert difference({**RUN, "teachers": "x"}, {**RUN, "teachers": "y"}) == "other teachers"
    assert difference({}, {"search": {"seed": 0}}) == "other options of the search: unset, not {'seed': 0}"


def test_a_search_space_is_told_as_it_is_given() -> None:
    lr, steps, choice = (
        distribution_to_json(of)
        for of in (
            FloatDistribution(1e-4, 0.1, log=True),
            IntDistribution(2, 8, step=2),
            CategoricalDistribution((1, "a")),
        )
    )
    saved = {"search space": {"lr": lr, "width": steps}}
    wanted = {"search space": {"lr": choice, "more": choice}}
    assert json.loads(lr)["name"] == "FloatDistribution"
    assert difference(saved, wanted) == (
        "another search space: lr 0.0001..0.1:log, not 1,a; more unset, not 1,a; width 2..8:step=2, not unset"
    )
