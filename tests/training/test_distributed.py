import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fer_live.errors import DataError
from fer_live.training.augmentation.batches import Batches
from fer_live.training.checkpoint import load_tensors, save_checkpoint
from fer_live.training.distributed import ALONE, Ranks, together
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.registry import RECIPES, build_model
from fer_live.training.run.loop import train
from fer_live.training.run.losses import LabelLoss, votes_loss
from fer_live.training.testing import synthetic_fer2013, untrained_checkpoint

CPU = torch.device("cpu")
PAIR = (Ranks(0, 0, 2), Ranks(1, 1, 2))
# Without dropout, augmentation and norms nothing is drawn or counted apart: two processes do what one does.
EXACT = ["--recipe", "athan_5", "--set", "norm=none", "--set", "head_norm=none", "--set", "dropout=0",
         "--set", "head_dropout=0", "--epochs", "2", "--batch-size", "63", "--lr", "0.001", "--mixup", "0",
         "--erasing", "0", "--shift-px", "0", "--rotation-deg", "0", "--scale", "0", "--brightness", "0",
         "--contrast", "0", "--cutout-px", "0", "--shear-deg", "0", "--perspective-px", "0", "--blur-px", "0",
         "--noise", "0"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = synthetic_fer2013(280)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, ferplus_votes=dataset.votes)
    return path


def start(processes: int, *arguments: object) -> subprocess.Popen[str]:
    command = ["-m", "fer_live.training.cli", "--device", "cpu", "--precision", "float32", *map(str, arguments)]
    if processes > 1:
        engine = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [*engine, *command]
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_ranks_split_an_epoch_and_draw_apart() -> None:
    dataset, config = synthetic_fer2013(280), TrainConfig(batch_size=33)
    rows = dataset.training_rows()
    whole = list(Batches(dataset, rows, config, CPU).epoch(0))
    parts = [list(Batches(dataset, rows, config, CPU, ranks).epoch(0)) for ranks in PAIR]
    assert len(whole) == len(parts[0]) == len(parts[1]) == len(rows) // 33
    for batch, one, other in zip(whole, *parts, strict=True):
        assert torch.equal(batch.rows[::2], one.rows)
        assert torch.equal(batch.rows[1::2], other.rows)
        n = len(other.rows)
        assert not torch.equal(one.share[:n], other.share)


def test_the_weighed_mean_is_that_of_the_batch() -> None:
    losses = torch.rand(33, generator=torch.Generator().manual_seed(0))
    parts = [ranks.weigh(ranks.share(losses).mean(), len(ranks.share(losses)), 33) for ranks in PAIR]
    assert float(sum(parts)) / 2 == pytest.approx(float(losses.mean()))
    assert ALONE.share(losses) is losses
    assert ALONE.weigh(losses, 33, 33) is losses


def test_alone_where_nothing_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with together(CPU) as ranks:
        assert ranks is ALONE
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with together(CPU) as ranks:
        assert ranks is ALONE


def test_a_batch_too_small_to_share_is_refused(tmp_path: Path) -> None:
    recipe = RECIPES["residual_tiny"].with_options({"batch_size": 3})
    with pytest.raises(DataError, match="2 processes share a batch of 3: give --batch-size 4"):
        train(recipe, synthetic_fer2013(70), tmp_path / "run", device=CPU, bf16=False, ranks=PAIR[0])


@pytest.mark.parametrize("name", RECIPES)
def test_every_weight_of_a_recipe_has_a_part_in_its_loss(name: str) -> None:
    """``DistributedDataParallel`` waits for the gradient of each. On torch's meta device, shapes without numbers."""
    recipe = RECIPES[name]
    with torch.device("meta"):
        network = build_model(recipe.model, recipe.contract()).train()
        labels, share = torch.zeros(4, dtype=torch.long), torch.ones(4)
        expression, *ferplus = network(torch.zeros(4, 1, 48, 48))
        loss: Tensor = LabelLoss(recipe.train, torch.ones(7, device="cpu"))(expression, labels, labels, share)
        for logits in ferplus:
            votes = torch.zeros_like(logits)
            loss = loss + recipe.train.ferplus_weight * votes_loss(logits, votes, votes, share)
        loss.backward()  # type: ignore[no-untyped-call]
    idle = [key for key, weight in network.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not idle


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_go_on(data: Path, tmp_path: Path) -> None:
    histories = {}
    save_checkpoint(tmp_path / "teacher.pt", untrained_checkpoint())
    taught = (*EXACT, "--teachers", tmp_path / "teacher.pt", "--distill", "0.3")
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        out, err = start(processes, "--data", data, "--out", folder, *taught).communicate(timeout=200)
        assert "finished: " in out, err
        assert out.count("the teachers have answered") == 1
        assert sum(line.startswith("epoch ") for line in out.splitlines()) == 2  # the first one alone speaks
        histories[processes] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert json.loads((tmp_path / "2" / "config.json").read_text())["processes"] == 2
    for one, two in zip(histories[1], histories[2], strict=True):
        assert one["lr"] == two["lr"]
        for name in ("train_loss", "public_nll", "public_accuracy"):
            assert two[name] == pytest.approx(one[name], rel=1e-3), name
    weights = [load_tensors(tmp_path / name / "last.pt")["network"] for name in ("1", "2")]
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-3), name
    out, err = start(2, "--data", data, "--out", tmp_path / "2", *taught).communicate(timeout=200)
    assert "already finished" in out, err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_process_that_dies_ends_the_others_and_the_run_goes_on(data: Path, tmp_path: Path) -> None:
    arguments = ("--data", data, "--out", tmp_path / "run", *EXACT, "--epochs", "9999")
    running = start(2, *arguments)
    assert running.stdout is not None
    next(line for line in running.stdout if line.startswith("epoch "))
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    if not children.exists():
        running.terminate()
        pytest.skip("needs /proc")
    os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
    _, err = running.communicate(timeout=100)
    assert running.returncode != 0
    ours = [line for line in err.splitlines() if line.startswith("fer-train: ")]
    assert len(ours) <= 1, ours  # torchrun may end the other one before it notices
    again = start(2, *arguments)
    assert again.stdout is not None
    assert any(line.startswith("resuming at epoch ") for _, line in zip(range(4), again.stdout, strict=False))
    again.terminate()
    again.communicate(timeout=100)


@pytest.mark.slow
def test_an_error_is_told_once_and_ends_all(data: Path, tmp_path: Path) -> None:
    arguments = ("--data", data, *EXACT, "--optimizer", "sgd", "--lr", "100", "--warmup", "0")
    for more, message in ((("--out", tmp_path / "run"), "the loss diverged"), (("--recipe", "athan5"), "did you mean")):
        _, err = start(2, *arguments, *more).communicate(timeout=200)
        ours = [line for line in err.splitlines() if line.startswith("fer-train: ")]
        assert len(ours) == 1, err
        assert message in ours[0]
