import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.cli_errors import run_command
from fer_live.errors import DataError
from fer_live.training.augmentation.sampling import epoch_length, rows_seen
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.recipes.registry import RECIPES, ModelSpec, Recipe
from fer_live.training.results import budget, equal_compute
from fer_live.training.results.budget import Costs, measure_costs, scale_to_budget
from fer_live.training.results.equal_compute import Job, Watcher, finished_row, run_row
from fer_live.training.results.equal_compute_command import equal_compute_command
from fer_live.training.run.loop import Epoch
from fer_live.training.testing import synthetic_fer2013

SMALL = RECIPES["athan_5"].with_arguments({"widths": [4], "kernels": [3], "norm_at": [1], "pools": [1], "hidden": [8]})
COSTS = Costs(bf16=False, step_s=0.01, epoch_end_s=0.001, judged_image_s=1e-6)
THREE_EPOCHS = 0.0015
"""Core-minutes that three epochs of 224 images in batches of 64 take at these costs."""
ONE_EPOCH = 0.0001


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    return synthetic_fer2013(280, seed=1)


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_compute, "measure_costs", lambda recipe, dataset: COSTS)


def row_of(path: Path) -> dict:
    return dict(json.loads(path.read_text()))


@settings(max_examples=40)
@given(
    name=st.sampled_from(["residual", "riv_1", "cifar_cnn", "athan_1", "udine_cnn_undersample"]),
    step_s=st.floats(1e-3, 30),
    epoch_end_s=st.floats(0, 5),
    judged_image_s=st.floats(1e-5, 0.03),
)
def test_a_schedule_fills_its_budget(name: str, step_s: float, epoch_end_s: float, judged_image_s: float) -> None:
    dataset, config = BIG, RECIPES[name].train
    costs = Costs(True, step_s, epoch_end_s, judged_image_s)
    plan = scale_to_budget(config, costs, 600, dataset)
    rows = dataset.training_rows()
    length = epoch_length(torch.from_numpy(dataset.expression[rows]), config)
    whole = length // config.batch_size
    steps = round(plan.passes * whole)
    judges = plan.train.public_images or len(dataset.rows(Usage.PublicTest))
    end_s = epoch_end_s + judges * judged_image_s
    spent = steps * step_s + plan.train.epochs * end_s
    rounding = plan.train.epochs * (step_s + step_s * whole * config.batch_size / length)
    assert spent <= 600 + rounding + (step_s + end_s)  # at least one step and one end, whatever they cost
    if whole * step_s > 4 * end_s:  # else the ends of the epochs leave nothing for a step
        assert spent >= 600 - rounding - end_s
    assert judges * judged_image_s <= 0.1 * min(600, whole * step_s) or judges == budget.FEWEST_JUDGES
    # Epochs of whole steps: each may be a step shorter than its share.
    assert (plan.passes < 1 - plan.train.epochs / whole) <= (plan.train.epochs == 1)
    assert plan.train.lr_decay_steps == max(1, round(config.lr_decay_steps * steps / (whole * config.epochs)))


BIG = synthetic_fer2013(7000)


def test_costs_are_timed_in_the_training_loop(dataset: Fer2013, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()
    monkeypatch.setattr("time.process_time", lambda: float(next(calls)))  # a second goes by with each look at it
    costs = measure_costs(SMALL, dataset)
    images = len(dataset.rows(Usage.PublicTest))
    assert costs.step_s == 1
    assert not costs.bf16  # it costs the same
    assert costs.judged_image_s == 1 / images
    assert costs.epoch_end_s == pytest.approx(2 - 32 / images)  # the loop looks once, too


def test_a_row_from_training_to_figures(priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    job = Job(tmp_path / "rows", tmp_path / "runs", THREE_EPOCHS)
    assert not finished_row(SMALL, job)
    path = run_row(SMALL, dataset, job)
    row = row_of(path)
    assert finished_row(SMALL, job)
    assert path == tmp_path / "rows" / "athan_5.json"
    assert path.stat().st_size < 8000
    assert not list((tmp_path / "runs").iterdir())
    assert (row["recipe"], row["reported"], row["start"], row["precision"]) == ("athan_5", "49.57", "random", "float32")
    assert (row["epochs"], row["ran_away"]) == (3, None)
    assert row["train"]["epochs"] == 3
    assert 0 < row["training_images_seen"] <= row["training_images"] == 224
    assert row["cpu_s"] > 0
    assert list(row["splits"]) == ["train", "public", "private", "private_dedup"]
    for split in row["splits"].values():
        assert split["n"] == np.sum(split["confusion"])
        assert split["accuracy"] == pytest.approx(np.trace(split["confusion"]) / split["n"], abs=1e-4)


def test_the_model_that_is_measured_is_the_one_that_was_trained(priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    job = Job(tmp_path, tmp_path / "runs", THREE_EPOCHS, keep_runs=True)
    row = row_of(run_row(SMALL, dataset, job, Watcher(on_epoch=epochs.append)))
    best = max(epochs, key=lambda epoch: epoch.public_accuracy)
    assert row["best_epoch"] == best.epoch + 1
    assert row["splits"]["public"]["accuracy"] == pytest.approx(best.public_accuracy, abs=1e-4)
    assert (tmp_path / "runs" / "athan_5" / "train" / "model.pt").exists()


def interrupt(epoch: Epoch) -> None:
    raise KeyboardInterrupt


def test_a_row_that_was_stopped_goes_on(
    priced: None, dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = row_of(run_row(SMALL, dataset, Job(tmp_path / "whole", tmp_path / "whole_runs", THREE_EPOCHS)))
    job = Job(tmp_path / "parts", tmp_path / "parts_runs", THREE_EPOCHS)
    with pytest.raises(KeyboardInterrupt):
        run_row(SMALL, dataset, job, Watcher(on_epoch=interrupt))
    assert not finished_row(SMALL, job)
    monkeypatch.setattr(equal_compute, "measure_costs", lambda *_: pytest.fail("planned anew"))
    steps: list[int] = []
    row = row_of(run_row(SMALL, dataset, job, Watcher(on_step=lambda epoch, step, of: steps.append(epoch))))
    assert min(steps) == 1
    assert row["splits"] == whole["splits"]


@pytest.mark.parametrize("what", ["last.pt", "plan.json"])
def test_a_row_whose_rest_is_broken_starts_anew(what: str, priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    job = Job(tmp_path / "rows", tmp_path / "runs", THREE_EPOCHS)
    with pytest.raises(KeyboardInterrupt):
        run_row(SMALL, dataset, job, Watcher(on_epoch=interrupt))
    (found,) = (tmp_path / "runs").rglob(what)
    found.write_bytes(b"no")
    assert row_of(run_row(SMALL, dataset, job))["epochs"] == 3


def test_a_row_of_another_plan_starts_anew(priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    job = Job(tmp_path / "rows", tmp_path / "runs", THREE_EPOCHS)
    with pytest.raises(KeyboardInterrupt):
        run_row(SMALL, dataset, job, Watcher(on_epoch=interrupt))
    assert row_of(run_row(SMALL.with_options({"lr": 1e-4}), dataset, job))["train"]["lr"] == 1e-4


def test_a_training_that_runs_away_has_a_row(priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    wild = Recipe("wild", "", "", ModelSpec("conv", {"widths": [4], "norm": "none"}), heads=("fer2013",))
    options = {"lr": 100.0, "weight_decay": 10.0, "batch_size": 32, "warmup": 0.0}
    row = row_of(run_row(wild.with_options(options), dataset, Job(tmp_path, tmp_path / "runs", THREE_EPOCHS)))
    assert row["ran_away"].startswith("the loss ran away in epoch ")
    assert (row["splits"] is None) == (row["epochs"] == 0)


def test_what_is_no_row_of_this_budget_is_refused(priced: None, dataset: Fer2013, tmp_path: Path) -> None:
    job = Job(tmp_path, tmp_path / "runs", THREE_EPOCHS)
    run_row(SMALL, dataset, job)
    with pytest.raises(DataError, match=r"a row of 0.0015 core-minutes, not 10; give another --out"):
        finished_row(SMALL, Job(tmp_path, tmp_path / "runs", 10))
    (tmp_path / "athan_5.json").write_text("[]")
    with pytest.raises(DataError, match=r"athan_5.json: not a row"):
        finished_row(SMALL, job)


def test_images_seen(dataset: Fer2013) -> None:
    labels = torch.from_numpy(dataset.expression[dataset.training_rows()])
    config = RECIPES["six_conv"].train
    for share, epochs, expected in ((1.0, 1, 128), (1.0, 99, 224), (0.5, 1, 128), (1.0, 0, 0)):
        changed = RECIPES["six_conv"].with_options({"epoch_share": share}).train
        assert rows_seen(labels, changed, epochs) == expected, (share, epochs)
    undersampled = type(config)(**{**asdict(config), "balance": "oversample", "batch_size": 16})
    assert rows_seen(labels, undersampled, 1) == 224


@pytest.fixture
def command(priced: None, dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
    np.savez(tmp_path / "small.npz", images=dataset.images, emotion=dataset.expression, usage=dataset.usage)

    def run(*arguments: object) -> int:
        given = ["--data", tmp_path / "small.npz", "--out", tmp_path / "rows", "--core-minutes", ONE_EPOCH]
        return run_command(equal_compute_command, "fer-equal-compute", list(map(str, [*given, *arguments])))

    return run


def test_the_command_goes_on_where_it_was(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("athan_5") == 0
    out = capsys.readouterr().out
    assert "1 rows of 0.0001 core-minutes each, 0 done" in out
    assert "1/1 athan_5  " in out
    assert f"next: fer-eval --table {tmp_path / 'rows'}" in out
    assert command("feedforward", "athan_5", "--seed", "3") == 0
    out = capsys.readouterr().out
    assert "2 rows of 0.0001 core-minutes each, 1 done" in out
    assert "1/2 feedforward  " in out  # the lighter one first
    assert "athan_5  " not in out
    assert row_of(tmp_path / "rows" / "feedforward.json")["seed"] == 3
    assert command("athan_5", "--core-minutes", "10") == 1
    assert "give another --out" in capsys.readouterr().err


def test_a_student_does_without_its_teachers(
    command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = SMALL.variant("student", "learns from teachers", "", distill=0.7)
    monkeypatch.setattr("fer_live.training.results.equal_compute_command.RECIPES", {"student": student})
    assert command() == 0
    row = row_of(tmp_path / "rows" / "student.json")
    assert row["train"]["distill"] == 0 and row["passes"] > 0


def test_one_row_that_fails_leaves_the_others(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    assert command("efficientnet_b0", "athan_5") == 1
    err = capsys.readouterr().err
    assert "efficientnet_b0: the ImageNet weights of efficientnet_b0 can't be fetched" in err
    assert "error: no row of efficientnet_b0" in err
    assert (tmp_path / "rows" / "athan_5.json").exists()
    assert command("resnet18_transfer", "--random-init") == 0
    assert row_of(tmp_path / "rows" / "resnet18_transfer.json")["start"] == "random"


def offline(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_bad_input(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (("athan7",), "did you mean athan_7"),
        (("--core-minutes", "0"), "--core-minutes"),
        (("--threads", "0"), "--threads"),
    ):
        assert command(*arguments) == 2
        err = capsys.readouterr().err
        assert message in err
        assert "Traceback" not in err
