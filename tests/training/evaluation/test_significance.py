import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_live.training.evaluation.metrics import compute_metrics
from fer_live.training.evaluation.significance import (
    FIGURES,
    Resamples,
    bootstrap_interval,
    differences,
    estimates,
    holm,
    mcnemar,
    replicates_of,
)
from fer_live.training.evaluation.splits import Answers

LABELS = tuple("abcde")


def answers_of(n: int, seed: int, skill: float = 2.0) -> Answers:
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(99).integers(0, 5, n)
    logits = generator.normal(0, 1, (n, 5)) + skill * np.eye(5)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Answers(probabilities.astype(np.float32), truth)


@given(st.integers(1, 80), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_a_replicate_is_the_figures_of_its_resample(n: int, seed: int) -> None:
    answers = answers_of(n, seed)
    resamples = Resamples(n, 3, seed)
    replicates = replicates_of(answers, resamples)
    (weights,) = resamples.batches()
    for number, counts in enumerate(weights.astype(int)):
        assert counts.sum() == n
        drawn = np.repeat(np.arange(n), counts)
        expected = compute_metrics(answers.probabilities[drawn], answers.truth[drawn], LABELS)
        for name in FIGURES:
            assert replicates[name][number] == pytest.approx(getattr(expected, name), abs=1e-6), name


@given(st.integers(1, 60), st.integers(0, 999))
@settings(max_examples=20)
def test_intervals_hold_the_figure_and_are_repeatable(n: int, seed: int) -> None:
    answers = answers_of(n, seed)
    metrics = compute_metrics(answers.probabilities, answers.truth, LABELS)
    found = estimates(answers, replicates_of(answers, Resamples(n, 300, seed)))
    assert found == estimates(answers, replicates_of(answers, Resamples(n, 300, seed)))
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(getattr(metrics, name), abs=1e-6)
        assert estimate.low <= estimate.value <= estimate.high


@given(
    st.floats(-1, 1),
    st.lists(st.floats(-1, 1), min_size=1, max_size=40).map(lambda values: np.array(values, np.float64)),
)
def test_any_replicates_give_an_interval_around_the_figure(value: float, replicates: np.ndarray) -> None:
    estimate = bootstrap_interval(value, replicates)
    assert estimate.low <= value <= estimate.high
    assert {estimate.low, estimate.high} <= {value, *replicates.tolist()}


def test_the_interval_of_an_accuracy_has_the_textbook_width() -> None:
    answers = answers_of(2000, 1)
    accuracy = estimates(answers, replicates_of(answers, Resamples(2000, 2000, 0)))["accuracy"]
    half = 1.96 * math.sqrt(accuracy.value * (1 - accuracy.value) / 2000)
    assert accuracy.value - accuracy.low == pytest.approx(half, rel=0.1)
    assert accuracy.high - accuracy.value == pytest.approx(half, rel=0.1)


def test_a_bias_of_the_resamples_is_taken_back() -> None:
    """The resamples of a well calibrated model's ECE lie above it: a plain percentile interval would, too."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(5), 3000).astype(np.float32)
    truth = np.array([generator.choice(5, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    answers = Answers(probabilities, truth)
    replicates = replicates_of(answers, Resamples(3000, 500, 0))
    ece = estimates(answers, replicates)["ece"]
    assert (replicates["ece"] > ece.value).mean() > 0.8
    assert ece.high < np.quantile(replicates["ece"], 0.975)


def test_differences_are_paired() -> None:
    one, other = answers_of(400, 1), answers_of(400, 2, skill=1.2)
    resamples = Resamples(400, 500, 0)
    ours, theirs = replicates_of(one, resamples), replicates_of(other, resamples)
    forth, back = differences(one, other, ours, theirs), differences(other, one, theirs, ours)
    assert forth["accuracy"].value == pytest.approx(one.correct.mean() - other.correct.mean())
    assert forth["accuracy"].low > 0
    for name in FIGURES:
        assert back[name].value == pytest.approx(-forth[name].value)
        assert back[name].low == pytest.approx(-forth[name].high, abs=0.02)
    same = differences(one, one, ours, ours)
    assert all((value.low, value.value, value.high) == (0, 0, 0) for value in same.values())


def table(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    right = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither
    pairs = np.array(right, bool).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 5), st.integers(0, 5))
def test_mcnemar_is_the_binomial_test_and_symmetric(first: int, second: int, both: int, neither: int) -> None:
    one, other = table(both, first, second, neither)
    found, swapped = mcnemar(one, other), mcnemar(other, one)
    assert (found.both, found.only_first, found.only_second, found.neither) == (both, first, second, neither)
    assert (found.exact_p, found.mid_p) == (swapped.exact_p, swapped.mid_p)
    n = first + second
    chance = [Fraction(math.comb(n, k), 2**n) for k in range(n + 1)]
    # Every table at most as likely as this one: the binomial test, which at one half is twice a tail.
    exact = sum(share for share in chance if share <= chance[first])
    assert found.exact_p == pytest.approx(float(exact))
    assert 0 < found.mid_p <= found.exact_p <= 1
    if first != second:
        assert found.mid_p == pytest.approx(float(exact - chance[first]))
    else:
        assert found.mid_p == 1


def test_mcnemar_on_a_published_table() -> None:
    # Fagerland et al. 2013, table 1 (Bentur et al. 2009): 1 and 7 of 21 changed; exact .070, mid-p .039.
    found = mcnemar(*table(1, 1, 7, 12))
    assert found.exact_p == pytest.approx(0.0703, abs=5e-5)
    assert found.mid_p == pytest.approx(0.0391, abs=5e-5)


def test_mcnemar_of_many_images_does_not_overflow() -> None:
    found = mcnemar(*table(0, 1800, 1400, 0))
    assert 0 < found.mid_p < found.exact_p < 1e-9


def test_equal_answers_tell_nothing() -> None:
    right = np.array([True, False, True])
    assert mcnemar(right, right).exact_p == mcnemar(right, right).mid_p == 1
    assert mcnemar(right[:0], right[:0]).mid_p == 1


def test_holm() -> None:
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
