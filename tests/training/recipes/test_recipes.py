from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from click import unstyle

from fer_live.errors import ModelError
from fer_live.export.onnx_export import export_model
from fer_live.export.verify import TOLERANCE, verify
from fer_live.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.predictors import load_predictor
from fer_live.training.evaluation.splits import evaluate
from fer_live.training.networks.layers import SqueezeExcitation
from fer_live.training.networks.registry import initialise, network_class
from fer_live.training.recipes.describe import describe, list_rows, recipes_page
from fer_live.training.recipes.listing import listing
from fer_live.training.recipes.recipe import PIXEL_MEAN, PIXEL_STD
from fer_live.training.recipes.registry import RECIPES, ModelSpec, Recipe, build_model, fer2013_contract
from fer_live.training.recipes.summary import summarise
from fer_live.training.run.loop import train
from fer_live.training.testing import subset, synthetic_fer2013

CPU = torch.device("cpu")
ONE_HEAD = fer2013_contract(("fer2013",))
HEAVY = ("resnet50", "resnet152", "efficientnet_b0")

COUNTS = {
    "residual": 2_581_159,
    "feedforward": 3_050_247,
    "resnet18_transfer": 11_180_103,
    "efficientnet_b0": 4_016_515,
    "athan_1": 6_553_991,
    "athan_2": 6_553_991,
    "athan_3": 2_130_311,
    "athan_4": 2_130_311,
    "athan_5": 314_023,
    "athan_6": 2_393_543,
    "athan_7": 6_783_559,
    "athan_8": 7_836_039,
    "athan_9": 6_634_343,
}


def marked(name: str, deeper: pytest.MarkDecorator = pytest.mark.slow) -> object:
    """``deeper``: the mark of ResNet-152, which is made of what ResNet-50 is made of, three times as much of it."""
    backbone = RECIPES[name].model.arguments.get("backbone")
    if backbone == "resnet152":
        return pytest.param(name, marks=deeper)
    return pytest.param(name, marks=pytest.mark.slow) if backbone in HEAVY else name


def first_of_each_network() -> list[str]:
    """Recipes that differ in their training only share a network."""
    return list({recipe.model.to_json(): name for name, recipe in reversed(RECIPES.items())}.values())[::-1]


@pytest.fixture(scope="module")
def few() -> Fer2013:
    dataset = synthetic_fer2013(70)
    return subset(dataset, np.concatenate([dataset.rows(usage)[:8] for usage in Usage]))


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name: str, count: int) -> None:
    recipe = RECIPES[name]
    assert summarise(recipe.model, recipe.contract()).parameters == count


def test_every_run_of_a_recipe_has_its_parameters() -> None:
    runs = [name for name in RECIPES if name.startswith("athan_")]
    assert len(runs) == 24
    for name in runs:
        recipe = RECIPES[name]
        assert summarise(recipe.model, recipe.contract()).parameters == COUNTS[name[:7]]


def test_the_flagship_is_small_enough() -> None:
    recipe = RECIPES["flagship"]
    assert summarise(recipe.model, recipe.contract()).parameters <= 3_000_000


def test_recipes_say_where_they_come_from() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.about
        assert recipe.source
        if name.startswith(("residual", "flagship")):
            assert recipe.heads == ("fer2013", "ferplus")
        else:
            assert recipe.heads == ("fer2013",)
            assert recipe.reported
            assert recipe.reconstructed


def test_the_page_of_recipes_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "recipes.md"
    assert page.read_text(encoding="utf-8") == recipes_page(tuple(RECIPES.values()))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_list_fits_its_terminal(width: int) -> None:
    rows = list_rows(tuple(RECIPES.values()))
    lines = unstyle(listing(rows, width)).splitlines()
    assert max(map(len, lines)) <= width
    starts = [next(place for place, line in enumerate(lines) if line.split()[:1] == [row[0]]) for row in rows]
    assert starts == sorted(set(starts))
    assert "…" not in "".join(lines)
    words = " ".join(" ".join(lines).split())
    for row, start, end in zip(rows, starts, [*starts[1:], len(lines)], strict=True):
        assert row[3] in words
        told = list(takewhile(bool, lines[start:end]))
        assert sorted(set(f"{row[4]} {row[5]}".split()) - set(" ".join(told).split())) == []
        if width >= 80:
            assert len(told) <= {80: 3, 120: 2, 200: 1}[width]
            assert f" {int(row[1]):,} " in told[0] and f" {int(row[2]):,} " in told[0]


def test_what_was_chosen_here_is_told_of_the_recipe_that_has_it() -> None:
    assert "30 epochs" not in RECIPES["resnet18_transfer_adam"].reconstructed
    for name, recipe in RECIPES.items():
        if name.startswith("athan_"):
            base = recipe.reconstructed + RECIPES["athan_1"].reconstructed * ("as athan_1" in recipe.reconstructed)
            assert f"mean {PIXEL_MEAN} and standard deviation {PIXEL_STD:g}" in base
            assert "only black ones" in base


def test_described_layers_do_something_and_figures_have_their_unit() -> None:
    for name in ("udine_cnn", "cifar_cnn", "residual"):
        text = describe(RECIPES[name])
        assert "Identity" not in text and "Sequential" not in text
        assert "Conv2d" in text
    assert "reported in %: 66; disgust recall 0\n" in describe(RECIPES["udine_cnn"])
    assert "reported: worse than plain\n" in describe(RECIPES["udine_cnn_undersample"])


@pytest.mark.parametrize("name", [marked(name) for name in RECIPES])
def test_every_recipe_takes_a_step(name: str, few: Fer2013, tmp_path: Path) -> None:
    recipe = RECIPES[name].with_options({"epochs": 1, "batch_size": 4, "init": "default", "distill": 0.0})
    losses: list[float] = []
    model = train(recipe, few, tmp_path, device=CPU, bf16=False, on_epoch=lambda epoch: losses.append(epoch.train_loss))
    assert len(losses) == 1
    checkpoint = load_checkpoint(model)
    assert checkpoint.model == recipe.model
    assert tuple(head.name for head in checkpoint.contract.heads) == recipe.heads
    assert checkpoint.provenance["train"]["init"] == "default"


@pytest.mark.parametrize("name", [marked(name, pytest.mark.stress) for name in first_of_each_network()])
def test_every_network_evaluates_exports_and_answers(name: str, few: Fer2013, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    torch.manual_seed(0)
    network = build_model(recipe.model, recipe.contract())
    checkpoint = Checkpoint(recipe.contract(), recipe.model, network.state_dict(), {"recipe": name})
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    exported = export_model(checkpoint).SerializeToString()
    assert verify(checkpoint, exported).max_probability_difference <= TOLERANCE
    (tmp_path / "model.onnx").write_bytes(exported)
    for file in ("model.pt", "model.onnx"):
        predict = load_predictor(tmp_path / file, CPU)
        assert [head.shape for head in predict(few.images[:2])] == [(2, 7), (2, 8)][: len(recipe.heads)]
        evaluation = evaluate(predict, few, with_private=True, mirror=False)
        assert [split.ferplus is not None for split in evaluation.splits] == [len(recipe.heads) == 2] * 3


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({"widths": [4], "pools": [1], "norm": "none"}, 40 + 24 * 24 * 4 * 7 + 7),
        ({"widths": [4], "pools": [1]}, 40 + 8 + 24 * 24 * 4 * 7 + 7),
        ({"widths": [4], "pools": [1], "mean_pool": True, "norm": "none"}, 40 + 4 * 7 + 7),
        ({"widths": [4], "pools": [1], "pool": "conv", "mean_pool": True, "norm": "none"}, 40 + 148 + 4 * 7 + 7),
        ({"widths": [4], "edges": True, "mean_pool": True, "norm": "none"}, 76 + 4 * 7 + 7),
        ({"widths": [8], "attention": "se", "mean_pool": True, "norm": "none"}, 80 + 9 + 16 + 8 * 7 + 7),
        ({"widths": [4], "depth": 3, "mean_pool": True, "norm": "none"}, 40 + 2 * 148 + 4 * 7 + 7),
        ({"widths": [4, 9], "depth": 1, "mean_pool": True, "norm": "none"}, 40 + 4 * 7 + 7),
        ({"widths": [4], "width_factor": 2, "mean_pool": True, "norm": "none"}, 80 + 8 * 7 + 7),
        ({"widths": [4], "kernels": 5, "padding": "valid", "norm": "none"}, 104 + 44 * 44 * 4 * 7 + 7),
        ({"widths": [], "hidden": [3], "head_norm": "before"}, 2305 * 3 + 6 + 28),
        ({"widths": [], "hidden": 3}, 2305 * 3 + 28),
    ],
)
def test_options_of_convolutional_networks(arguments: dict[str, object], parameters: int) -> None:
    assert summarise(ModelSpec("conv", arguments), ONE_HEAD).parameters == parameters
    network = build_model(ModelSpec("conv", arguments), ONE_HEAD).eval()
    (logits,) = network(torch.randn(2, 1, 48, 48))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()


def test_the_norm_stands_where_it_is_told() -> None:
    for norm, kinds in (
        ("before", ["Conv2d", "BatchNorm2d", "ReLU"]),
        ("after", ["Conv2d", "ReLU", "BatchNorm2d"]),
        ("none", ["Conv2d", "ReLU"]),
    ):
        spec = ModelSpec("conv", {"widths": [4, 4], "norm": norm, "norm_at": [2]})
        found = [layer.kind for layer in summarise(spec, ONE_HEAD).layers if layer.name.startswith("blocks.")]
        assert found == ["Conv2d", "ReLU", *kinds]


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        ({"attention": "none"}, -(5 + 8) - (9 + 16)),
        ({"edges": True}, 9 * 4),
        ({"activation": "leaky_relu"}, 0),
        ({"norm": "after"}, 0),
        ({"norm": "none"}, -(3 * 4 + 3 * 8)),
        ({"kernels": 5}, 16 * (4 + 2 * 16 + 32 + 64)),
        ({"kernels": [3, 1]}, -8 * (32 + 64)),
        ({"hidden": [5]}, 8 * 5 + 5 + (5 - 8) * 15),
        ({"hidden": [5], "head_norm": "after", "head_dropout": 0.5}, 8 * 5 + 5 + 10 + (5 - 8) * 15),
        ({"depth": 1}, None),
        ({"depth": 3}, None),
        ({"width_factor": 0.5}, None),
    ],
)
def test_options_of_the_residual_network(arguments: dict[str, object], more: int | None) -> None:
    recipe = RECIPES["residual_tiny"].with_arguments({"widths": [4, 8]})
    changed = recipe.with_arguments(arguments)
    network = build_model(changed.model, recipe.contract()).eval()
    assert [logits.shape for logits in network(torch.randn(2, 1, 48, 48))] == [(2, 7), (2, 8)]
    grown = (
        summarise(changed.model, recipe.contract()).parameters - summarise(recipe.model, recipe.contract()).parameters
    )
    if more is not None:
        assert grown == more
    else:
        same = recipe.with_arguments(
            {"widths": {1: [4], 3: [4, 8, 8], None: [2, 4]}[changed.model.arguments.get("depth")]}
        )
        assert summarise(changed.model, recipe.contract()) == summarise(same.model, recipe.contract())


def test_the_residual_networks_norm_stands_where_it_is_told() -> None:
    faces = torch.randn(2, 1, 48, 48)
    answers = []
    for norm in ("before", "after"):
        torch.manual_seed(0)
        recipe = RECIPES["residual_tiny"].with_arguments({"norm": norm})
        answers.append(build_model(recipe.model, recipe.contract())(faces)[0])
    assert not torch.allclose(*answers, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        ({"input": "learned"}, 30),
        ({"edges": True}, 0),
        ({"input": "learned", "edges": True}, 57),
        ({"attention": "se"}, 512 * 64 + 64 + 64 * 512 + 512),
        ({"dropout": 0.5}, 0),
        ({"hidden": [16], "head_norm": "before", "dropout": 0.2, "head_dropout": 0.3}, 513 * 16 + 32 + (16 - 512) * 7),
    ],
)
def test_options_of_torchvisions_networks(arguments: dict[str, object], more: int) -> None:
    spec = ModelSpec("transfer", {"backbone": "resnet18", **arguments})
    assert summarise(spec, ONE_HEAD).parameters == 11_180_103 + more
    network = build_model(spec, ONE_HEAD).eval()
    (logits,) = network(torch.randn(2, 1, 48, 48))
    assert logits.shape == (2, 7)


def test_attention_behind_a_backbone_is_that_of_its_maps() -> None:
    attention, maps = SqueezeExcitation(16), torch.randn(2, 16, 2, 2)
    on_means = attention(maps.mean((2, 3), keepdim=True))
    torch.testing.assert_close(attention(maps).mean((2, 3), keepdim=True), on_means)


def test_an_edge_is_seen_where_it_is() -> None:
    from fer_live.training.networks.layers import EdgeChannel

    faces = torch.zeros(1, 1, 48, 48)
    faces[..., 24:] = 1
    found = EdgeChannel()(faces)
    assert torch.equal(found[:, :1], faces)
    assert torch.allclose(found[0, 1, :, 23:25], torch.full((48, 2), 0.5), atol=1e-3)
    assert float(found[0, 1, :, :23].max()) < 0.01
    assert float(found[0, 1, :, 25:].max()) < 0.01


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        ("conv", {"widths": [4], "colour": 1}, "no option colour; it has widths"),
        ("transfer", {"backbone": "resnet18", "norm": "none"}, "own layers are as ImageNet trained them"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "pools": [1]}, "shrink by strides"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "kernels": 2}, "kernels must be odd, found 2"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "norm": "batch"}, "norm must be one of"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "depth": 101}, "depth must be 1 to 100"),
        ("conv", {"widths": [4], "width_factor": float("inf")}, "does not accept"),
        ("conv", {"widths": [4], "kernels": [3, 3]}, "kernels has 2 values for 1 layers"),
        ("conv", {"widths": [4], "kernels": 4}, "kernels must be odd"),
        ("conv", {"widths": [4], "norm": "batch"}, "norm must be one of none, before, after"),
        ("conv", {"widths": [4], "pools": [2]}, "pools must be convolutions 1..1"),
        ("conv", {"widths": [4] * 6, "pools": [1, 2, 3, 4, 5, 6]}, "too many pools"),
        ("conv", {"widths": [], "depth": 2}, "depth must be"),
        ("conv", {"widths": [4], "hidden": [4], "head_dropout": [0.1]}, "head_dropout has 1 values for 2 layers"),
        ("conv", {"widths": "wide"}, "accept its options: widths must be whole numbers from 1 on, found 'wide'"),
        ("conv", {"widths": 4}, r"widths must be a list, \[4\] for a single value, found 4"),
        ("conv", {"widths": [4, 0]}, r"widths must be whole numbers from 1 on, found \[4, 0\]"),
        ("conv", {"widths": [4.5]}, "widths must be whole numbers"),
        ("conv", {"widths": [4], "width_factor": 0}, "width_factor must be a number above 0, found 0"),
        ("conv", {"widths": [4], "width_factor": -1}, "width_factor must be a number above 0, found -1"),
        ("conv", {"widths": [4], "width_factor": "twice"}, "width_factor must be a number above 0, found 'twice'"),
        ("conv", {"widths": [4], "hidden": 0}, r"hidden must be whole numbers from 1 on, found \[0\]"),
        ("conv", {"widths": [4], "hidden": 1e9}, "hidden must be whole numbers"),
        ("conv", {"widths": [4], "pools": 1}, "pools must be a list"),
        ("conv", {"widths": [4], "norm_at": 1}, "norm_at must be a list"),
        ("conv", {"widths": [4], "kernels": 3.0}, "kernels must be odd, found 3.0"),
        ("conv", {"widths": [4], "depth": 2.0}, "depth must be 1 to 100"),
        ("conv", {"widths": [4], "edges": "False"}, "edges must be true or false, found 'False'"),
        ("conv", {"widths": [4], "mean_pool": "no"}, "mean_pool must be true or false, found 'no'"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "edges": "no"}, "edges must be true or false"),
        ("residual", {"widths": [4], "blocks": 1.5, "dropout": 0}, "blocks must be 0 to 100, found 1.5"),
        ("residual", {"widths": [], "blocks": 1, "dropout": 0}, "at least one stage"),
        ("residual", {"widths": [4], "blocks": 1, "dropout": 0, "width_factor": -2}, "width_factor must be"),
        ("transfer", {"backbone": "resnet18", "edges": 1}, "edges must be true or false, found 1"),
        ("transfer", {"backbone": "alexnet"}, "backbone must be one of resnet18"),
        ("transformer", {}, "unknown network"),
    ],
)
def test_arguments_that_do_not_fit(network: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        summarise(ModelSpec(network, arguments), ONE_HEAD)


def test_multiply_adds_by_hand() -> None:
    spec = ModelSpec("conv", {"widths": [4, 6], "kernels": [3, 5], "pools": [1], "hidden": [8]})
    summary = summarise(spec, ONE_HEAD)
    convolutions = 48 * 48 * 9 * 1 * 4 + 24 * 24 * 25 * 4 * 6
    assert summary.macs == convolutions + 24 * 24 * 6 * 8 + 8 * 7
    assert [layer.shape for layer in summary.layers if layer.kind == "Conv2d"] == [(4, 48, 48), (6, 24, 24)]
    assert [layer.macs for layer in summary.layers if layer.kind == "Linear"] == [24 * 24 * 6 * 8, 8 * 7]


def test_groups_count_once_in_multiply_adds() -> None:
    layer = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
    from fer_live.training.recipes.summary import layer_of

    assert layer_of("x", layer, layer(torch.zeros(1, 8, 10, 10))).macs == 10 * 10 * 8 * 9


def test_xavier_weights_have_their_variance() -> None:
    torch.manual_seed(0)
    network = build_model(RECIPES["feedforward"].model, ONE_HEAD)
    initialise(network, "xavier")
    first = next(layer for layer in network.modules() if isinstance(layer, torch.nn.Linear))
    assert float(first.weight.detach().abs().max()) == pytest.approx((6 / (2304 + 1024)) ** 0.5, rel=1e-3)
    assert not first.bias.any()


def test_imagenet_weights_come_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    source = torchvision.models.get_model("resnet18", weights=None)
    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", lambda *_, **__: source.state_dict())
    network = build_model(RECIPES["resnet18_transfer"].model, ONE_HEAD)
    assert isinstance(network, network_class("transfer"))
    initialise(network, "imagenet")
    assert torch.equal(network.backbone.conv1.weight, source.conv1.weight)  # type: ignore[union-attr]
    assert torch.equal(network.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)  # type: ignore[index, union-attr]


def test_imagenet_weights_that_are_not_to_be_had(few: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", offline)
    recipe = RECIPES["resnet18_transfer"].with_options({"epochs": 1, "batch_size": 4})
    with pytest.raises(ModelError, match="--random-init"):
        train(recipe, few, tmp_path / "run", device=CPU, bf16=False)
    with pytest.raises(ModelError, match="has no ImageNet weights"):
        initialise(build_model(RECIPES["riv_1"].model, ONE_HEAD), "imagenet")


def test_a_variant_says_what_differs() -> None:
    base: Recipe = RECIPES["athan_3"]
    found = base.variant("x", "about", "1", arguments={"pool": "average"}, lr=0.5)
    assert (found.name, found.reported, found.train.lr, found.model.arguments["pool"]) == ("x", "1", 0.5, "average")
    assert (
        replace(found, name=base.name, about=base.about, reported=base.reported, train=base.train, model=base.model)
        == base
    )
