"""Models side by side on FER2013: figures with intervals, paired differences, selective answers, robustness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from fer_live.training.data.fer2013 import Fer2013

from .predictors import Predictor
from .robustness import Robustness, measure_robustness
from .selective import OperatingPoint, RiskCoverage, operating_point, risk_coverage, threshold_for
from .significance import Estimate, McNemar, Resamples, differences, estimates, holm, mcnemar, replicates_of
from .splits import Evaluation, SplitResult, evaluate

__all__ = ["Comparison", "ModelResult", "Pair", "Settings", "SplitFigures", "compare", "model_names"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How models are compared.

    ``robustness_images``: PublicTest images to corrupt, None for all. ``risk``: share of wrong answers (0..1) that a
    threshold of confidence is chosen for, on PublicTest. ``resamples``: of the bootstrap.
    """

    with_private: bool = True
    mirror: bool = False
    with_robustness: bool = True
    robustness_images: int | None = None
    risk: float = 0.15
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """One model on one split: its figures with intervals (FER+'s are None without that head), and its choosiness."""

    result: SplitResult
    estimates: Mapping[str, Estimate]
    ferplus_estimates: Mapping[str, Estimate] | None
    curve: RiskCoverage
    point: OperatingPoint


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model. ``about``: file, SHA-256 and so on, JSON values. ``splits``: in the order of the evaluation.

    ``training``: of the draw of training images, None where the data set has none.
    """

    name: str
    about: Mapping[str, Any]
    evaluation: Evaluation
    splits: tuple[SplitFigures, ...]
    robustness: Robustness | None
    training: SplitFigures | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models (by number) on one split. ``differences``: of the first minus the second, paired.

    ``holm_p``: the mid-p value, adjusted for all pairs of the split.
    """

    first: int
    second: int
    split: str
    differences: Mapping[str, Estimate]
    test: McNemar
    holm_p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a report shows. ``about``: data, date, versions and machine, JSON values."""

    models: tuple[ModelResult, ...]
    pairs: tuple[Pair, ...]
    settings: Settings
    about: Mapping[str, Any]

    @property
    def split_keys(self) -> tuple[str, ...]:
        """Keys of the splits that were opened."""
        return tuple(figures.result.key for figures in self.models[0].splits)

    def on(self, key: str) -> tuple[SplitFigures, ...]:
        """Every model's figures on one split."""
        number = self.split_keys.index(key)
        return tuple(model.splits[number] for model in self.models)


def model_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its own, with as many folders before it as tell it from the others."""
    names = [path.name for path in paths]
    for depth in range(2, max((len(path.parts) for path in paths), default=1) + 1):
        twice = {name for name in names if names.count(name) > 1}
        names = [
            "/".join(path.parts[-depth:]) if name in twice else name for name, path in zip(names, paths, strict=True)
        ]
    return names


def compare(
    models: Sequence[tuple[str, Predictor, Mapping[str, Any]]],
    dataset: Fer2013,
    settings: Settings,
    about: Mapping[str, Any],
    on_pass: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Evaluate models (name, predictor, facts about it) on the same images, each once, and compare them.

    ``on_pass`` is told what has been done: one pass for the splits of each model, and
    :data:`~fer_live.training.evaluation.robustness.PASSES` where robustness is measured.

    Raises:
        DataError: the data set has no image of a split.
    """
    results, replicates = [], []
    for name, predict, facts in models:
        evaluation = evaluate(predict, dataset, with_private=settings.with_private, mirror=settings.mirror)
        on_pass(f"{name}: test splits")
        drawn = {split.key: replicates_of(split.answers, _resamples(split, settings)) for split in evaluation.splits}
        threshold = threshold_for(risk_coverage(evaluation.splits[0].answers), settings.risk)
        splits = tuple(_figures(split, drawn[split.key], threshold, settings) for split in evaluation.splits)
        robustness = None
        if settings.with_robustness:
            robustness = measure_robustness(
                predict,
                dataset,
                images=settings.robustness_images,
                mirror=settings.mirror,
                resamples=settings.resamples,
                seed=settings.seed,
                on_pass=lambda what, name=name: on_pass(f"{name}: {what}"),  # type: ignore[misc]
            )
        training = None
        if (sample := evaluation.training) is not None:
            training = _figures(
                sample, replicates_of(sample.answers, _resamples(sample, settings)), threshold, settings
            )
        results.append(ModelResult(name, facts, evaluation, splits, robustness, training))
        replicates.append(drawn)
    pairs = [
        pair
        for key in (split.key for split in results[0].evaluation.splits)
        for pair in _pairs(key, results, replicates)
    ]
    return Comparison(tuple(results), tuple(pairs), settings, about)


def _resamples(split: SplitResult, settings: Settings) -> Resamples:
    return Resamples(len(split.answers.truth), settings.resamples, settings.seed)


def _figures(split: SplitResult, drawn: Mapping[str, Any], threshold: float, settings: Settings) -> SplitFigures:
    ferplus = None
    if split.ferplus_answers is not None:
        resamples = Resamples(len(split.ferplus_answers.truth), settings.resamples, settings.seed)
        ferplus = estimates(split.ferplus_answers, replicates_of(split.ferplus_answers, resamples))
    return SplitFigures(
        result=split,
        estimates=estimates(split.answers, drawn),
        ferplus_estimates=ferplus,
        curve=risk_coverage(split.answers),
        point=operating_point(split.answers, threshold),
    )


def _pairs(key: str, results: Sequence[ModelResult], replicates: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """All pairs of models on one split."""
    answers = [
        next(split.answers for split in result.evaluation.splits if split.key == key) for result in results
    ]  # of each model
    pairs = list(combinations(range(len(results)), 2))
    tests = [mcnemar(answers[first].correct, answers[second].correct) for first, second in pairs]
    adjusted = holm([test.mid_p for test in tests])
    return [
        Pair(
            first,
            second,
            key,
            differences(answers[first], answers[second], replicates[first][key], replicates[second][key]),
            test,
            p_value,
        )
        for (first, second), test, p_value in zip(pairs, tests, adjusted, strict=True)
    ]
