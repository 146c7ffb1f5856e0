import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fer_live.cli_errors import run_command
from fer_live.errors import DeviceError
from fer_live.export.cli import export_command
from fer_live.training.augmentation.preview import preview_rows
from fer_live.training.checkpoint import load_checkpoint, save_checkpoint
from fer_live.training.cli import train_command
from fer_live.training.data.fer2013 import Usage
from fer_live.training.device import choose_bf16, choose_device
from fer_live.training.distributed import Ranks
from fer_live.training.recipes.describe import LIST_COLUMNS, describe
from fer_live.training.recipes.registry import RECIPES, ModelSpec, TrainConfig
from fer_live.training.report.command import eval_command
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
    assert "already finished" in capsys.readouterr().out
    assert train(*command, "--lr", "0.03") == 1
    assert "with other options: lr 0.02, not 0.03; give another --out" in capsys.readouterr().err

    assert (
        evaluate(
            tmp_path / "run" / "model.pt", "--data", data, "--out", tmp_path / "report", "--mirror", "--no-robustness"
        )
        == 0
    )
    out = capsys.readouterr().out
    for text in ("PublicTest", "PrivateTest (standard)", "PrivateTest (dedup)", "mirror-averaged", "disgust"):
        assert text in out
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["models"][0]["provenance"]["recipe"] == "residual_tiny"
    assert len(figures["models"][0]["sha256"]) == 64


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
    assert "the same command resumes from there" in err
    assert "fer-train: interrupted" in err
    assert "Traceback" not in err
    again = subprocess.Popen(
        [sys.executable, "-c", program, *settings, "9999"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert again.stdout is not None
    seen = [next(again.stdout) for _ in range(3)]
    again.kill()
    again.communicate()
    assert any(line.startswith("resuming at epoch ") for line in seen), seen


def test_bad_input(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "x.pt").write_text("x")
    tests = synthetic_fer2013(140)
    tests = tests.take(np.flatnonzero(tests.usage != Usage.Training))
    np.savez(tmp_path / "tests.npz", images=tests.images, emotion=tests.expression, usage=tests.usage)
    nothing = ("--data", tmp_path / "tests.npz", "--preview-augment", tmp_path / "x.png")
    for run, arguments, code, message in (
        (train, ("--data", tmp_path / "none.csv"), 1, "no such file"),
        (train, ("--data", data, "--recipe", "transformer"), 2, "--recipe"),
        (train, ("--data", data, "--epochs", "0"), 2, "--epochs"),
        (train, ("--data", data, "--lr", "nan"), 2, "lr must be"),
        (train, ("--data", data, *SETTINGS, "--out", tmp_path / "file"), 1, "file: a file, not a folder"),
        (train, ("--data", data, *SETTINGS, "--batch-size", "4096", "--out", tmp_path / "r"), 1, "training needs 4096"),
        (train, ("--data", data, *SETTINGS, "--out", tmp_path / ("r" * 300)), 1, "the folder can't be made (File"),
        (train, ("--describe", "athan_1", "--out", tmp_path / "file"), 1, "file: a file, not a folder"),
        (train, (), 2, "--data"),
        (train, ("--data", data, "--recipe", "athan7"), 2, "did you mean athan_7"),
        (train, ("--describe", "resnet"), 2, "did you mean resnet50"),
        (train, ("--data", data, "--recipe", "riv_1", "--set", "kernel=5"), 2, "no option kernel; it has widths"),
        (train, ("--data", data, "--recipe", "riv_1", "--set", "kernels=4"), 2, "kernels must be odd"),
        (train, ("--data", data, "--recipe", "riv_1", "--set", "kernels"), 2, "is not key=value"),
        (train, ("--data", data, "--recipe", "riv_1", "--set", "kernels=3,5"), 2, "2 values for 6 layers"),
        (train, ("--data", data, "--set", "widths=wide"), 2, "--set: network 'residual' does not accept"),
        (train, ("--data", data, "--optimizer", "lion"), 2, "--optimizer"),
        (
            train,
            ("--data", data, "--optimizer", "adam", "--momentum", "0.8"),
            2,
            "--momentum has no effect on residual",
        ),
        (train, ("--data", data, "--lr-decay", "0.1"), 2, "no effect on residual with schedule cosine"),
        (train, ("--describe", "feedforward", "--set", "attention=se"), 2, "--set attention has no effect on"),
        (train, ("--describe", "feedforward", "--set", "norm=none"), 2, "without convolutions (widths)"),
        (train, ("--describe", "resnet50", "--set", "norm=none"), 2, "layers are as ImageNet trained them"),
        (train, ("--data", data, "--random-init", "--init", "imagenet"), 2, "exclude each other"),
        (train, ("--data", data, *SETTINGS, "--init", "imagenet", "--out", tmp_path / "i"), 1, "no ImageNet weights"),
        (train, ("--data", data, "--preview-augment", tmp_path / "x.jpg"), 2, "must end in .png"),
        (train, ("--data", data, "--preview-augment", tmp_path / "none" / "x.png"), 1, "x.png: No such file"),
        (train, nothing, 1, "no Training image to show"),
        (evaluate, (tmp_path / "none.pt", "--data", data), 1, "no such file"),
        (evaluate, (tmp_path / "x.pt", "--data", data), 1, "not a checkpoint"),
        (evaluate, ("--data", data), 2, "MODEL"),
    ):
        assert run(*arguments) == code, arguments
        err = capsys.readouterr().err
        assert message in err, arguments
        assert "Traceback" not in err
        assert "Errno" not in err
        assert "weights_only" not in err


def test_checkpoints_teach(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        save_checkpoint(tmp_path / f"{seed}.pt", untrained_checkpoint(seed))
    (tmp_path / "x.npz").write_bytes(b"PK")
    one, other = (("--teachers", tmp_path / name) for name in ("0.pt", "1.pt"))
    command = ("--data", data, "--out", tmp_path / "run", *SETTINGS, "--epochs", "1", "--distill", "0.5")
    assert train(*command, *one, *other) == 0
    out = capsys.readouterr().out
    assert "asking the teachers about 448 images" in out  # 2 teachers, 112 images and their mirror images
    assert out.index("have answered") < out.index("epoch   1/1")
    assert train(*command, *other, *one) == 0
    assert "already finished" in capsys.readouterr().out
    for teachers, message in (
        (one, "run with other teachers; give another --out"),
        ((*one, "--teachers", tmp_path / "x.npz"), "or a single .npz or folder; found"),
        (("--teachers", tmp_path, "--teachers", tmp_path / "x.npz"), "or a single .npz or folder; found"),
        ((*one, "--teachers", tmp_path / "none.pt"), "none.pt: no such file"),
        (("--teachers", tmp_path / "none"), "no such file or folder; give a model.pt"),
        ((*one, *other, "--distill", "0"), "does not use teachers"),
    ):
        assert train(*command, *teachers) == 1
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1, err


def test_one_command_trains_the_flagship_and_its_teachers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = replace(
        RECIPES["residual_tiny"], model=ModelSpec("residual", {"widths": [8, 16], "blocks": 1, "dropout": 0.0})
    )
    monkeypatch.setitem(RECIPES, "flagship_teacher", tiny.with_options({"epochs": 1, "batch_size": 64}))
    monkeypatch.setitem(RECIPES, "flagship", replace(tiny.with_options({"distill": 0.7}), name="flagship"))
    out = tmp_path / "run"
    command = ("--data", data, "--out", out, *SETTINGS[2:], "--recipe", "flagship", "--epochs", "1")
    stopped = []

    def stop(name: str, epoch: object) -> str:
        stopped.append(name)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("fer_live.training.run.own_teachers.epoch_line", stop)
        assert train(*command) == 130
    assert stopped == ["fold0-seed0"]
    assert "the same command resumes" in capsys.readouterr().err
    assert train(*command) == 0
    said = capsys.readouterr().out
    assert "learns from 5 networks of recipe flagship_teacher" in said
    assert said.index("fold4-seed0 epoch 1") < said.index("epoch   1/1") < said.index(f"finished: {out / 'model.pt'}")
    assert {path.name for path in out.glob("teacher*")} == {"teachers", "teacher_logits.npz"}
    assert train(*command) == 0
    again = capsys.readouterr().out
    assert "already finished" in again and "fold0" not in again
    monkeypatch.setattr("fer_live.training.distributed.together", lambda _: nullcontext(Ranks(0, 0, 2)))
    assert train(*command, "--out", tmp_path / "other") == 1
    assert "fer_live.training.flagship --stage teachers" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("out", "message"), [("file", "file: a file, not a folder"), ("file/report", "file/report: "), ("r" * 300, "rrr: ")]
)
def test_where_a_report_goes_is_checked_before_the_evaluation(
    out: str,
    message: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_checkpoint(tmp_path / "model.pt", untrained_checkpoint())
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("fer_live.training.evaluation.compare.compare", lambda *_, **__: pytest.fail("evaluated"))
    assert evaluate(tmp_path / "model.pt", "--data", data, "--out", tmp_path / out) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Errno" not in err
    assert len(err.splitlines()) == 1


def test_a_recipe_of_a_report_from_training_to_figures(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SETTINGS[2:], "--recipe", "athan_5", "--epochs", "1", "--lr", "1e-3"]
    settings += ["--set", "edges=true", "--set", "attention=se", "--no-mirror", "--balance", "sqrt"]
    assert train("--data", data, "--out", tmp_path / "run", *settings) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["heads"] == ["fer2013"]
    assert config["model"]["arguments"]["edges"] is True
    assert (config["train"]["mirror"], config["train"]["balance"]) == (False, "sqrt")
    assert run_command(export_command, "fer-export", [str(tmp_path / "run" / "model.pt")]) == 0
    capsys.readouterr()
    assert evaluate(tmp_path / "run" / "model.onnx", "--data", data, "--out", tmp_path / "report", "--public-only") == 0
    assert "disgust" in capsys.readouterr().out
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["models"][0]["splits"]["public"]["ferplus_majority"] is None
    assert figures["models"][0]["provenance"]["training"]["train"]["balance"] == "sqrt"


def test_random_weights_are_a_flag_and_are_recorded(data: Path, tmp_path: Path) -> None:
    command = ("--data", data, "--out", tmp_path / "run", *SETTINGS[2:], "--recipe", "resnet18_transfer")
    assert train(*command, "--epochs", "1", "--random-init") == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["init"] == "default"
    assert load_checkpoint(tmp_path / "run" / "model.pt").provenance["train"]["init"] == "default"


def test_describe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--describe", "athan_7") == 0
    out = capsys.readouterr().out
    for text in ("report E", "56.87", "blocks.3.conv", "256 x 24 x 24", "924,844,032", "6,783,559", "1,280,585,952"):
        assert text in out
    assert "  kernels=5,5,7,7\n" in out
    assert "  --optimizer rmsprop\n" in out
    assert "  --lr 0.001\n" in out
    assert train("--describe", "riv_1", "--set", "width_factor=0.25", "--out", tmp_path / "graph", "--no-mirror") == 0
    out = capsys.readouterr().out
    assert "  width_factor=0.25\n" in out
    assert "  --no-mirror\n" in out
    events, picture = sorted((tmp_path / "graph").iterdir())
    assert b"blocks" in events.read_bytes()
    assert picture.name == "layers.png"
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert len(drawn) > 1000  # a row of 44 pixels for each layer


def test_every_recipe_is_described_by_options_that_fer_train_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for name, recipe in RECIPES.items():
        text = describe(recipe)
        arguments = [line.strip() for line in text.splitlines() if "=" in line and line.startswith("  ")]
        options = [word for line in text.splitlines() if line.startswith("  --") for word in line.split()]
        given = [word for argument in arguments for word in ("--set", argument)]
        assert train("--describe", name, *given, *options) == 0
        assert capsys.readouterr().out.strip() == text


def test_preview(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "sheet.png"
    assert train("--data", data, "--recipe", "athan_1", "--mixup-share", "0.7", "--preview-augment", target) == 0
    assert str(target) in capsys.readouterr().out
    image = cv2.imread(str(target))
    assert image is not None
    assert min(image.shape[:2]) > 400
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]


def test_a_preview_has_a_row_for_each_transform_that_is_on() -> None:
    faces = torch.from_numpy(synthetic_fer2013(10).images)[:, None]
    rows = preview_rows(faces, RECIPES["cifar_cnn_cutout"].train)
    titles = [title.split()[0] for title, _ in rows]
    assert titles == ["as", "mirror", "rotation_deg", "scale", "shear_deg", "cutout_px", "all"]
    assert all(shown.shape == (10, 48, 48) and shown.dtype == np.uint8 for _, shown in rows)
    assert np.array_equal(rows[0][1], faces[:, 0].numpy())
    assert np.abs(rows[1][1].astype(int) - rows[0][1][:, :, ::-1]).max() <= 1
    plain = RECIPES["feedforward"]
    assert [title for title, _ in preview_rows(faces, plain.train)] == ["no augmentation"]
    mixed = plain.with_options({"mixup": 0.4, "cutmix": 0.5}).train
    assert [title for title, _ in preview_rows(faces, mixed)] == ["as they are", "mixup 0.4", "cutmix 0.5"]
    some = preview_rows(faces, plain.with_options({"erasing": 0.5, "jpeg": 0.7, "noise": 0.1}).train)
    told = {title.split()[0]: "here for all" in title for title, _ in some}
    assert told == {"as": False, "noise": False, "jpeg": True, "erasing": True, "all": False}
    tail = preview_rows(faces, RECIPES["residual"].train)
    assert [title.split()[0] for title, _ in tail[-3:]] == ["all", "and", "last"]


def test_list_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(RECIPES)
    assert all(len(line.split("\t")) == len(LIST_COLUMNS) for line in lines)
    assert next(line for line in lines if line.startswith("athan_7\t")).split("\t")[1:3] == ["6783559", "1280585952"]
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


def test_a_training_that_lost_patience_says_so(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("--data", data, "--out", tmp_path / "run", *SETTINGS, "--epochs", "9", "--lr", "0", "--patience", "1")
    assert train(*command, "--recipe", "athan_5", "--set", "norm=none", "--set", "head_norm=none") == 0
    assert "stopped after 2 epochs: no better PublicTest accuracy for 1" in capsys.readouterr().out
