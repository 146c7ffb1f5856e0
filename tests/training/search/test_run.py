import json
import math
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from fer_live.cli_errors import run_command
from fer_live.errors import DeviceError, ModelError, SinkError
from fer_live.training.checkpoint import load_checkpoint
from fer_live.training.cli import train_command
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.recipes.registry import RECIPES, Recipe
from fer_live.training.run.loop import Epoch
from fer_live.training.search import run as search_module
from fer_live.training.search.command import search_command
from fer_live.training.search.run import SearchConfig, Trial, search
from fer_live.training.search.space import parse_dimension
from fer_live.training.testing import synthetic_fer2013

CPU = torch.device("cpu")
RECIPE = RECIPES["residual_tiny"].with_options({"epochs": 4})
SPACE = [parse_dimension(text, RECIPE) for text in ("lr=1e-4..1:log", "batch_size=32,64,128", "optimizer=sgd,adam")]
RANDOM = SearchConfig(sampler="random", pruner="none")


def accuracy(recipe: Recipe, epoch: int) -> float:
    """Highest, 0.6, at a learning rate of 0.01 and with 64 images a step; grows with the epochs."""
    far = (math.log10(recipe.train.lr) + 2) ** 2 / 10 + abs(math.log2(recipe.train.batch_size) - 6) / 20
    return max(0.05, 0.6 - far) * (epoch + 1) / recipe.train.epochs


class MadeUpTraining:
    """Stands for the training loop: the same files and callbacks, no arithmetic. ``events``: what happens at a run."""

    def __init__(self) -> None:
        self.trained: list[Recipe] = []
        self.folders: list[str] = []
        self.epochs = 0
        self.events: dict[int, Callable[[Recipe], None]] = {}

    def __call__(
        self, recipe: Recipe, dataset: Fer2013, folder: Path, *, on_epoch: Callable[[Epoch], None], **_: Any
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        self.trained.append(recipe)
        self.folders.append(folder.name)
        for epoch in range(recipe.train.epochs):
            for name in ("last.pt", "model.pt"):
                (folder / name).write_bytes(b"weights")
            if epoch == 1 and len(self.trained) in self.events:
                self.events[len(self.trained)](recipe)
            self.epochs += 1
            rest = {entry.name: 1.0 for entry in fields(Epoch)}
            on_epoch(Epoch(**{**rest, "epoch": epoch, "public_accuracy": accuracy(recipe, epoch)}))  # type: ignore[arg-type]
        return folder / "model.pt"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> MadeUpTraining:
    made_up = MadeUpTraining()
    monkeypatch.setattr(search_module, "train", made_up)
    monkeypatch.setattr(search_module, "draw_study", lambda *_: None)
    return made_up


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    return synthetic_fer2013(140)


def run(folder: Path, dataset: Fer2013, trials: int, config: SearchConfig = RANDOM, **more: Any) -> list[Trial]:
    """The trials that this start concluded."""
    ended: list[Trial] = []
    search(RECIPE, SPACE, dataset, folder, config, trials, device=CPU, bf16=False,
           on_end=lambda concluded, trial, best: ended.append(trial), **more)  # fmt: skip
    return ended


def trials_of(folder: Path, *states: TrialState) -> list[FrozenTrial]:
    storage = RDBStorage(f"sqlite:///{folder}/study.db")
    try:
        return optuna.load_study(study_name=None, storage=storage).get_trials(states=states or None)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def raiser(error: BaseException) -> Callable[[Recipe], None]:
    def fail(_: Recipe) -> None:
        raise error

    return fail


@pytest.mark.parametrize(("sampler", "trials"), [("random", 6), ("anneal", 6), ("tpe", 12)])
def test_stopped_twice_it_proposes_what_one_run_does(
    sampler: str, trials: int, dataset: Fer2013, tmp_path: Path, training: MadeUpTraining
) -> None:
    config = SearchConfig(sampler=sampler, pruner="none", seed=3)
    whole = run(tmp_path / "whole", dataset, trials, config)
    begun = len(training.trained)
    training.events = {begun + 3: raiser(KeyboardInterrupt()), begun + 6: raiser(KeyboardInterrupt())}
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", dataset, trials, config)
    parts = run(tmp_path / "parts", dataset, trials, config)
    after = training.trained[begun:]
    assert after[2] == after[3]
    assert training.folders[begun + 2] == training.folders[begun + 3]  # where its last whole epoch is
    assert after[5] == after[6]
    del after[2], after[4]
    assert after == training.trained[:begun]
    assert parts[-1].options == whole[-1].options
    assert len(list((tmp_path / "parts" / "trials").iterdir())) == len(list((tmp_path / "whole" / "trials").iterdir()))


def test_the_same_command_goes_on_and_then_has_nothing_to_do(
    dataset: Fer2013, tmp_path: Path, training: MadeUpTraining
) -> None:
    assert [trial.number for trial in run(tmp_path, dataset, 3)] == [0, 1, 2]
    assert [trial.number for trial in run(tmp_path, dataset, 5)] == [3, 4]
    assert run(tmp_path, dataset, 5) == []
    assert len(training.trained) == 5


def test_only_the_best_trial_keeps_its_checkpoints(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    def folders_with_checkpoints(concluded: int, trial: Trial, best: Trial | None) -> None:
        assert best is not None
        assert {path.parent for path in (tmp_path / "trials").glob("*/*.pt")} == {best.folder}
        about = json.loads((tmp_path / "best.json").read_text())
        assert tmp_path / about["model"] == best.folder / "model.pt"
        assert about["public_accuracy"] == best.accuracy == max(accuracy(of, 3) for of in training.trained)

    search(RECIPE, SPACE, dataset, tmp_path, RANDOM, 8, device=CPU, bf16=False, on_end=folders_with_checkpoints)


def test_hopeless_trials_are_pruned(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    for pruner in ("median", "hyperband"):
        before = len(training.trained), training.epochs
        ended = run(tmp_path / pruner, dataset, 12, SearchConfig(sampler="random", pruner=pruner))
        pruned = [trial for trial in ended if trial.state == "pruned"]
        finished = [trial for trial in ended if trial.state == "finished"]
        assert pruned and finished
        assert training.epochs - before[1] < 4 * (len(training.trained) - before[0])
        epochs = [len(trial.intermediate_values) for trial in trials_of(tmp_path / pruner, TrialState.PRUNED)]
        assert min(epochs) == {"median": 2, "hyperband": 1}[pruner]
        assert max(epochs) < 4
        best = max(finished, key=lambda trial: trial.accuracy or 0)
        assert all(trial.accuracy is not None and trial.accuracy < (best.accuracy or 0) for trial in pruned)


def test_a_broken_trial_is_failed_and_the_search_goes_on(
    dataset: Fer2013, tmp_path: Path, training: MadeUpTraining
) -> None:
    training.events = {2: raiser(ModelError("epoch 2 has run away")), 3: raiser(DeviceError("out of memory"))}
    ended = run(tmp_path, dataset, 4)
    assert [trial.state for trial in ended] == ["finished", "failed", "failed", "finished"]
    assert [ended[1].note, ended[2].note] == ["epoch 2 has run away", "out of memory"]
    assert run(tmp_path, dataset, 4) == []


def test_no_finished_trial_is_an_error(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    training.events = dict.fromkeys(range(1, 4), raiser(ModelError("run away")))
    with pytest.raises(ModelError, match="none of 3 trials finished; the last one: run away"):
        run(tmp_path, dataset, 3)


def test_a_full_disk_ends_the_search(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    training.events = {2: raiser(SinkError("no space"))}
    with pytest.raises(SinkError, match="no space"):
        run(tmp_path, dataset, 3)


def test_values_that_were_trained_are_not_trained_again(
    dataset: Fer2013, tmp_path: Path, training: MadeUpTraining
) -> None:
    space = [parse_dimension("batch_size=32,64", RECIPE)]
    ended: list[Trial] = []
    search(RECIPE, space, dataset, tmp_path, SearchConfig(sampler="anneal", pruner="none"), 6, device=CPU, bf16=False,
           on_end=lambda concluded, trial, best: ended.append(trial))  # fmt: skip
    assert len(training.trained) == 2
    assert len(ended) == 6
    assert sum(trial.note.startswith("same as trial ") for trial in ended) == 4


def test_a_folder_of_another_search_is_refused(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    run(tmp_path, dataset, 2)
    here: dict[str, Any] = {"device": CPU, "bf16": False}
    for message, arguments in (
        (
            "other options of the search: sampler random, not tpe; give another",
            (RECIPE, SPACE, dataset, tmp_path, SearchConfig(sampler="tpe", pruner="none"), 3),
        ),
        ("another search space: .* .*, not unset; give another", (RECIPE, SPACE[:2], dataset, tmp_path, RANDOM, 3)),
        (
            "other data: 140 images too, but not the same ones;",
            (RECIPE, SPACE, synthetic_fer2013(140, seed=9), tmp_path, RANDOM, 3),
        ),
        ("other options: epochs .*, not 5;", (RECIPE.with_options({"epochs": 5}), SPACE, dataset, tmp_path, RANDOM, 3)),
    ):
        with pytest.raises(ModelError, match=message):
            search(*arguments, **here)
    (tmp_path / "study.db").write_text("not a database" * 99)
    with pytest.raises(ModelError, match="not a study of fer-search"):
        run(tmp_path, dataset, 3)


def test_two_searches_do_not_share_a_folder(dataset: Fer2013, tmp_path: Path, training: MadeUpTraining) -> None:
    def second(_: Recipe) -> None:
        with pytest.raises(SinkError, match="another fer-search is running in it"):
            run(tmp_path, dataset, 3)

    training.events = {1: second}
    run(tmp_path, dataset, 2)
    assert len(training.trained) == 2


@pytest.mark.parametrize("wrong", [{"sampler": "grid"}, {"pruner": "x"}, {"sampler": "anneal", "pruner": "hyperband"},
                                   {"sampler": "anneal", "pruner": "none", "anneal_step": 0.0}])  # fmt: skip
def test_config_is_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SearchConfig(**wrong)


@pytest.fixture(scope="module")
def data(dataset: Fer2013, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, ferplus_votes=dataset.votes)
    return path


def command(*arguments: object) -> int:
    return run_command(search_command, "fer-search", list(map(str, arguments)))


def test_search_for_real_and_train_the_best_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("--data", data, "--recipe", "feedforward", "--set", "hidden=32,16", "--epochs", 2, "--threads", 1,
                "--device", "cpu", "--precision", "float32")  # fmt: skip
    out = tmp_path / "a study"
    over = ("--over", "lr=1e-4..1e-1:log", "--over", "head_dropout=0..0.5", "--over", "batch_size=16,32")
    assert command(*settings, *over, "--trials", 3, "--sampler", "anneal", "--out", out) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert sum(line.startswith("trial ") for line in lines) == 3
    assert (out / "study.png").read_bytes().startswith(b"\x89PNG")
    best = json.loads((out / "best.json").read_text())
    assert best["command"] in said
    words = shlex.split(best["command"])
    assert words[0] == "fer-train"
    assert run_command(train_command, "fer-train", words[1:]) == 0
    again, kept = load_checkpoint(out / "best" / "model.pt"), load_checkpoint(out / best["model"])
    assert again.provenance["epoch"]["public_accuracy"] == best["public_accuracy"]
    assert all(torch.equal(tensor, again.state[name]) for name, tensor in kept.state.items())


def test_bad_input(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    base = ("--data", data, "--recipe", "riv_1")
    for arguments, code, message in (
        (base, 2, "give --over NAME=VALUES or --preset"),
        ((*base, "--over", "lrr=1,2"), 2, "--over: riv_1 has no option 'lrr'; did you mean lr"),
        ((*base, "--over", "lr=1..0"), 2, "--over: lr: a range must go from low to high"),
        ((*base, "--over", "lr=0.1,1", "--lr", "1"), 2, "lr is also fixed by an option"),
        ((*base, "--over", "lr=0.1,1", "--over", "lr=1,2"), 2, "lr is given twice"),
        ((*base, "--over", "momentum=0..0.9"), 2, "--over: momentum: has no effect on riv_1 with optimizer adam"),
        ((*base, "--over", "lr=0.1,1", "--momentum", "0.5"), 2, "--momentum has no effect on riv_1"),
        ((*base, "--over", "optimizer=sgd,adam", "--momentum", "0.5", "--out", tmp_path / "file"), 1, "not a folder"),
        ((*base, "--over", "lr=0.1,1", "--sampler", "grid"), 2, "'grid' is not one of"),
        ((*base, "--over", "lr=0.1,1", "--sampler", "anneal", "--pruner", "hyperband"), 2, "choose one"),
        ((*base, "--over", "lr=0.1,1", "--out", tmp_path / "file"), 1, "file: a file, not a folder"),
        (("--data", tmp_path / "none.csv", "--over", "lr=0.1,1"), 1, "no such file"),
        ((*base, "--preset", "report_x"), 2, "'report_x' is not one of"),
        (("--over", "lr=0.1,1"), 2, "--data"),
    ):
        assert command(*arguments) == code, arguments
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


def test_presets_and_what_goes_before_them(
    data: Path, tmp_path: Path, training: MadeUpTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--data", data, "--out", tmp_path / "b", "--device", "cpu", "--precision", "float32")
    assert command(*place, "--preset", "report_b_annealing", "--epochs", 2, "--over", "batch_size=16,32") == 0
    assert len(training.trained) <= 30
    assert sum(line.startswith("trial ") for line in capsys.readouterr().out.splitlines()) == 30
    assert {recipe.name for recipe in training.trained} == {"six_conv_augmented"}
    assert {recipe.train.epochs for recipe in training.trained} == {2}
    assert {recipe.train.batch_size for recipe in training.trained} == {16, 32}
    steps = {round((recipe.train.lr - 0.0001) / 0.0002, 6) for recipe in training.trained}
    assert steps <= set(range(11))
    assert len(steps) > 2


def test_starting_weights_that_are_not_there_are_told_before_the_first_trial(
    data: Path, tmp_path: Path, training: MadeUpTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ModelError("the ImageNet weights can't be fetched")

    monkeypatch.setattr(search_module, "initialise", missing)
    where = ("--data", data, "--out", tmp_path / "b", "--preset", "report_b_random", "--trials", 2)
    assert command(*where) == 1
    assert training.trained == []
    assert command(*where, "--random-init") == 0


def test_interrupt(data: Path, tmp_path: Path, training: MadeUpTraining, capsys: pytest.CaptureFixture[str]) -> None:
    training.events = {2: raiser(KeyboardInterrupt())}
    place = ("--data", data, "--out", tmp_path / "b", "--recipe", "riv_1", "--epochs", 2, "--over", "lr=0.1,0.2,0.3")
    assert command(*place, "--trials", 5) == 130
    err = capsys.readouterr().err
    assert "stopped with 1 of 5 trials done; the same command resumes" in err
    assert "fer-search: interrupted" in err
