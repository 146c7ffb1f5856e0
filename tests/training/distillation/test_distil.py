from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_live.errors import DataError, ModelError
from fer_live.training.augmentation.batches import Batch
from fer_live.training.data.fer2013 import Fer2013, Usage, load_fer2013, pack_fer2013
from fer_live.training.data.ferplus import image_hashes
from fer_live.training.distillation.distil import Distillation, LiveTeachers, StoredTeachers, distillation_loss, fold_of
from fer_live.training.distillation.teachers import ask, load_live, load_teachers
from fer_live.training.evaluation.logits import normalise
from fer_live.training.flagship import flagship_command
from fer_live.training.recipes.config import TrainConfig
from fer_live.training.recipes.registry import RECIPES, ModelSpec, fer2013_contract
from fer_live.training.run.fold_teachers import train_teachers, without_fold
from fer_live.training.run.loop import train
from fer_live.training.testing import synthetic_fer2013

CPU = torch.device("cpu")
TINY = replace(
    RECIPES["residual_tiny"], model=ModelSpec("residual", {"widths": [8, 16], "blocks": 1, "dropout": 0.0})
).with_options({"epochs": 1, "batch_size": 32})
CONFIG = TrainConfig(distill=0.5, distill_temperature=2.0)


@pytest.fixture(scope="module")
def dataset() -> Fer2013:
    """280 rows, the last two Training ones byte for byte what two others are."""
    whole = synthetic_fer2013(280, seed=3)
    rows = np.arange(280)
    training = whole.rows(Usage.Training)
    rows[training[-2:]] = training[:2]
    return replace(whole, images=whole.images[rows])


@pytest.fixture(scope="module")
def teachers(dataset: Fer2013, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teachers")
    train_teachers(TINY, dataset, folder, folds=2, seeds=(0, 1), device=CPU, bf16=False)
    return folder


def batch_of(rows: Tensor, partners: Tensor, share: Tensor) -> tuple[Tensor, Batch]:
    x = torch.randn(len(rows), 1, 48, 48, generator=torch.Generator().manual_seed(0))
    return x, Batch(x, rows, partners, share)


def test_identical_images_share_a_fold_and_folds_are_of_like_size(dataset: Fer2013) -> None:
    hashes = image_hashes(dataset.images)
    folds = fold_of(hashes, 3)
    training = dataset.rows(Usage.Training)
    assert np.array_equal(folds[training[-2:]], folds[training[:2]])
    assert np.bincount(folds, minlength=3).min() > 60
    for fold in range(3):
        left = without_fold(dataset, fold, 3)
        seen = image_hashes(left.images[left.rows(Usage.Training)])
        assert not np.isin(seen, hashes[training][folds[training] == fold]).any()
        assert np.isin(hashes[training][folds[training] != fold], seen).all()
        assert np.array_equal(left.images[left.rows(Usage.PublicTest)], dataset.images[dataset.rows(Usage.PublicTest)])


def test_the_loss_is_least_and_flat_where_student_and_teacher_agree() -> None:
    target_logits = torch.randn(16, 7, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 4.0):
        target = torch.softmax(target_logits / temperature, 1)
        agreeing = (target_logits + 3).requires_grad_()
        loss = distillation_loss(agreeing, target, temperature)
        loss.backward()
        assert agreeing.grad is not None
        assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
        assert float(agreeing.grad.abs().max()) < 1e-6
        assert float(distillation_loss(target_logits + torch.eye(16, 7), target, temperature)) > 0.01


def test_at_one_degree_and_sure_teachers_it_is_the_cross_entropy() -> None:
    logits = torch.randn(16, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(16) % 7
    sure = functional.one_hot(labels, 7).float()
    assert float(distillation_loss(logits, sure, 1.0)) == pytest.approx(float(functional.cross_entropy(logits, labels)))


def test_a_hot_comparison_pulls_logits_together() -> None:
    """Hinton et al. 2015, equation 4: for high T and logits of mean 0 the gradient is their difference over C."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(1, 7, generator=generator) for _ in range(2))
    student, teacher = student - student.mean(), teacher - teacher.mean()
    student.requires_grad_()
    distillation_loss(student, torch.softmax(teacher / 1000, 1), 1000.0).backward()
    assert student.grad is not None
    assert torch.allclose(student.grad, (student.detach() - teacher) / 7, atol=2e-3)


class Constant(nn.Module):
    """Says the same of every face, and notes how many it saw."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label, self.seen = label, 0

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.seen += len(x)
        return tuple(10 * functional.one_hot(torch.full((len(x),), self.label), n).float() for n in (7, 8))


def test_a_live_teacher_is_asked_about_its_own_fold_only() -> None:
    hashes = np.arange(12, dtype=np.uint64) << np.uint64(8)  # folds 0, 1, 2, 0, ...
    networks = [[Constant(fold)] for fold in range(3)]
    distillation = Distillation(LiveTeachers(networks, "three"), CONFIG, hashes, fer2013_contract(), CPU)
    rows = torch.tensor([5, 0, 7, 1])
    x, batch = batch_of(rows, torch.tensor([5, 2, 7, 0]), torch.tensor([1.0, 0.75, 1.0, 0.5]))
    expression, ferplus = distillation.targets(x, batch)
    assert expression.argmax(1).tolist()[:3] == [2, 0, 1]
    assert [network.seen for (network,) in networks] == [2, 2, 2]
    assert torch.allclose(expression.sum(1), torch.ones(4)) and ferplus.shape == (4, 8)
    high = float(torch.softmax(torch.tensor([5.0] + 6 * [0.0]), 0)[0])
    low = (1 - high) / 6
    assert float(expression[1, 0]) == pytest.approx(0.75 * high + 0.25 * low)
    assert float(expression[1, 2]) == pytest.approx(0.25 * high + 0.75 * low)


def test_stored_answers_are_those_of_teachers_that_have_not_seen_the_image(
    dataset: Fer2013, teachers: Path, tmp_path: Path
) -> None:
    stored, right = ask(teachers, dataset, CPU)
    assert 0 <= right <= 1
    hashes = image_hashes(dataset.images[dataset.training_rows()])
    assert len(stored.hashes) == len(set(stored.hashes.tolist())) == 222
    path = tmp_path / "teacher_logits.npz"
    stored.write(path)
    again = load_teachers([path], dataset, bf16=False)
    assert again.identity == stored.identity
    live = load_live(teachers)
    contract = fer2013_contract()
    rows = torch.arange(len(hashes))
    again.prepare(hashes, contract, CPU)
    live.prepare(hashes, contract, CPU)
    x = normalise(torch.from_numpy(dataset.images[dataset.training_rows()])[:, None], contract)
    with torch.no_grad():
        pairs = list(zip(again.logits(x, rows), live.logits(x, rows), strict=True))
    assert len(pairs) == 2
    for told, said in pairs:
        assert torch.allclose(told, said, atol=0.01)


def test_answers_of_other_data_are_refused(dataset: Fer2013, tmp_path: Path) -> None:
    stored = StoredTeachers(np.array([7, 3], np.uint64), {"fer2013": np.zeros((2, 7), np.float16)})
    with pytest.raises(DataError, match="no answers for the head ferplus"):
        stored.prepare(np.array([3], np.uint64), fer2013_contract(), CPU)
    with pytest.raises(DataError, match="no answers for 1 of 2 training images"):
        stored.prepare(np.array([3, 4], np.uint64), fer2013_contract(("fer2013",)), CPU)
    with pytest.raises(DataError, match="answers for the head ferplus have 7 labels, not 8"):
        both = {name: np.zeros((1, 7), np.float16) for name in ("fer2013", "ferplus")}
        StoredTeachers(np.array([3], np.uint64), both).prepare(np.array([3], np.uint64), fer2013_contract(), CPU)
    (tmp_path / "x.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="not a file of teachers' answers"):
        load_teachers([tmp_path / "x.npz"], dataset, bf16=False)
    with pytest.raises(DataError, match="no such file"):
        load_teachers([tmp_path / "none"], dataset, bf16=False)
    with pytest.raises(ModelError, match=r"teachers\.json"):
        load_teachers([tmp_path], dataset, bf16=False)


def test_teachers_and_their_weight_go_together(dataset: Fer2013, teachers: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give --teachers"):
        train(TINY.with_options({"distill": 0.5}), dataset, tmp_path, device=CPU, bf16=False)
    with pytest.raises(DataError, match="does not use teachers"):
        train(TINY, dataset, tmp_path, device=CPU, bf16=False, teachers=load_live(teachers))


def test_another_teacher_is_another_run(dataset: Fer2013, teachers: Path, tmp_path: Path) -> None:
    student = TINY.with_options({"distill": 0.9, "cutmix": 0.5})
    train(student, dataset, tmp_path, device=CPU, bf16=False, teachers=load_live(teachers))
    with pytest.raises(ModelError, match="other teachers"):
        train(student, dataset, tmp_path, device=CPU, bf16=False, teachers=ask(teachers, dataset, CPU)[0])


def test_the_script_stops_in_time_and_goes_on(
    dataset: Fer2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "flagship_teacher", TINY)
    monkeypatch.setitem(RECIPES, "flagship", TINY.with_options({"distill": 0.7, "cutmix": 0.5}))
    pack_fer2013(dataset, tmp_path / "pack")
    out = tmp_path / "out"

    def script(*more: str) -> str:
        words = ["--data", str(tmp_path / "pack"), "--out", str(out), "--folds", "2", "--device", "cpu", *more]
        flagship_command.main(words, standalone_mode=False)
        return capsys.readouterr().out

    assert "minutes are up" in script("--minutes", "1e-9")
    assert not (out / "teacher_logits.npz").exists()
    said = script("--seeds", "0,1", "--precision", "float32")
    assert "fold1-seed0 epoch 1" in said and "student-seed1 epoch 1" in said and "finished" in said
    assert "student-seed1: PublicTest" in said
    assert (out / "teacher_logits.npz").stat().st_size < 20_000
    assert load_fer2013(tmp_path / "pack").identity() == dataset.identity()
    again = script("--stage", "student", "--teachers", "stored", "--precision", "float32")
    assert "student-seed0 epoch 1" in again
    with pytest.raises(ModelError, match="other teachers"):
        script("--stage", "student", "--teachers", "live", "--precision", "float32")
