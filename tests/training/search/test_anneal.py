import itertools
import math

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from fer_live.training.search.anneal import AnnealingSampler

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "y": FloatDistribution(1e-4, 1.0, log=True),
    "n": IntDistribution(0, 100, step=5),
    "c": CategoricalDistribution([8, 16, 32, 64]),
}


def quadratic(params: dict[str, float]) -> float:
    """Highest, 0, at x = 0.7, y = 0.01, n = 20, c = 16; the other end of each range is at about -1."""
    x, y, n, c = params["x"], math.log10(params["y"]) / 4, params["n"] / 100, math.log2(params["c"]) / 6
    return -((x - 0.7) ** 2 + (y + 0.5) ** 2 + (n - 0.2) ** 2 + (c - 4 / 6) ** 2)


def annealing(seed: int, temperature: float = 0.02, cooling: float = 0.9) -> AnnealingSampler:
    return AnnealingSampler(seed, step=0.2, temperature=temperature, cooling=cooling)


def run(study: optuna.Study, trials: int) -> list[dict[str, float]]:
    for _ in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, quadratic(trial.params))
    return [trial.params for trial in study.trials]


def searched(sampler: BaseSampler, trials: int) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, direction="maximize")
    run(study, trials)
    return study


def test_it_finds_the_top_of_a_quadratic_better_than_chance() -> None:
    annealed = sorted(searched(annealing(seed), 40).best_value for seed in range(12))
    drawn = sorted(searched(RandomSampler(seed), 40).best_value for seed in range(12))
    assert annealed[6] > drawn[6] / 2  # half the distance to the top, squared, at the median
    assert annealed[0] > drawn[0]


def test_same_seed_same_walk_and_another_seed_another() -> None:
    walks = [[trial.params for trial in searched(annealing(seed), 15).trials] for seed in (3, 3, 4)]
    assert walks[0] == walks[1] != walks[2]


def test_the_walk_is_rebuilt_from_the_study() -> None:
    whole = [trial.params for trial in searched(annealing(5), 20).trials]
    study = searched(annealing(5), 7)
    for _ in range(13):
        study.sampler = annealing(5)  # nothing but the study carries over
        run(study, 1)
    assert [trial.params for trial in study.trials] == whole


def test_cold_it_only_climbs_and_hot_it_goes_anywhere() -> None:
    study = searched(annealing(1), 40)
    cold = [trial.value for trial in annealing(1, temperature=1e-9).walk(study.trials, study.direction)]
    assert all(after > before - 1e-12 for before, after in itertools.pairwise(cold))
    hot = annealing(1, temperature=1e9, cooling=1.0).walk(study.trials, study.direction)
    assert [trial.number for trial in hot] == list(range(40))


def test_a_loss_of_one_temperature_is_taken_with_probability_1_over_e() -> None:
    study = optuna.create_study(direction="maximize")
    for value in (0.0, -0.5):
        study.tell(study.ask(SPACE), value)
    taken = sum(
        annealing(seed, temperature=0.5, cooling=1.0).walk(study.trials, study.direction)[-1].number
        for seed in range(900)
    )
    assert taken / 900 == pytest.approx(1 / math.e, abs=0.05)


def test_minimising_is_the_mirror_image() -> None:
    study = optuna.create_study(direction="minimize", sampler=annealing(2))
    for _ in range(10):
        trial = study.ask(SPACE)
        study.tell(trial, -quadratic(trial.params))
    assert [trial.params for trial in study.trials] == [trial.params for trial in searched(annealing(2), 10).trials]


def test_neighbours_are_near_and_different() -> None:
    study = searched(annealing(0), 1)
    start = study.trials[0].params
    for seed in range(60):
        study.sampler = annealing(seed)
        trial = study.ask(SPACE)
        moved = trial.params
        assert moved != start
        assert abs(moved["x"] - start["x"]) <= 0.2 + 1e-9
        assert abs(math.log10(moved["y"] / start["y"])) <= 0.2 * 4 + 1e-9
        assert abs(moved["n"] - start["n"]) <= 20
        assert abs(math.log2(moved["c"] / start["c"])) <= 1
        study.tell(trial, state=TrialState.FAIL)


def test_a_failed_point_is_not_proposed_again() -> None:
    space = {"c": CategoricalDistribution([1, 2, 3])}
    study = optuna.create_study(direction="maximize", sampler=AnnealingSampler(0, step=1, temperature=1, cooling=1))
    first = study.ask(space)
    study.tell(first, 1.0)
    failed = study.ask(space)
    study.tell(failed, state=TrialState.FAIL)
    last = study.ask(space)
    assert {trial.params["c"] for trial in (first, failed, last)} == {1, 2, 3}


@pytest.mark.parametrize(
    "wrong", [{"step": 0}, {"step": 2}, {"temperature": 0}, {"cooling": 1.1}, {"cooling": math.nan}]
)
def test_parameters_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AnnealingSampler(0, **{"step": 0.1, "temperature": 0.1, "cooling": 0.9, **wrong})
