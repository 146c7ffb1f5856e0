import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_live.contract import Contract
from fer_live.errors import DataError
from fer_live.training.data import Fer2013, Usage
from fer_live.training.ferplus import ferplus_majority
from fer_live.training.recipes import fer2013_contract
from fer_live.training.report import CLASS_COLUMNS, SPLIT_COLUMNS, class_rows, evaluate, split_rows, write_report
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
    assert public.ferplus is not None
    assert public.ferplus.n == 24
    assert public.ferplus.accuracy == 1
    assert public.reliability[:, 0].sum() == 56


def test_public_only_does_not_ask_for_private_images(dataset: Fer2013) -> None:
    private = {image.tobytes() for image in dataset.images[dataset.rows(Usage.PrivateTest)]}
    oracle = Oracle(dataset)

    class Watched(Oracle):
        def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
            assert not private & {image.tobytes() for image in images}
            return oracle(images)

    evaluation = evaluate(Watched(dataset), dataset, with_private=False, mirror=False)
    assert [split.key for split in evaluation.splits] == ["public"]


def test_rows_fit_their_columns(dataset: Fer2013) -> None:
    evaluation = evaluate(Oracle(dataset), dataset, with_private=True, mirror=True)
    assert evaluation.view == "mirror-averaged"
    assert all(len(row) == len(SPLIT_COLUMNS) for row in split_rows(evaluation))
    rows = class_rows(evaluation.splits[0].fer2013)
    assert [row[0] for row in rows] == list(fer2013_contract().labels)
    assert all(len(row) == len(CLASS_COLUMNS) for row in rows)


def test_a_report_holds_all_figures(dataset: Fer2013, tmp_path: Path) -> None:
    evaluation = evaluate(Oracle(dataset), dataset, with_private=True, mirror=False)
    about = {"model": {"file": "m.onnx", "sha256": "0" * 64, "provenance": {"a": 1}}, "date": "2026-01-02"}
    write_report(tmp_path / "new" / "report", evaluation, about)
    folder = tmp_path / "new" / "report"
    expected = {f"{kind}_{split.key}.png" for kind in ("confusion", "reliability") for split in evaluation.splits}
    assert {entry.name for entry in folder.iterdir()} == {*expected, "metrics.json", "report.md"}
    figures = json.loads((folder / "metrics.json").read_text())
    assert figures["model"] == about["model"]
    assert figures["view"] == "single view"
    assert figures["splits"]["private_dedup"]["fer2013"]["n"] == 55
    assert figures["splits"]["public"]["ferplus_majority"]["n"] == 24
    text = (folder / "report.md").read_text()
    assert "| PrivateTest (dedup) | 55 | 100.00 |" in text
    assert "- model: file m.onnx, sha256 000" in text
    assert "- date: 2026-01-02" in text


def test_a_data_set_without_a_split_is_refused(dataset: Fer2013) -> None:
    without = subset(dataset, np.flatnonzero(dataset.usage != Usage.PrivateTest))
    assert evaluate(Oracle(dataset), without, with_private=False, mirror=False)
    with pytest.raises(DataError, match="no image of PrivateTest"):
        evaluate(Oracle(dataset), without, with_private=True, mirror=False)
