import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import nn

from fer_live.errors import DataError, ModelError, SinkError
from fer_live.training.checkpoint import load_checkpoint, load_tensors
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.evaluation.logits import predict_logits
from fer_live.training.recipes.registry import RECIPES, ModelSpec, Recipe, build_model
from fer_live.training.run.loop import Epoch, MemoryFullError, RanAwayError, train
from fer_live.training.testing import subset, synthetic_fer2013

CPU = torch.device("cpu")
SMALLEST = replace(
    RECIPES["residual_tiny"], model=ModelSpec("residual", {"widths": [8, 16], "blocks": 1, "dropout": 0.1})
)
QUICK = SMALLEST.with_options(
    {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": "sgd",
        "lr": 0.05,
        "weight_decay": 1e-4,
        "ema_decay": 0.8,
        "mixup": 0.2,
    }
)


def run(folder: Path, dataset: Fer2013, recipe: Recipe = QUICK) -> list[Epoch]:
    epochs: list[Epoch] = []
    train(recipe, dataset, folder, device=CPU, bf16=False, on_epoch=epochs.append)
    return epochs


class Stop(Exception):
    pass


def run_until(folder: Path, dataset: Fer2013, epoch: int, step: int) -> None:
    def stop(at_epoch: int, at_step: int, steps: int) -> None:
        if (at_epoch, at_step) == (epoch, step):
            raise Stop

    with pytest.raises(Stop):
        train(QUICK, dataset, folder, device=CPU, bf16=False, on_step=stop)


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    return synthetic_fer2013(280, seed=1)


@pytest.fixture(scope="module")
def finished(dataset: Fer2013, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Epoch]]:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run(folder, dataset)


def weights(folder: Path, name: str = "network") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_tensors(folder / "last.pt")[name]
    return found


def same_run(one: Path, other: Path) -> None:
    for name in ("network", "averaged"):
        expected, found = weights(one, name), weights(other, name)
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    untimed = [
        [
            {key: value for key, value in json.loads(line).items() if key not in ("images_per_s", "elapsed_s", "cpu_s")}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (one, other)
    ]
    assert untimed[0] == untimed[1]


def test_it_learns_the_classes(dataset: Fer2013, tmp_path: Path) -> None:
    # The default decay: far longer than this run, so that its average must not hang on to the first weights.
    recipe = replace(QUICK, train=replace(QUICK.train, epochs=8, mixup=0.0, erasing=0.0, ema_decay=0.999))
    epochs = run(tmp_path, dataset, recipe)
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert max(epoch.public_accuracy for epoch in epochs) > 5 / 7
    checkpoint = load_checkpoint(tmp_path / "model.pt")
    private = dataset.rows(Usage.PrivateTest)
    logits = predict_logits(checkpoint.network(), dataset.images[private], checkpoint.contract, CPU)[0]
    assert (logits.argmax(1) == dataset.expression[private]).mean() > 5 / 7


def test_a_run_folder_holds_what_its_description_says(finished: tuple[Path, list[Epoch]]) -> None:
    folder, epochs = finished
    names = {entry.name for entry in folder.iterdir()}
    assert {"config.json", "metrics.jsonl", "curves.png", "last.pt", "model.pt"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not any("partial" in name for name in names)
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"] == "residual_tiny"
    assert config["train"] == asdict(QUICK.train)
    assert [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [0, 1, 2]
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2]


def test_the_checkpoint_is_of_the_best_epoch_with_fitted_temperatures(finished: tuple[Path, list[Epoch]]) -> None:
    folder, epochs = finished
    checkpoint = load_checkpoint(folder / "model.pt")
    assert checkpoint.provenance["epoch"]["public_accuracy"] == max(epoch.public_accuracy for epoch in epochs)
    assert all(head.temperature != 1 and math.isfinite(head.temperature) for head in checkpoint.contract.heads)


def test_the_same_seed_gives_the_same_run(finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path) -> None:
    torch.rand(7)  # whatever was drawn before
    run(tmp_path, dataset)
    same_run(finished[0], tmp_path)


@pytest.mark.parametrize(("epoch", "step"), [(0, 2), (1, 0), (2, 5)])
def test_a_resumed_run_is_the_uninterrupted_run(
    epoch: int, step: int, finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path
) -> None:
    run_until(tmp_path, dataset, epoch, step)
    assert len(run(tmp_path, dataset)) == 3
    same_run(finished[0], tmp_path)


def test_a_killed_process_goes_on(finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        import torch
        from fer_live.training.run.loop import train
        from fer_live.training.recipes.registry import ModelSpec, Recipe, TrainConfig
        from fer_live.training.testing import synthetic_fer2013

        def on_step(epoch, step, steps):
            if (epoch, step) == (1, 2):
                os.kill(os.getpid(), signal.SIGKILL)

        torch.set_num_threads(1)
        recipe = RECIPE
        train(recipe, synthetic_fer2013(280, seed=1), Path(sys.argv[1]), device=torch.device("cpu"), bf16=False,
              on_step=on_step)
    """
    script = textwrap.dedent(script).replace("RECIPE", repr(QUICK))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    run(tmp_path, dataset)
    same_run(finished[0], tmp_path)


def test_a_finished_run_has_nothing_to_do(finished: tuple[Path, list[Epoch]], dataset: Fer2013) -> None:
    before = (finished[0] / "last.pt").read_bytes()
    steps: list[int] = []
    epochs: list[Epoch] = []
    train(
        QUICK,
        dataset,
        finished[0],
        device=CPU,
        bf16=False,
        on_step=lambda *step: steps.append(step[1]),
        on_epoch=epochs.append,
    )
    assert steps == []
    assert len(epochs) == 3
    assert (finished[0] / "last.pt").read_bytes() == before


def test_another_run_in_the_same_folder_is_refused(finished: tuple[Path, list[Epoch]], dataset: Fer2013) -> None:
    with pytest.raises(ModelError, match=r"holds a run with other options: lr 0\.05, not 0\.07; give another --out"):
        run(finished[0], dataset, QUICK.with_options({"lr": 0.07}))
    with pytest.raises(ModelError, match="other data: 280 images, not 260; give another --out"):
        run(finished[0], subset(dataset, np.arange(260)))
    with pytest.raises(ModelError, match=r"another network: blocks 1, not 2; dropout 0\.1, not 0\.2; widths 8,16, not"):
        run(finished[0], dataset, replace(QUICK, model=RECIPES["residual"].model))


@pytest.mark.parametrize("field", ["images", "expression", "usage", "votes"])
def test_a_run_on_other_data_is_refused(field: str, finished: tuple[Path, list[Epoch]], dataset: Fer2013) -> None:
    values = getattr(dataset, field).copy()
    training = dataset.rows(Usage.Training)
    one, other = training[:2]
    if field == "images":  # a pair of copies becomes another pair of copies
        same, shifted = values.copy(), values.copy()
        same[other] = same[one]
        shifted[one] = shifted[other] = shifted[training[2]]
        identities = [replace(dataset, images=images).identity() for images in (same, shifted)]
        assert identities[0] != identities[1]
        values[one] ^= 1
    else:
        values[[one, other]] = values[[other, one]]
        if field == "usage":
            public = dataset.rows(Usage.PublicTest)[0]
            values[[one, public]] = values[[public, one]]
    with pytest.raises(ModelError, match="other data: 280 images too, but not the same ones"):
        run(finished[0], replace(dataset, **{field: values}))


def test_precision_is_part_of_a_run_and_where_it_is_computed_is_recorded(
    finished: tuple[Path, list[Epoch]], dataset: Fer2013
) -> None:
    folder = finished[0]
    for about in (json.loads((folder / "config.json").read_text()), load_checkpoint(folder / "model.pt").provenance):
        assert (about["precision"], about["device"], about["threads"]) == ("float32", "cpu", torch.get_num_threads())
    with pytest.raises(ModelError, match="a run in float32; give --precision float32 to go on, or another --out"):
        train(QUICK, dataset, folder, device=CPU, bf16=True)


def test_other_threads_go_on(finished: tuple[Path, list[Epoch]], dataset: Fer2013) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        assert len(run(finished[0], dataset)) == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_run_whose_model_is_gone_is_refused(epochs: int, dataset: Fer2013, tmp_path: Path) -> None:
    if epochs == 3:
        run(tmp_path, dataset)
    else:
        run_until(tmp_path, dataset, epochs, 0)
    (tmp_path / "model.pt").unlink()
    with pytest.raises(ModelError, match=r"model.pt is gone.* put it back, or give another --out"):
        run(tmp_path, dataset)


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_broken_last_pt_is_refused(content: bytes, dataset: Fer2013, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ModelError):
        run(tmp_path, dataset)


def test_too_little_data_is_refused(dataset: Fer2013, tmp_path: Path) -> None:
    few = np.concatenate([np.arange(20), dataset.rows(Usage.PublicTest)])
    with pytest.raises(
        DataError, match="needs 32 Training images for one batch, found 20: give --batch-size 10, or more"
    ):
        run(tmp_path / "a", subset(dataset, few))
    with pytest.raises(DataError, match="no PublicTest image to evaluate epochs on: give the official"):
        run(tmp_path / "b", subset(dataset, dataset.rows(Usage.Training)))
    with pytest.raises(DataError, match="no Training image to learn from: give the official"):
        run(tmp_path / "c", subset(dataset, dataset.rows(Usage.PublicTest)))
    assert not list(tmp_path.iterdir())


def test_a_training_that_explodes_says_so(dataset: Fer2013, tmp_path: Path) -> None:
    wild = QUICK.with_options({"lr": 100.0, "weight_decay": 10.0, "epochs": 3, "warmup": 0.0})
    with pytest.raises(RanAwayError, match=r"the loss diverged in epoch 1 \(.*\): lower --lr; no epoch was complete"):
        run(tmp_path, dataset, wild)
    assert len(run(tmp_path, dataset)) == 3  # in the same folder


def _break_weights(at: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], None]:
    """A callback that makes the weights NaN after a step."""
    networks: list[nn.Module] = []
    real = build_model
    monkeypatch.setattr("fer_live.training.run.loop.build_model", lambda *a: networks.append(real(*a)) or networks[-1])

    def on_step(epoch: int, step: int, steps: int) -> None:
        if (epoch, step) == at:
            for weight in networks[-1].parameters():
                weight.data.fill_(math.nan)

    return on_step


def test_what_ran_away_later_names_the_epoch_that_is_kept_and_a_way_that_works(
    dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_step = _break_weights((2, 0), monkeypatch)
    epochs: list[Epoch] = []
    with pytest.raises(RanAwayError, match=r"run: the loss diverged in epoch 3 \(nan\): lower --lr and give") as caught:
        train(QUICK, dataset, tmp_path / "run", device=CPU, bf16=False, on_step=on_step, on_epoch=epochs.append)
    best = max(epochs, key=lambda epoch: epoch.public_accuracy).epoch
    assert str(caught.value).endswith(f"lower --lr and give another --out; model.pt keeps epoch {best + 1}")
    assert load_checkpoint(tmp_path / "run" / "model.pt").provenance["epoch"]["epoch"] == best
    lower = QUICK.with_options({"lr": 0.01, "epochs": 1})
    with pytest.raises(ModelError, match=r"other options: epochs 3, not 1; lr 0\.05, not 0\.01; give another --out"):
        run(tmp_path / "run", dataset, lower)
    assert len(run(tmp_path / "another", dataset, lower)) == 1


def test_a_loss_that_runs_away_is_seen_within_the_epoch(
    dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_live.training.run.loop.LOOK_STEPS", 2)
    broken = _break_weights((0, 0), monkeypatch)
    steps: list[int] = []

    def on_step(epoch: int, step: int, of: int) -> None:
        steps.append(step)
        broken(epoch, step, of)

    with pytest.raises(RanAwayError, match="the loss diverged in epoch 1"):
        train(QUICK, dataset, tmp_path, device=CPU, bf16=False, on_step=on_step)
    assert steps == [0, 1]


def test_it_stops_when_patience_ends(dataset: Fer2013, tmp_path: Path) -> None:
    # A learning rate of 0 never gets better than the first epoch.
    recipe = QUICK.with_options({"lr": 0.0, "epochs": 9, "patience": 2, "ema_decay": 0.0})
    frozen = replace(recipe, model=ModelSpec("conv", {"widths": [], "norm": "none"}), heads=("fer2013",))
    assert len(run(tmp_path, dataset, frozen)) == 3
    assert len(run(tmp_path, dataset, frozen)) == 3


def test_a_plateau_lowers_the_rate_and_survives_a_resumption(dataset: Fer2013, tmp_path: Path) -> None:
    recipe = QUICK.with_options({"epochs": 4, "schedule": "plateau", "lr_patience": 1, "lr": 0.5, "warmup": 0.0})
    whole = run(tmp_path / "whole", dataset, recipe)
    rates = [epoch.lr for epoch in whole]
    nlls = [epoch.public_nll for epoch in whole]
    falls = sum(nll >= min(nlls[:number]) for number, nll in enumerate(nlls[:-1]) if number)
    assert rates[-1] == pytest.approx(0.5 * 0.5**falls)

    def stop(epoch: int, step: int, steps: int) -> None:
        if (epoch, step) == (2, 1):
            raise Stop

    with pytest.raises(Stop):
        train(recipe, dataset, tmp_path / "parts", device=CPU, bf16=False, on_step=stop)
    run(tmp_path / "parts", dataset, recipe)
    same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "multi_margin"},
        {"loss": "double_softmax"},
        {"class_weights": "inverse"},
        {"balance": "sqrt"},
        {"cleaning": "dedup"},
        {"cleaning": "none"},
        {"mixup_share": 0.7},
        {"cutout_px": 8, "shear_deg": 10.0, "perspective_px": 3.0, "blur_px": 0.8, "noise": 0.05},
        {"mirror": False},
        {"optimizer": "adamw", "lr": 1e-3, "schedule": "one_cycle"},
        {"optimizer": "sgd", "momentum": 0.0},
    ],
)
def test_every_choice_trains(options: dict, dataset: Fer2013, tmp_path: Path) -> None:
    (epoch,) = run(tmp_path, dataset, QUICK.with_options({"epochs": 1, **options}))
    assert math.isfinite(epoch.train_loss)


def test_an_imbalance_that_the_draw_makes_up_for_is_not_made_up_for_again(dataset: Fer2013, tmp_path: Path) -> None:
    rows = dataset.training_rows("standard")
    many = np.concatenate([np.flatnonzero(dataset.usage > 0), rows, *[rows[dataset.expression[rows] == 3]] * 2])
    uneven = subset(dataset, many)
    recipe = QUICK.with_options({"epochs": 1, "epoch_share": 0.2, "balance": "oversample", "cleaning": "none"})
    losses = []
    for number, options in enumerate(({}, {"logit_adjustment": 1.0}, {"class_weights": "inverse"})):
        changed = recipe.with_options({"logit_adjustment": 0.0, **options})
        (epoch,) = run(tmp_path / str(number), uneven, changed)
        losses.append(epoch.train_loss)
    assert losses[0] == losses[1] == losses[2]


def test_a_share_of_the_epoch_and_of_public_test(dataset: Fer2013, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    recipe = QUICK.with_options({"epochs": 2, "epoch_share": 0.6, "public_images": 10})  # of 224 images, 7 batches
    train(recipe, dataset, tmp_path, device=CPU, bf16=False, on_step=lambda epoch, step, of: steps.append((epoch, of)))
    assert steps == [(0, 4)] * 4 + [(1, 4)] * 4
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(10 * line["public_accuracy"] == pytest.approx(round(10 * line["public_accuracy"])) for line in lines)
    assert 0 < lines[0]["cpu_s"] < lines[1]["cpu_s"]


def test_bf16_learns_too(dataset: Fer2013, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    recipe = QUICK.with_options({"epochs": 2})
    train(recipe, dataset, tmp_path, device=CPU, bf16=True, on_epoch=epochs.append)
    assert epochs[1].train_loss < epochs[0].train_loss


def test_it_starts_from_a_checkpoint(finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path) -> None:
    start = load_checkpoint(finished[0] / "model.pt")
    still = QUICK.with_options({"epochs": 1, "lr": 0.0, "weight_decay": 0.0})
    train(still, dataset, tmp_path / "run", device=CPU, bf16=False, start=start)
    begun = weights(tmp_path / "run")
    for name, value in start.network().named_parameters():
        assert torch.equal(begun[name], value), name
    assert json.loads((tmp_path / "run/config.json").read_text())["start"] == start.weights_sha256()
    with pytest.raises(ModelError, match="start"):  # another run: the same folder, without that start
        run(tmp_path / "run", dataset, still)
    train(still, dataset, tmp_path / "run", device=CPU, bf16=False, start=start)


def test_weights_of_another_network_are_no_start(
    finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path
) -> None:
    start = load_checkpoint(finished[0] / "model.pt")
    for other in ({"widths": [16, 12]}, {"widths": [8, 16, 16]}, {"blocks": 2}, {"activation": "leaky_relu"}):
        with pytest.raises(ModelError, match="weights to start from belong to"):
            recipe = QUICK.with_arguments(other)
            train(recipe, dataset, tmp_path / "run", device=CPU, bf16=False, start=start)
    assert not (tmp_path / "run").exists()


def test_a_wider_network_answers_at_first_as_the_one_it_started_from(
    finished: tuple[Path, list[Epoch]], dataset: Fer2013, tmp_path: Path
) -> None:
    start = load_checkpoint(finished[0] / "model.pt")
    wider = QUICK.with_arguments({"widths": [12, 40], "dropout": 0.5})
    still = wider.with_options({"epochs": 1, "lr": 0.0, "weight_decay": 0.0})
    model = train(still, dataset, tmp_path / "still", device=CPU, bf16=False, start=start)
    begun, narrow = load_checkpoint(model).network(), start.network()
    begun.load_state_dict({**begun.state_dict(), **_statistics(narrow, begun)})  # of batch norms: they move at any rate
    faces = torch.randn(16, 1, 48, 48)
    for wide_logits, logits in zip(begun(faces), narrow(faces), strict=True):
        assert torch.allclose(wide_logits, logits, atol=1e-5)
    moving = wider.with_options({"epochs": 1})
    learnt = weights(train(moving, dataset, tmp_path / "moving", device=CPU, bf16=False, start=start).parent)
    assert learnt["heads.0.weight"][:, 16:].abs().min() > 0  # what was new has come into use


def _statistics(narrow: nn.Module, wide: nn.Module) -> dict[str, torch.Tensor]:
    """Those of ``narrow``, continued by those of ``wide``."""
    own = wide.state_dict()
    return {
        name: torch.cat([value, own[name][len(value) :]]) if value.ndim else value
        for name, value in narrow.state_dict().items()
        if "running" in name
    }


def test_settings_out_of_range_are_refused() -> None:
    for name, value in (
        ("epochs", 0),
        ("lr", -1),
        ("lr", float("nan")),
        ("scale", 0.95),
        ("seed", -1),
        ("optimizer", "lion"),
        ("mirror", 1),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            QUICK.with_options({name: value})


@pytest.mark.parametrize("name", ["model.pt", "last.pt", "metrics.jsonl", "first event", "events"])
def test_a_full_disk_keeps_the_epochs_before(
    name: str, dataset: Fer2013, finished: tuple[Path, list[Epoch]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "event" in name:
        write = RecordWriter.write

        def write_but(writer: RecordWriter, data: bytes) -> None:  # in TensorBoard's own thread
            if name == "first event" or (tmp_path / "last.pt").exists():
                raise full
            write(writer, data)

        monkeypatch.setattr(RecordWriter, "write", write_but)
    else:
        real = os.replace

        def replace_but(source: Path, target: Path) -> None:
            if Path(target).name == name and (tmp_path / "last.pt").exists() == (name != "model.pt"):
                raise full
            real(source, target)

        monkeypatch.setattr("fer_live.files.os.replace", replace_but)
    if name != "last.pt":
        with pytest.raises(SinkError, match="No space left on device"):
            run(tmp_path, dataset)
    else:
        with pytest.raises(SinkError, match=r"last.pt: could not be written: No space left on device; the one before"):
            run(tmp_path, dataset)
        assert len(json.loads(load_tensors(tmp_path / "last.pt")["history"])) == 1
    assert not [entry for entry in tmp_path.iterdir() if "partial" in entry.name]
    monkeypatch.undo()
    assert len(run(tmp_path, dataset)) == 3
    same_run(finished[0], tmp_path)


def test_a_picture_that_can_not_be_drawn_is_told_and_no_reason_to_end(
    dataset: Fer2013, finished: tuple[Path, list[Epoch]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fer_live.training.run.folder.draw_curves", full)
    notes: list[str] = []
    train(QUICK, dataset, tmp_path, device=CPU, bf16=False, on_note=notes.append)
    curves = tmp_path / "curves.png"
    assert notes == [f"{curves}: could not be written: No space left on device; the training continues"] * 3
    assert not curves.exists()
    same_run(finished[0], tmp_path)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError("CUDA")],
)
def test_full_memory_suggests_a_batch_size(error: Exception, dataset: Fer2013, tmp_path: Path) -> None:
    def fail(epoch: int, step: int, steps: int) -> None:
        if epoch:
            raise error

    with pytest.raises(
        MemoryFullError, match="out of memory with 32 images per step: give --batch-size 16 and another"
    ):
        train(QUICK, dataset, tmp_path, device=CPU, bf16=False, on_step=fail)
    assert load_checkpoint(tmp_path / "model.pt").provenance["epoch"]["epoch"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system says so itself")
def test_the_end_of_memory_is_told(dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr("fer_live.training.device.memory_bytes", lambda: (2**25, 2**34))  # 32 MiB are left
    # Its maps take more than 32 MiB at once, which no memory that was freed before is used for.
    large = RECIPES["athan_1"].with_options({"epochs": 1, "batch_size": 200, "balance": "none"})
    with pytest.raises(MemoryFullError, match="out of memory with 200 images per step: give --batch-size 100"):
        run(tmp_path, dataset, large)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    monkeypatch.undo()
    assert len(run(tmp_path / "again", dataset, QUICK.with_options({"epochs": 1}))) == 1


def test_a_class_without_images_is_refused(dataset: Fer2013, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Training has none of disgust"):
        run(tmp_path / "a", subset(dataset, np.flatnonzero(dataset.expression != 1)))
