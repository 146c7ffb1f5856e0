"""A model on FER2013's test splits and on a draw of its training images: its answers, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_live.contract import FER2013_LABELS
from fer_live.errors import DataError, ModelError
from fer_live.training.augmentation.sampling import sample_rows
from fer_live.training.data.fer2013 import Fer2013, Usage
from fer_live.training.data.ferplus import ferplus_majority

from .metrics import Metrics, calibration_bins, compute_metrics
from .predictors import Images, Predictor, mirror_averaged

__all__ = [
    "TRAIN_SAMPLE",
    "Answers",
    "Evaluation",
    "SplitResult",
    "answer",
    "check_labels",
    "evaluate",
    "training_sample",
    "view_name",
]

Floats = NDArray[np.float32]

TRAIN_SAMPLE = 3589
"""Training images that the training figure is measured on, as many as each test split has: a fixed draw."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Probabilities (N, C) of one head and true labels (N,) int64, N > 0."""

    probabilities: Floats
    truth: NDArray[np.int64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which images the likeliest label is right for, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.truth)


@dataclass(frozen=True, slots=True)
class SplitResult:
    """One split: figures of the FER2013 head, and of the FER+ head on the images with a FER+ majority (or None).

    ``reliability``: (15, 3), see :func:`~fer_live.training.evaluation.metrics.calibration_bins`. ``answers``: what the
    figures were made of, for what compares models face by face.
    """

    key: str
    name: str
    fer2013: Metrics
    ferplus: Metrics | None
    reliability: NDArray[np.float64]
    answers: Answers
    ferplus_answers: Answers | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results by test split, and how they were made. ``view``: "single view" or "mirror-averaged".

    ``training``: those of :func:`training_sample`, None where the data set has no Training image.
    """

    splits: tuple[SplitResult, ...]
    view: str
    runtime: str
    training: SplitResult | None = None


def check_labels(predict: Predictor, name: str) -> None:
    """See that a model's first head answers in FER2013's labels.

    Raises:
        ModelError: it doesn't.
    """
    labels = predict.contract.labels
    if labels != FER2013_LABELS:
        raise ModelError(
            f"{name}: its labels are {', '.join(labels)}; only models with FER2013's "
            f"({', '.join(FER2013_LABELS)}) can be evaluated on FER2013"
        )


def answer(predict: Predictor, images: Images, *, mirror: bool) -> tuple[Floats, ...]:
    """Probabilities (N, C) of each head for images (N, S, S), averaged with the mirror images' if wanted."""
    return mirror_averaged(predict, images) if mirror else predict(images)


def view_name(mirror: bool) -> str:
    """How :func:`answer` looks at an image, in words."""
    return "mirror-averaged" if mirror else "single view"


def training_sample(dataset: Fer2013) -> NDArray[np.int64]:
    """Rows of :data:`TRAIN_SAMPLE` training images that copy no test image, or all where there are no more."""
    return sample_rows(dataset.training_rows(), TRAIN_SAMPLE)


def evaluate(predict: Predictor, dataset: Fer2013, *, with_private: bool, mirror: bool) -> Evaluation:
    """Evaluate a model on PublicTest, on some training images and, if wanted, on PrivateTest, standard and dedup.

    Raises:
        DataError: the data set has no image of a split.
    """
    wanted = [("public", "PublicTest", dataset.rows(Usage.PublicTest))]
    if with_private:
        wanted += [
            ("private", "PrivateTest (standard)", dataset.rows(Usage.PrivateTest)),
            ("private_dedup", "PrivateTest (dedup)", dataset.dedup_private_rows()),
        ]
    for _, name, rows in wanted:
        if not len(rows):
            raise DataError(f"the data set has no image of {name}; the official fer2013.csv has some")
    drawn = training_sample(dataset)
    if len(drawn):
        wanted.append(("train", "Training (a draw)", drawn))
    rows = np.unique(np.concatenate([rows for _, _, rows in wanted]))
    heads = answer(predict, dataset.images[rows], mirror=mirror)
    results = [
        _result(key, name, dataset, of, [head[np.searchsorted(rows, of)] for head in heads], predict)
        for key, name, of in wanted
    ]
    training = results.pop() if len(drawn) else None
    return Evaluation(tuple(results), view_name(mirror), predict.runtime, training)


def _result(
    key: str, name: str, dataset: Fer2013, rows: NDArray[np.int64], heads: Sequence[Floats], predict: Predictor
) -> SplitResult:
    answers = Answers(heads[0], dataset.expression[rows])
    ferplus, ferplus_answers = None, None
    names = [head.name for head in predict.contract.heads]
    if "ferplus" in names:
        number = names.index("ferplus")
        majority = ferplus_majority(dataset.votes[rows])
        if (majority >= 0).any():
            ferplus_answers = Answers(heads[number][majority >= 0], majority[majority >= 0])
            ferplus = _figures(ferplus_answers, predict.contract.heads[number].labels)
    return SplitResult(
        key=key,
        name=name,
        fer2013=_figures(answers, predict.contract.labels),
        ferplus=ferplus,
        reliability=calibration_bins(answers.probabilities, answers.truth),
        answers=answers,
        ferplus_answers=ferplus_answers,
    )


def _figures(answers: Answers, labels: Sequence[str]) -> Metrics:
    return compute_metrics(answers.probabilities, answers.truth, labels)
