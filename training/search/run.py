"""A search over training options: trials of one recipe in a study that survives being stopped.

A search folder holds ``study.db`` (SQLite, an Optuna study that its other tools read too), ``trials/NNNN`` (each
trial's run folder; the checkpoints only of the best one), ``best.json`` and ``study.png``, the last two written anew
after each trial. What is compared is the best PublicTest accuracy of a trial's epochs. PrivateTest is never looked at.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from fer_live.errors import DataError, DeviceError, ModelError, first_line
from fer_live.files import make_folder, replacing
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.networks.registry import initialise
from fer_live.training.options import command_options
from fer_live.training.recipes.recipe import Recipe, build_model
from fer_live.training.run.loop import Epoch, train

from .anneal import AnnealingSampler
from .plot import draw_study
from .space import Dimension, with_drawn
from .study import (
    FOLDER,
    REASON,
    TWIN,
    best_trial,
    concluded_trials,
    exclusive,
    finished_trials,
    open_study,
    repeat_unfinished,
    storage_errors,
)

__all__ = ["PRUNERS", "SAMPLERS", "SearchConfig", "Trial", "search"]

SAMPLERS = ("random", "anneal", "tpe")
PRUNERS = ("none", "median", "hyperband")


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How the search space is searched.

    ``sampler``: ``random``; ``anneal``, see :class:`~fer_live.training.search.anneal.AnnealingSampler`, with
    ``anneal_step``, ``anneal_temperature`` (of an accuracy 0..1) and ``anneal_cooling``; ``tpe`` (Bergstra et al.
    2011), whose first 10 trials are random. ``pruner``: ``median`` ends a trial after an epoch, from the second on, if
    its best accuracy so far is below the median of the trials before, of which it wants 5; ``hyperband`` is that of Li
    et al. 2018.
    """

    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    anneal_step: float = 0.2
    anneal_temperature: float = 0.02
    anneal_cooling: float = 0.9

    def __post_init__(self) -> None:
        for name, names in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, name) not in names:
                raise ValueError(f"{name} must be one of {', '.join(names)}, found {getattr(self, name)!r}")
        if self.sampler == "anneal" and self.pruner == "hyperband":
            raise ValueError(
                "hyperband splits the trials into brackets, but annealing needs one sequence: choose one of the two"
            )
        self.new_sampler(0)

    def new_sampler(self, concluded: int) -> BaseSampler:
        """A sampler for the trial after ``concluded`` others: it knows the seed and that number, the rest it has from
        the study, so that a study which is taken up again goes on with the same proposals.
        """
        if self.sampler == "anneal":
            return AnnealingSampler(
                self.seed, step=self.anneal_step, temperature=self.anneal_temperature, cooling=self.anneal_cooling
            )
        seed = int(np.random.SeedSequence((self.seed, concluded)).generate_state(1)[0])
        return RandomSampler(seed) if self.sampler == "random" else TPESampler(seed=seed)

    def new_pruner(self, epochs: int) -> BasePruner:
        """A pruner for trials of at most ``epochs`` epochs."""
        if self.pruner == "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        return HyperbandPruner(max_resource=epochs) if self.pruner == "hyperband" else NopPruner()


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial as it is shown and kept in ``best.json``.

    ``accuracy`` (0..1) is the best of its epochs on PublicTest, of a pruned trial up to there, None of a failed one.
    ``note``: why it failed, or what it took its result from.
    """

    number: int
    state: str
    options: dict[str, Any]
    accuracy: float | None
    note: str
    folder: Path


def search(
    recipe: Recipe,
    space: Sequence[Dimension],
    dataset: Fer2013,
    folder: Path,
    config: SearchConfig,
    trials: int,
    *,
    device: torch.device,
    bf16: bool,
    command: Sequence[str] = (),
    on_trial: Callable[[int, Trial], None] = lambda concluded, trial: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_end: Callable[[int, Trial, Trial | None], None] = lambda concluded, trial, best: None,
) -> Trial:
    """Run trials until ``trials`` are concluded, those of an earlier start included.

    A trial that was under way when the process ended is repeated in its run folder, from its last whole epoch. One
    whose training breaks down (no finite loss, a network that can't be built, no memory) is failed, and the search
    goes on. Drawn values that were trained before take that trial's result.

    Args:
        recipe: what is trained, with everything that is not searched over.
        space: what is searched over.
        dataset: FER2013; see :func:`~fer_live.training.run.loop.train`.
        folder: the search folder, made if need be.
        config: sampler, pruner, seed.
        trials: how many trials to conclude.
        device: where to train.
        bf16: autocast to bfloat16.
        command: words of the ``fer-train`` command line beside those that make the recipe, for ``best.json``.
        on_trial: called with the number of concluded trials and the trial that begins.
        on_epoch: called after each epoch of a trial.
        on_end: called with the number of concluded trials, the trial that ended, and the best one so far.

    Returns:
        The best trial.

    Raises:
        ModelError: the folder holds another search, or no study, or no trial could be finished.
        SinkError: the folder can't be made or written to, or another search works in it.
    """
    make_folder(folder)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    identity = _identity(recipe, space, dataset, config, bf16)
    _check_weights(recipe, space)
    with exclusive(folder), storage_errors(folder), open_study(folder, identity) as study:
        study.pruner = config.new_pruner(_longest(recipe, space))
        repeat_unfinished(study)
        while (concluded := len(concluded_trials(study))) < trials:
            study.sampler = config.new_sampler(concluded)
            asked = study.ask({of.name: of.distribution for of in space})
            if FOLDER not in asked.user_attrs:
                asked.set_user_attr(FOLDER, f"trials/{asked.number:04}")
            on_trial(concluded, _shown(_frozen(study, asked.number), space, folder))
            _run(study, asked, recipe, space, dataset, folder, device=device, bf16=bf16, on_epoch=on_epoch)
            best = best_trial(study)
            _drop_checkpoints(study, best, folder)
            shown = None if best is None else _shown(best, space, folder)
            if best is not None and shown is not None:
                _write_best(folder, shown, with_drawn(recipe, space, best.params), command)
            draw_study(
                folder / "study.png",
                study,
                concluded_trials(study),
                space,
                f"{recipe.name}, {config.sampler}, seed {config.seed}",
            )
            on_end(concluded + 1, _shown(_frozen(study, asked.number), space, folder), shown)
        best = best_trial(study)
        if best is None:
            reasons = [trial.user_attrs[REASON] for trial in concluded_trials(study) if REASON in trial.user_attrs]
            raise ModelError(f"{folder}: none of {trials} trials finished; the last one: {reasons[-1]}")
        return _shown(best, space, folder)


def _run(
    study: optuna.Study,
    asked: optuna.Trial,
    recipe: Recipe,
    space: Sequence[Dimension],
    dataset: Fer2013,
    folder: Path,
    *,
    device: torch.device,
    bf16: bool,
    on_epoch: Callable[[Epoch], None],
) -> None:
    """Train with the values of a trial and tell the study what came of it."""
    twin = next((past for past in finished_trials(study) if past.params == asked.params), None)
    if twin is not None:
        asked.set_user_attr(TWIN, twin.number)
        study.tell(asked, twin.value)
        return
    tried = with_drawn(recipe, space, asked.params)
    best = 0.0

    def report(epoch: Epoch) -> None:
        nonlocal best
        best = max(best, epoch.public_accuracy)
        asked.report(best, epoch.epoch + 1)
        on_epoch(epoch)
        if epoch.epoch + 1 < tried.train.epochs and asked.should_prune():
            raise optuna.TrialPruned

    try:
        train(tried, dataset, folder / asked.user_attrs[FOLDER], device=device, bf16=bf16, on_epoch=report)
    except optuna.TrialPruned:
        study.tell(asked, state=TrialState.PRUNED)
    except (ModelError, DataError, DeviceError) as error:
        asked.set_user_attr(REASON, first_line(error))
        study.tell(asked, state=TrialState.FAIL)
    else:
        study.tell(asked, best)


def _longest(recipe: Recipe, space: Sequence[Dimension]) -> int:
    """Epochs of the longest trial."""
    of = next((of.distribution for of in space if of.name == "epochs"), None)
    if of is None:
        return recipe.train.epochs
    return int(max(map(int, of.choices)) if isinstance(of, CategoricalDistribution) else of.high)  # type: ignore[arg-type]


def _check_weights(recipe: Recipe, space: Sequence[Dimension]) -> None:
    """Starting weights that are not to be had fail the search, not each trial."""
    choices = [of.distribution.choices for of in space if isinstance(of.distribution, CategoricalDistribution)]
    if recipe.train.init == "imagenet" or any("imagenet" in among for among in choices):
        initialise(build_model(recipe.model, recipe.contract()), "imagenet")


def _identity(
    recipe: Recipe, space: Sequence[Dimension], dataset: Fer2013, config: SearchConfig, bf16: bool
) -> dict[str, Any]:
    """What makes two searches the same search, as JSON gives it back."""
    identity = {
        "recipe": recipe.name,
        "heads": recipe.heads,
        "model": json.loads(recipe.model.to_json()),
        "train": asdict(recipe.train),
        "precision": "bf16" if bf16 else "float32",
        "data": dataset.identity(),
        "search space": {of.name: distribution_to_json(of.distribution) for of in space},
        "search": asdict(config),
    }
    return dict(json.loads(json.dumps(identity)))


def _frozen(study: optuna.Study, number: int) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]


def _shown(trial: FrozenTrial, space: Sequence[Dimension], folder: Path) -> Trial:
    options = {of.name: of.value(trial.params[of.name]) for of in space}
    note = trial.user_attrs.get(REASON, f"same as trial {trial.user_attrs[TWIN]}" if TWIN in trial.user_attrs else "")
    state = {TrialState.COMPLETE: "finished", TrialState.FAIL: "failed"}.get(trial.state, trial.state.name.lower())
    return Trial(trial.number, state, options, trial.value, note, folder / trial.user_attrs[FOLDER])


def _drop_checkpoints(study: optuna.Study, best: FrozenTrial | None, folder: Path) -> None:
    """Delete the checkpoints of concluded trials but the best one's: dozens of megabytes each."""
    kept = None if best is None else best.user_attrs[FOLDER]
    for trial in concluded_trials(study):
        if trial.user_attrs[FOLDER] != kept:
            for name in ("last.pt", "model.pt"):
                (folder / trial.user_attrs[FOLDER] / name).unlink(missing_ok=True)


def _write_best(folder: Path, best: Trial, recipe: Recipe, command: Sequence[str]) -> None:
    words = ["fer-train", *command_options(recipe), *command, "--out", str(folder / "best")]
    about = {
        "trial": best.number,
        "public_accuracy": best.accuracy,
        "options": best.options,
        "model": str(best.folder.relative_to(folder) / "model.pt"),
        "command": shlex.join(words),
    }
    with replacing(folder / "best.json") as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n")
