from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from fer_live.training.recipes.config import TrainConfig
from fer_live.training.run.muon import Muon, orthogonal
from fer_live.training.run.optimise import learning_rate, make_optimizer

PLAIN = TrainConfig(lr=1.0, warmup=0.0)


def rates(config: TrainConfig, steps: int = 100, losses: tuple[float, ...] = ()) -> list[float]:
    return [learning_rate(config, step, steps, losses) for step in range(steps + 1)]


def test_a_warm_up_rises_to_the_peak() -> None:
    for schedule in ("cosine", "constant", "exponential", "plateau"):
        found = rates(replace(PLAIN, schedule=schedule, warmup=0.1))
        assert found[:10] == pytest.approx([step / 10 for step in range(1, 11)])


def test_cosine_falls_to_nothing() -> None:
    found = rates(replace(PLAIN, schedule="cosine", warmup=0.2))
    assert found[60] == pytest.approx(0.5)
    assert found[100] == pytest.approx(0, abs=1e-12)


def test_one_cycle_rises_and_falls_by_cosines() -> None:
    found = rates(replace(PLAIN, schedule="one_cycle", warmup=0.3))
    assert [found[step] for step in (0, 30, 100)] == pytest.approx([1 / 25, 1, 1 / 250_000])
    assert found[15] == pytest.approx((1 / 25 + 1) / 2)
    assert found[65] == pytest.approx((1 + 1 / 250_000) / 2)
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)


def test_exponential_decays_every_so_many_steps() -> None:
    config = replace(PLAIN, schedule="exponential", lr_decay=0.5, lr_decay_steps=30, lr_min=0.2)
    found = rates(config)
    assert [found[step] for step in (0, 29, 30, 60, 90)] == pytest.approx([1, 1, 0.5, 0.25, 0.2])


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ((), 1),
        ((3, 2, 1), 1),
        ((1, 1), 1),
        ((1, 1, 1), 0.5),
        ((1, 2, 2, 0.5, 0.6), 0.5),
        ((1, 2, 2, 0.5, 0.6, 0.6), 0.25),
        ((1, 2, 2, 2, 2, 2, 2), 0.2),
    ],
)
def test_a_plateau_decays(losses: tuple[float, ...], rate: float) -> None:
    config = replace(PLAIN, schedule="plateau", lr_decay=0.5, lr_patience=2, lr_min=0.2)
    assert learning_rate(config, 7, 100, losses) == pytest.approx(rate)


def test_constant_is_constant() -> None:
    assert set(rates(replace(PLAIN, schedule="constant"))[1:]) == {1.0}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
        ("muon", Muon),
    ],
)
def test_optimizers(name: str, kind: type[torch.optim.Optimizer]) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = make_optimizer(network, TrainConfig(optimizer=name, lr=0.01, weight_decay=0.1, momentum=0.0))
    assert type(optimizer) is kind
    assert [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups] == [(1, 0.1), (3, 0.0)]
    before = network[0].weight.detach().clone()
    network(torch.randn(2, 1, 5, 5)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(before, network[0].weight)


def test_muon_makes_every_direction_of_a_kernel_move_alike() -> None:
    matrix = torch.diag(torch.tensor([10.0, 1.0, 0.5])) @ torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    for given in (matrix, matrix.T):
        values = torch.linalg.svdvals(orthogonal(given))
        assert 0.5 < float(values.min()) <= float(values.max()) < 1.3


def test_muons_other_steps_are_adamws() -> None:
    one, two = nn.Linear(5, 3), nn.Linear(5, 3)
    two.load_state_dict(one.state_dict())
    optimizers = (
        make_optimizer(one, TrainConfig(optimizer="muon", lr=0.01, weight_decay=0.1)),
        make_optimizer(two, TrainConfig(optimizer="adamw", lr=0.01, weight_decay=0.1)),
    )
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        for network, optimizer in zip((one, two), optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()
    assert torch.allclose(one.weight, two.weight, atol=1e-6)
    assert torch.allclose(one.bias, two.bias, atol=1e-6)


def test_muon_goes_on_from_its_state() -> None:
    config = TrainConfig(optimizer="muon", lr=0.01)
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))

    def steps(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for _ in range(2):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()

    one = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 2))
    optimizer = make_optimizer(one, config)
    steps(one, optimizer)
    two = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 2))
    two.load_state_dict(one.state_dict())
    other = make_optimizer(two, config)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    steps(one, optimizer)
    steps(two, other)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
