import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_live.errors import DataError
from fer_live.training.data import pack
from fer_live.training.data.fer2013 import Fer2013, load_fer2013, pack_fer2013
from fer_live.training.data.pack_command import pack_command, pack_main


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "PART_IMAGES", 128)


@pytest.fixture
def dataset(synthetic: Fer2013) -> Fer2013:
    """300 rows in three parts, some of whose images are identical, not in the order that sorting would give."""
    rows = np.arange(300)
    rows[[5, 17, 299]] = [40, 41, 0]
    return replace(synthetic.take(rows), notes=("a note",))


def same(one: Fer2013, other: Fer2013) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("images", "expression", "usage", "votes")]
    return one.notes == other.notes and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_what_was_packed_comes_back_exactly(dataset: Fer2013, tmp_path: Path) -> None:
    files = pack_fer2013(dataset, tmp_path)
    assert sorted(file.name for file in files) == [
        "images-0.png", "images-1.png", "images-2.png", "pack.json", "rows.npz",
    ]  # fmt: skip
    read = load_fer2013(tmp_path)
    assert same(read, dataset)
    assert read.identity() == dataset.identity()
    pack_fer2013(dataset.take(np.arange(70)), tmp_path)  # over what is there
    assert same(load_fer2013(tmp_path), dataset.take(np.arange(70)))


def test_a_missing_part_is_named(dataset: Fer2013, tmp_path: Path) -> None:
    pack_fer2013(dataset, tmp_path)
    (tmp_path / "images-1.png").unlink()
    with pytest.raises(DataError, match=r"lacks images-1\.png; the pack needs all its 4 parts"):
        load_fer2013(tmp_path)


@pytest.mark.parametrize("name", ["images-0.png", "rows.npz"])
def test_a_damaged_part_is_named(dataset: Fer2013, tmp_path: Path, name: str) -> None:
    pack_fer2013(dataset, tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: damaged"):
        load_fer2013(tmp_path)


def test_parts_of_another_order_are_refused(dataset: Fer2013, tmp_path: Path) -> None:
    pack_fer2013(dataset, tmp_path)
    about = json.loads((tmp_path / "pack.json").read_text())
    about["parts"][:2] = reversed(about["parts"][:2])
    (tmp_path / "pack.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="not what was packed"):
        load_fer2013(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "fer-live pack 2"}', '{"format": "fer-live pack 1"}'])
def test_another_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(DataError, match=r"pack\.json: not the pack\.json of a packed FER2013"):
        load_fer2013(tmp_path)


def test_nothing_outside_the_folder_is_read(dataset: Fer2013, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    pack_fer2013(dataset, folder)
    os.rename(folder / "images-0.png", tmp_path / "images-0.png")
    about = (folder / "pack.json").read_text().replace('"images-0.png"', '"../images-0.png"')
    (folder / "pack.json").write_text(about)
    with pytest.raises(DataError, match="lacks images-0"):
        load_fer2013(folder)


def test_command(
    dataset: Fer2013, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "data.npz"
    np.savez(
        source, images=dataset.images, emotion=dataset.expression, usage=dataset.usage, ferplus_votes=dataset.votes
    )
    pack_command.main([str(source), "--out", str(tmp_path / "pack")], standalone_mode=False)
    assert "images-2.png" in capsys.readouterr().out
    assert same(load_fer2013(tmp_path / "pack"), load_fer2013(source))
    monkeypatch.setattr("sys.argv", ["fer-pack", str(tmp_path / "none"), "--out", str(tmp_path / "pack")])
    with pytest.raises(SystemExit) as stopped:
        pack_main()
    assert stopped.value.code != 0 and "no such file" in capsys.readouterr().err


def test_no_part_can_be_larger_than_30_mib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    noise = np.random.default_rng(0).integers(0, 256, (640, 48, 48), np.uint8)
    n = len(noise)
    files = pack_fer2013(
        Fer2013(noise, np.zeros(n, np.int64), np.zeros(n, np.uint8), np.zeros((n, 10), np.uint8)), tmp_path
    )
    assert (tmp_path / "images-0.png") in files
    assert (tmp_path / "images-0.png").stat().st_size * pack.PART_IMAGES / n <= 30 * 2**20


@pytest.mark.data
@pytest.mark.slow
def test_fer2013_keeps_its_identity(
    fer2013_arrays: tuple[np.ndarray, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    images, emotion, usage = fer2013_arrays[:3]
    np.savez(tmp_path / "data.npz", images=images, emotion=emotion, usage=usage)
    dataset = load_fer2013(tmp_path / "data.npz")
    files = pack_fer2013(dataset, tmp_path / "pack")
    assert max(file.stat().st_size for file in files) <= 30 * 2**20
    assert load_fer2013(tmp_path / "pack").identity() == dataset.identity()
