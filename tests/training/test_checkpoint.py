import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fer_live.errors import ContractError, ModelError
from fer_live.training.checkpoint import Checkpoint, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from fer_live.training.recipes.registry import ModelSpec, build_model, fer2013_contract
from fer_live.training.testing import untrained_checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.pt", untrained_checkpoint())
    return tmp_path / "model.pt"


def edited(path: Path, **changes: object) -> Path:
    save_tensors(path, {**load_tensors(path), **changes})
    return path


def test_what_is_saved_is_read(saved: Path) -> None:
    expected, found = untrained_checkpoint(), load_checkpoint(saved)
    assert (found.contract, found.model, found.provenance) == (
        expected.contract,
        expected.model,
        expected.provenance,
    )
    assert set(found.state) == set(expected.state)
    assert all(torch.equal(found.state[name], tensor) for name, tensor in expected.state.items())
    assert not found.network().training
    assert sorted(entry.name for entry in saved.parent.iterdir()) == ["model.pt"]


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_bomb_is_refused_and_not_run(how: str, saved: Path, tmp_path: Path) -> None:
    bomb = {**load_tensors(saved), "provenance": Bomb(tmp_path / "boom")}
    if how == "torch":
        torch.save(bomb, tmp_path / "bomb.pt")
    else:
        (tmp_path / "bomb.pt").write_bytes(pickle.dumps({"provenance": Bomb(tmp_path / "boom")}))
    with pytest.raises(ModelError, match="not a checkpoint") as caught:
        load_checkpoint(tmp_path / "bomb.pt")
    assert "weights_only" not in str(caught.value)
    assert caught.value.__cause__ is not None
    assert not (tmp_path / "boom").exists()


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"xxx\.pt: File name too long"):
        load_checkpoint(tmp_path / f"{'x' * 300}.pt")


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x08\x0a\x12\x07pytorch", b"PK\x03\x04" + bytes(100)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(ModelError, match="not a checkpoint") as caught:
        load_checkpoint(tmp_path / "other.pt")
    assert "\n" not in str(caught.value)
    for advice in ("weights_only", "torch.load", "arbitrary code"):
        assert advice not in str(caught.value)


def test_a_file_that_is_cut_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(ModelError, match="not a checkpoint"):
        load_checkpoint(saved)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="a folder"):
        load_checkpoint(tmp_path)


def test_plain_weights_are_refused(tmp_path: Path) -> None:
    torch.save(dict(untrained_checkpoint().state), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="not a fer-live checkpoint"):
        load_checkpoint(tmp_path / "weights.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="holds a list"):
        load_checkpoint(tmp_path / "list.pt")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"format": "fer-live checkpoint 9"}, ModelError),
        ({"contract": "{}"}, ContractError),
        ({"contract": 3}, ModelError),
        ({"model": "[]"}, ModelError),
        ({"provenance": "{"}, ModelError),
        ({"provenance": "[" * 100_000}, ModelError),
        ({"model": "[" * 100_000}, ModelError),
        ({"provenance": "[]"}, ModelError),
        ({"state": 1}, ModelError),
        ({"state": {"stem.weight": 1}}, ModelError),
    ],
)
def test_broken_entries_are_refused(changes: dict, error: type[Exception], saved: Path) -> None:
    with pytest.raises(error):
        load_checkpoint(edited(saved, **changes))


def test_weights_that_do_not_fit_are_refused(saved: Path) -> None:
    state = dict(untrained_checkpoint().state)
    removed = {name: tensor for name, tensor in state.items() if name != "stem.weight"}
    reshaped = {**state, "stem.weight": torch.zeros(3)}
    for broken in (removed, reshaped, {**state, "more": torch.zeros(1)}):
        with pytest.raises(ModelError, match="weights don't fit"):
            load_checkpoint(edited(saved, state=broken)).network()


@pytest.mark.parametrize("what", ["sparse", "quantised", "a size without memory", "a name that is none"])
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_odd_tensors_are_refused(what: str, saved: Path) -> None:
    """Found by mutated files: each of them was an error of torch's, or as many bytes as it says."""
    state = dict(untrained_checkpoint().state)
    weight = state.pop("stem.weight")
    odd = {
        "sparse": lambda: weight.to_sparse(),
        "quantised": lambda: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "a size without memory": lambda: torch.zeros(1).expand(2**20, 2**20, 2**10),
        "a name that is none": lambda: weight,
    }
    state[7 if what == "a name that is none" else "stem.weight"] = odd[what]()
    with pytest.raises(ModelError, match="weights don't fit"):
        load_checkpoint(edited(saved, state=state)).network()


@pytest.mark.parametrize(("option", "value"), [("widths", [16, 10**6, 10**6]), ("blocks", 2**31)])
def test_a_network_that_fills_the_memory_is_refused(option: str, value: object, saved: Path) -> None:
    model = untrained_checkpoint().model
    told = ModelSpec(model.name, {**model.arguments, option: value}).to_json()
    with pytest.raises(ModelError, match=r"weights don't fit|does not accept"):
        load_checkpoint(edited(saved, model=told)).network()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    checkpoint = untrained_checkpoint()
    state = {name: tensor.clone() for name, tensor in checkpoint.state.items()}
    state["stem.weight"][0, 0, 0, 0] = value
    with pytest.raises(ModelError, match=r"not finite.*stem.weight"):
        Checkpoint(checkpoint.contract, checkpoint.model, state, {}).network()


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec("transformer"),
        ModelSpec("residual", {"depth": 3}),
        ModelSpec("residual", {"widths": [], "blocks": 1, "dropout": 0.1}),
        ModelSpec("residual", {"widths": [8], "blocks": 1, "dropout": 7}),
    ],
)
def test_unknown_networks_are_refused(spec: ModelSpec) -> None:
    with pytest.raises(ModelError):
        build_model(spec, fer2013_contract())


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits of file sizes")
def test_a_full_disk_keeps_the_checkpoint_before(saved: Path) -> None:
    before = saved.read_bytes()
    script = """
import resource, signal, sys
from pathlib import Path
from fer_live.errors import SinkError
from fer_live.training.checkpoint import load_checkpoint, save_checkpoint
checkpoint = load_checkpoint(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (0, 100, 20_000, len(Path(sys.argv[1]).read_bytes()) - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save_checkpoint(Path(sys.argv[1]), checkpoint)
    except SinkError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stderr
    assert set(lines) == {f"{saved}: could not be written: File too large; the one before is kept"}
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == ["model.pt"]
