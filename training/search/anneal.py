"""Simulated annealing as a sampler of Optuna's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["AnnealingSampler"]

_PROPOSALS, _ACCEPTANCE = 0, 1
_ATTEMPTS = 100
"""Proposals that are drawn to find one which has not failed before."""


class AnnealingSampler(BaseSampler):
    """Simulated annealing (Kirkpatrick, Gelatt & Vecchi 1983, after Metropolis et al. 1953).

    A walk through the search space. Its first point is drawn uniformly; each proposal is a neighbour of the walk's
    current point, and the walk goes there if the objective is no worse, or with probability exp(-loss / temperature),
    so that at first it also climbs out of local optima. The temperature is multiplied by ``cooling`` after each trial.

    A neighbour differs in every parameter with probability 1/2, in one at least: numbers by ``step`` of their range at
    most (of its logarithm's, where it is drawn by that), those in steps and choices between numbers by one step or
    more, other choices to any other.

    Nothing is kept beside the study: the walk is gone through anew from its trials and the seed, so that a study which
    is taken up again goes on as if it had never stopped. A pruned trial counts with its last value; a failed one is
    left out and not proposed again.

    Args:
        seed: of the proposals and of the decisions.
        step: 0..1, furthest move of a number as a share of its range.
        temperature: at the start, in units of the objective: the loss that is accepted with probability 1/e.
        cooling: 0..1, the temperature's factor from trial to trial.
    """

    def __init__(self, seed: int, *, step: float, temperature: float, cooling: float) -> None:
        for name, value, high in (("step", step, 1.0), ("temperature", temperature, math.inf), ("cooling", cooling, 1)):
            if not 0 < value <= high:
                raise ValueError(f"{name} must be above 0{'' if high == math.inf else ' and at most 1'}, found {value}")
        self._seed, self._step, self._temperature, self._cooling = seed, step, temperature, cooling

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space of the study's trials so far: all of them have the same."""
        finished = _finished(study)
        return dict(finished[-1].distributions) if finished else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A neighbour of the walk's current point; nothing before the first finished trial."""
        finished = _finished(study)
        if not finished:
            return {}
        current = self.walk(finished, study.direction)[-1].params
        alive = [past.params for past in finished]
        failed = [past.params for past in study.get_trials(deepcopy=False, states=(TrialState.FAIL,))]
        generator = np.random.default_rng((self._seed, _PROPOSALS, len(finished)))
        for _ in range(_ATTEMPTS):
            proposal = self._neighbour(current, search_space, generator)
            if proposal not in failed or proposal in alive:
                break
        return proposal

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A uniform draw, for the walk's first point."""
        failed = len(study.get_trials(deepcopy=False, states=(TrialState.FAIL,)))
        words = (self._seed, _PROPOSALS, failed, *param_name.encode())
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        return RandomSampler(seed).sample_independent(study, trial, param_name, param_distribution)

    def walk(self, finished: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
        """Where the walk stood after each finished trial."""
        generator = np.random.default_rng((self._seed, _ACCEPTANCE))
        sign = 1 if direction == StudyDirection.MAXIMIZE else -1
        path: list[FrozenTrial] = []
        for number, trial in enumerate(finished):
            luck, temperature = generator.random(), self._temperature * self._cooling**number
            if not path:
                path.append(trial)
                continue
            gain = sign * (_objective(trial, sign) - _objective(path[-1], sign))
            accepted = gain >= 0 or luck < math.exp(max(gain / max(temperature, 1e-300), -700))
            path.append(trial if accepted else path[-1])
        return path

    def _neighbour(
        self, current: Mapping[str, Any], space: Mapping[str, BaseDistribution], generator: np.random.Generator
    ) -> dict[str, Any]:
        names = sorted(name for name in space if not space[name].single())
        moves = {name for name in names if generator.random() < 0.5} or {names[generator.integers(len(names))]}
        return {
            name: self._moved(current[name], of, generator) if name in moves else current[name]
            for name, of in space.items()
        }

    def _moved(self, value: Any, of: BaseDistribution, generator: np.random.Generator) -> Any:
        if isinstance(of, CategoricalDistribution):
            choices = list(of.choices)
            if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices):
                choices.sort()
                return choices[self._other(choices.index(value), len(choices), generator)]
            others = [choice for choice in choices if json.dumps(choice) != json.dumps(value)]
            return others[generator.integers(len(others))]
        assert isinstance(of, FloatDistribution | IntDistribution)
        if of.step is not None and not of.log:
            count = round((of.high - of.low) / of.step) + 1
            place = self._other(round((value - of.low) / of.step), count, generator)
            return type(of.low)(min(of.low + place * of.step, of.high))
        low, high = (math.log(of.low), math.log(of.high)) if of.log else (of.low, of.high)
        share = ((math.log(value) if of.log else value) - low) / (high - low) + generator.uniform(-1, 1) * self._step
        share = 1 - abs(1 - abs(share))  # thrown back by both ends of the range
        moved = low + min(max(share, 0.0), 1.0) * (high - low)
        moved = min(max(math.exp(moved) if of.log else moved, of.low), of.high)
        return round(moved) if isinstance(of, IntDistribution) else moved

    def _other(self, place: int, count: int, generator: np.random.Generator) -> int:
        """Another of ``count`` places in a row, within reach of ``place``."""
        reach = max(1, round(self._step * (count - 1)))
        near = [other for other in range(max(0, place - reach), min(count, place + reach + 1)) if other != place]
        return near[generator.integers(len(near))]


def _finished(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _objective(trial: FrozenTrial, sign: int) -> float:
    """The trial's value; the worst there is for one that was pruned before it had any."""
    return -sign * math.inf if trial.value is None else trial.value
