import subprocess
import sys
from pathlib import Path

import pytest

from fer_live.cli_errors import run_command
from fer_live.errors import ModelError
from fer_live.export import verify as verify_module
from fer_live.export.cli import export_command
from fer_live.model_metadata import ModelMetadata
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.evaluation.predictors import open_session


@pytest.fixture(autouse=True)
def no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "measure_ms_per_face", lambda model, batch, threads: 1.25)


def run(*arguments: object) -> int:
    return run_command(export_command, "fer-export", list(map(str, arguments)))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_it_writes_a_model_beside_the_checkpoint(checkpoint_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkpoint_file) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == [
        "file", "size", "network", "parameters", "opset", "parity", "speed",
    ]  # fmt: skip
    assert names(checkpoint_file.parent) == ["model.onnx", "model.pt"]
    session = open_session(checkpoint_file.with_suffix(".onnx").read_bytes())
    metadata = ModelMetadata.from_props(session.get_modelmeta().custom_metadata_map)
    assert metadata.provenance["training"]["recipe"] == "residual_tiny"
    assert len(metadata.provenance["export"]["checkpoint_sha256"]) == 64


@pytest.mark.parametrize("content", [b"hello", b"", b"\x80\x04}."])
def test_a_file_that_is_no_checkpoint(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    assert run(tmp_path / "x.pt") == 1
    err = capsys.readouterr().err
    assert err.startswith("fer-export: error: ")
    assert len(err.splitlines()) == 1
    assert names(tmp_path) == ["x.pt"]


def test_bad_input(checkpoint_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"before")
    for arguments, code, message in (
        ((tmp_path / "none.pt",), 1, "no such file"),
        ((tmp_path,), 1, "a folder"),
        ((".",), 1, ".: a folder, not a checkpoint"),
        ((f"{'x' * 300}.pt",), 1, "xxx.pt: File name too long"),
        ((checkpoint_file, "--out", tmp_path / f"{'x' * 300}.onnx"), 1, "xxx.onnx: File name too long"),
        ((tmp_path / "model.onnx",), 1, "already an ONNX model"),
        ((checkpoint_file, "--out", tmp_path), 1, "is a folder"),
        ((checkpoint_file, "--out", tmp_path / "none" / "x.onnx"), 1, "does not exist"),
        ((checkpoint_file, "--out", tmp_path / "x.pt"), 2, "must end in .onnx"),
        ((checkpoint_file, "--opset", 9), 2, "--opset"),
        ((), 2, "CHECKPOINT"),
        ((checkpoint_file, "--loud"), 2, "--loud"),
    ):
        assert run(*arguments) == code, arguments
        err = capsys.readouterr().err
        assert message in err
        assert "Traceback" not in err
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    assert names(tmp_path) == ["model.onnx", "model.pt"]


def test_a_mismatch_writes_nothing(
    checkpoint_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def differs(checkpoint: Checkpoint, model: bytes) -> None:
        raise ModelError("the exported model answers differently from its network")

    monkeypatch.setattr(verify_module, "verify", differs)
    assert run(checkpoint_file) == 1
    assert "answers differently" in capsys.readouterr().err
    assert names(checkpoint_file.parent) == ["model.pt"]


def test_weights_that_are_not_finite(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {
        name: tensor * float("nan") if tensor.is_floating_point() else tensor
        for name, tensor in checkpoint.state.items()
    }
    save_checkpoint(tmp_path / "nan.pt", Checkpoint(checkpoint.contract, checkpoint.model, state, {}))
    assert run(tmp_path / "nan.pt") == 1
    assert "not finite" in capsys.readouterr().err
    assert names(tmp_path) == ["nan.pt"]


def test_debug_shows_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.pt", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["fer_live.export.cli", "fer_live.training.cli"])
def test_help_waits_for_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{'torch', 'onnx', 'onnxruntime', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
