from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_live.contract import Contract
from fer_live.errors import DataError, ModelError
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.data.ferplus import ferplus_majority
from fer_live.training.evaluation.splits import TRAIN_SAMPLE, check_labels, evaluate, training_sample
from fer_live.training.recipes.registry import fer2013_contract
from fer_live.training.testing import subset


class Oracle:
    """Knows every image's label but those of PublicTest's first, and answers by hand-made probabilities."""

    runtime = "by heart"
    provenance: dict[str, Any]

    def __init__(self, dataset: Fer2013) -> None:
        self.contract: Contract = fer2013_contract()
        self.provenance = {}
        wrong = dataset.rows(Usage.PublicTest)[0]
        majority = ferplus_majority(dataset.votes)
        self._answers = {
            image.tobytes(): ((label + (row == wrong)) % 7, max(0, other))
            for row, (image, label, other) in enumerate(zip(dataset.images, dataset.expression, majority, strict=True))
        }

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        answers = [self._answers.get(image.tobytes(), (0, 0)) for image in images]
        heads = []
        for classes, column in ((7, 0), (8, 1)):
            head = np.full((len(images), classes), 0.1 / (classes - 1), np.float32)
            head[np.arange(len(images)), [answer[column] for answer in answers]] = 0.9
            heads.append(head)
        return tuple(heads)


@pytest.fixture(scope="module")
def dataset(synthetic: Fer2013) -> Fer2013:
    votes = synthetic.votes.copy()
    votes[::2] = [0] * 8 + [10, 0]  # every other image has no FER+ majority
    images = synthetic.images.copy()
    images[synthetic.rows(Usage.PrivateTest)[0]] = images[synthetic.rows(Usage.Training)[0]]
    return Fer2013(images, synthetic.expression, synthetic.usage, votes, ("a note",))


def test_the_splits_and_their_figures(dataset: Fer2013) -> None:
    evaluation = evaluate(Oracle(dataset), dataset, with_private=True, mirror=False)
    assert [split.key for split in evaluation.splits] == ["public", "private", "private_dedup"]
    public, private, dedup = evaluation.splits
    assert [split.fer2013.n for split in evaluation.splits] == [56, 56, 55]
    assert public.fer2013.accuracy == pytest.approx(55 / 56)
    assert private.fer2013.accuracy == dedup.fer2013.accuracy == 1
    assert public.answers.correct.tolist() == [False] + [True] * 55
    assert public.ferplus is not None
    assert public.ferplus.n == 24
    assert public.ferplus.accuracy == 1
    assert public.reliability[:, 0].sum() == 56


def test_a_draw_of_training_images_that_are_not_in_a_test_is_measured_beside(
    dataset: Fer2013, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_live.training.evaluation.splits.TRAIN_SAMPLE", 100)
    rows = training_sample(dataset)
    assert len(rows) == 100 < TRAIN_SAMPLE
    assert set(rows) <= set(dataset.training_rows())
    assert np.array_equal(rows, training_sample(dataset))
    training = evaluate(Oracle(dataset), dataset, with_private=False, mirror=False).training
    assert training is not None
    assert (training.key, training.fer2013.n, training.fer2013.accuracy) == ("train", 100, 1)
    assert training.answers.truth.tolist() == dataset.expression[rows].tolist()
    tests = subset(dataset, np.flatnonzero(dataset.usage != Usage.Training))
    assert evaluate(Oracle(dataset), tests, with_private=True, mirror=False).training is None


def test_public_only_does_not_ask_for_private_images(dataset: Fer2013) -> None:
    private = {image.tobytes() for image in dataset.images[dataset.rows(Usage.PrivateTest)]}
    oracle = Oracle(dataset)

    class Watched(Oracle):
        def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
            assert not private & {image.tobytes() for image in images}
            return oracle(images)

    evaluation = evaluate(Watched(dataset), dataset, with_private=False, mirror=False)
    assert [split.key for split in evaluation.splits] == ["public"]


def test_mirror_averaging_is_said(dataset: Fer2013) -> None:
    assert evaluate(Oracle(dataset), dataset, with_private=False, mirror=True).view == "mirror-averaged"


def test_a_data_set_without_a_split_is_refused(dataset: Fer2013) -> None:
    without = subset(dataset, np.flatnonzero(dataset.usage != Usage.PrivateTest))
    assert evaluate(Oracle(dataset), without, with_private=False, mirror=False)
    with pytest.raises(DataError, match="no image of PrivateTest"):
        evaluate(Oracle(dataset), without, with_private=True, mirror=False)


def test_a_model_with_other_labels_is_refused(dataset: Fer2013) -> None:
    oracle = Oracle(dataset)
    check_labels(oracle, "m.onnx")
    oracle.contract = replace(oracle.contract, heads=oracle.contract.heads[1:])
    with pytest.raises(ModelError, match=r"^m.onnx: its labels are neutral, happy, .*contempt; only models with"):
        check_labels(oracle, "m.onnx")
