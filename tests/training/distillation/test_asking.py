from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_live.contract import Contract, Head
from fer_live.errors import DataError, ModelError
from fer_live.training.checkpoint import Checkpoint, save_checkpoint
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.data.ferplus import image_hashes
from fer_live.training.distillation.asking import CheckpointTeachers
from fer_live.training.recipes.registry import ModelSpec, build_model, fer2013_contract
from fer_live.training.testing import synthetic_fer2013, untrained_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    """140 rows, the last Training one byte for byte what the first is."""
    whole = synthetic_fer2013(140, seed=3)
    rows = np.arange(140)
    training = whole.rows(Usage.Training)
    rows[training[-1]] = training[0]
    return replace(whole, images=whole.images[rows])


def written(path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(path, checkpoint)
    return path


def with_contract(contract: Contract) -> Checkpoint:
    """A small network of that contract."""
    model = ModelSpec("residual", {"widths": [8], "blocks": 1, "dropout": 0.0})
    return Checkpoint(contract, model, build_model(model, contract).state_dict(), {})


def test_answers_are_the_mean_over_teachers_and_mirror_images(dataset: Fer2013, tmp_path: Path) -> None:
    checkpoints = [untrained_checkpoint(seed) for seed in (0, 1)]
    paths = [written(tmp_path / f"{number}.pt", checkpoint) for number, checkpoint in enumerate(checkpoints)]
    said: list[tuple[int, int]] = []
    teachers = CheckpointTeachers(paths, dataset, bf16=False, on_asked=lambda asked, of: said.append((asked, of)))
    contract = fer2013_contract()
    training = dataset.rows(Usage.Training)
    hashes = image_hashes(dataset.images[training])
    teachers.prepare(hashes, contract, CPU)
    assert said[0] == (0, 4 * 111) and said[-1] == (4 * 111, 4 * 111)
    assert said == sorted(said)

    pixels = torch.from_numpy(dataset.images[training])[:, None]
    x = (pixels / 255 - contract.mean) / contract.std
    with torch.no_grad():
        each = [checkpoint.network()(view) for checkpoint in checkpoints for view in (x, x.flip(3))]
    told = teachers.logits(x, torch.arange(len(training)))
    assert [logits.shape for logits in told] == [(112, 7), (112, 8)]
    for number, logits in enumerate(told):
        assert torch.allclose(logits, torch.stack([heads[number] for heads in each]).mean(0), atol=2e-3)
        assert not torch.allclose(logits, each[0][number], atol=0.1)
        assert torch.equal(logits[0], logits[-1])
    (reversed_order,) = teachers.logits(x, torch.tensor([2, 1]))[:1]
    assert torch.equal(reversed_order, told[0][[2, 1]])


def test_bfloat16_answers_are_those_of_float32_within_its_rounding(dataset: Fer2013, tmp_path: Path) -> None:
    path = written(tmp_path / "0.pt", untrained_checkpoint())
    exact, rounded = (CheckpointTeachers([path], dataset, bf16=bf16).answers(CPU) for bf16 in (False, True))
    for name, logits in exact.answers.items():
        differences = np.abs(logits.astype(np.float32) - rounded.answers[name])
        assert 0 < differences.max() < 0.1 * np.abs(logits).max()


def test_other_weights_are_other_teachers_and_another_order_or_file_is_not(dataset: Fer2013, tmp_path: Path) -> None:
    one, other = (written(tmp_path / f"{seed}.pt", untrained_checkpoint(seed)) for seed in (0, 1))
    told = replace(untrained_checkpoint(0), provenance={"told": "otherwise"})
    copy = written(tmp_path / "copy.pt", told)

    def identity(*paths: Path) -> str:
        return CheckpointTeachers(paths, dataset, bf16=False).identity

    assert identity(one, other) == identity(other, one) == identity(other, copy)
    assert len({identity(one), identity(other), identity(one, other), identity(one, one)}) == 4


def relabelled(contract: Contract) -> Contract:
    first, second = contract.heads
    return replace(contract, heads=(Head(first.name, first.labels[::-1]), second))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda contract: replace(contract, size=64), "faces of 64 px, not of 48"),
        (lambda contract: replace(contract, heads=contract.heads[::-1]), "heads ferplus, fer2013, not fer2013, fer"),
        (lambda contract: replace(contract, heads=contract.heads[:1]), "heads fer2013, not fer2013, ferplus"),
        (relabelled, "the head fer2013 answers neutral, surprise, sad, happy, fear, disgust, angry, not angry, "),
    ],
)
def test_teachers_of_other_contracts_can_not_teach_together(
    changed: Callable[[Contract], Contract], message: str, dataset: Fer2013, tmp_path: Path
) -> None:
    good = written(tmp_path / "good.pt", with_contract(fer2013_contract()))
    odd = written(tmp_path / "odd.pt", with_contract(changed(fer2013_contract())))
    with pytest.raises(ModelError, match=rf"odd\.pt can't teach together with .*good\.pt: {message}"):
        CheckpointTeachers([good, odd], dataset, bf16=False)


def test_teachers_of_another_contract_than_the_student_s(dataset: Fer2013, tmp_path: Path) -> None:
    hashes = image_hashes(dataset.images[dataset.training_rows()])

    def prepare(theirs: Contract, student: Contract) -> None:
        path = written(tmp_path / "teacher.pt", with_contract(theirs))
        CheckpointTeachers([path], dataset, bf16=False).prepare(hashes, student, CPU)

    student = fer2013_contract()
    with pytest.raises(DataError, match="no answers for the head ferplus"):
        prepare(fer2013_contract(("fer2013",)), student)
    with pytest.raises(ModelError, match=r"teacher\.pt can't teach this student: faces of 64 px, not of 48"):
        prepare(replace(student, size=64), student)
    with pytest.raises(ModelError, match=r"teacher\.pt can't teach this student: the head fer2013 answers neutral"):
        prepare(relabelled(student), student)
    prepare(student, fer2013_contract(("fer2013",)))  # a head more does no harm
