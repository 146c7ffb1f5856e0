import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_live.cli_errors import run_command
from fer_live.errors import DeviceError
from fer_live.training.checkpoint import save_checkpoint
from fer_live.training.cli import eval_command, train_command
from fer_live.training.device import choose_bf16, choose_device
from fer_live.training.recipes import RECIPES, TrainConfig
from fer_live.training.testing import synthetic_fer2013, untrained_checkpoint

SETTINGS = ["--recipe", "residual_tiny", "--epochs", "2", "--batch-size", "64", "--lr", "0.02", "--ema-decay", "0.5",
            "--precision", "float32", "--threads", "1", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = synthetic_fer2013(140)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, ferplus_votes=dataset.votes)
    return path


def train(*arguments: object) -> int:
    return run_command(train_command, "fer-train", list(map(str, arguments)))


def evaluate(*arguments: object) -> int:
    return run_command(eval_command, "fer-eval", list(map(str, arguments)))


def test_train_again_and_evaluate(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("--data", data, "--out", tmp_path / "run", *SETTINGS)
    assert train(*command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert f"finished: {tmp_path / 'run' / 'model.pt'}" in lines
    assert any("fer-eval" in line for line in lines)
    assert any("fer-export" in line for line in lines)
    assert train(*command) == 0
    assert "finished already" in capsys.readouterr().out
    assert train(*command, "--lr", "0.03") == 1
    assert "another train; give another --out" in capsys.readouterr().err

    assert evaluate(tmp_path / "run" / "model.pt", "--data", data, "--out", tmp_path / "report", "--mirror") == 0
    out = capsys.readouterr().out
    for text in ("PublicTest", "PrivateTest (standard)", "PrivateTest (dedup)", "mirror-averaged", "disgust"):
        assert text in out
    figures = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert figures["model"]["provenance"]["recipe"] == "residual_tiny"
    assert len(figures["model"]["sha256"]) == 64


def test_public_only(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "model.pt", untrained_checkpoint())
    assert evaluate(tmp_path / "model.pt", "--data", data, "--public-only") == 0
    assert "PrivateTest" not in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupt_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    settings = ["--data", str(data), "--out", str(tmp_path / "run"), *SETTINGS, "--epochs"]
    program = "from fer_live.training.cli import train_main; train_main()"
    running = subprocess.Popen(
        [sys.executable, "-c", program, *settings, "9999"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("epoch "):
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on from there" in err
    assert "fer-train: interrupted" in err
    assert "Traceback" not in err
    again = subprocess.Popen(
        [sys.executable, "-c", program, *settings, "9999"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert again.stdout is not None
    seen = [next(again.stdout) for _ in range(3)]
    again.kill()
    again.communicate()
    assert any(line.startswith("going on from epoch ") for line in seen), seen


def test_bad_input(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "x.pt").write_text("x")
    for run, arguments, code, message in (
        (train, ("--data", tmp_path / "none.csv"), 1, "no such file"),
        (train, ("--data", data, "--recipe", "transformer"), 2, "--recipe"),
        (train, ("--data", data, "--epochs", "0"), 2, "--epochs"),
        (train, ("--data", data, "--lr", "nan"), 2, "lr must be"),
        (train, ("--data", data, *SETTINGS, "--out", tmp_path / "file"), 1, "file"),
        (train, ("--data", data, *SETTINGS, "--batch-size", "4096", "--out", tmp_path / "r"), 1, "training needs 4096"),
        (train, (), 2, "--data"),
        (evaluate, (tmp_path / "none.pt", "--data", data), 1, "no such file"),
        (evaluate, (tmp_path / "x.pt", "--data", data), 1, "not a checkpoint"),
        (evaluate, ("--data", data), 2, "MODEL"),
    ):
        assert run(*arguments) == code, arguments
        err = capsys.readouterr().err
        assert message in err, arguments
        assert "Traceback" not in err


def test_list_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in RECIPES)
    assert train("--help") == 0
    out = capsys.readouterr().out
    for entry in fields(TrainConfig):
        assert f"--{entry.name.replace('_', '-')} " in out


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="no CUDA GPU"):
        choose_device("cuda")
    assert choose_bf16("bf16", torch.device("cpu"))
    assert not choose_bf16("float32", torch.device("cpu"))
    for capabilities, expected in (({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)):
        monkeypatch.setattr("fer_live.training.device.cpu_capabilities", lambda found=capabilities: found)
        assert choose_bf16("auto", torch.device("cpu")) is expected
