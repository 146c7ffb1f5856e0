import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_live.training.evaluation.logits import probabilities_of
from fer_live.training.evaluation.metrics import calibration_bins, compute_metrics, wilson_interval


def test_figures_by_hand() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]], np.float32)
    metrics = compute_metrics(probabilities, np.array([0, 1, 1, 2]), ("a", "b", "c"))
    assert metrics.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))
    assert metrics.n == 4
    assert metrics.accuracy == 0.75
    assert metrics.precision == (0.5, 1.0, 1.0)
    assert metrics.recall == (1.0, 0.5, 1.0)
    assert metrics.f1 == pytest.approx((2 / 3, 2 / 3, 1.0))
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert metrics.balanced_accuracy == pytest.approx(2.5 / 3)
    assert metrics.nll == pytest.approx(-(math.log(0.8) + math.log(0.3) + math.log(0.7) + math.log(0.6)) / 4)
    brier = (0.04 + 0.01 + 0.01) + (0.36 + 0.49 + 0.01) + (0.01 + 0.09 + 0.04) + (0.04 + 0.04 + 0.16)
    assert metrics.brier == pytest.approx(brier / 4)
    # Bins of 1/15: .8 -> 11 (float32 .8 is just above 12/15 -> 12), .7 -> 10, both .6 (just above 9/15) -> 9.
    assert metrics.ece == pytest.approx((abs(0.8 - 1) + abs(0.7 - 1) + 2 * abs(0.6 - 0.5)) / 4)
    assert metrics.accuracy_at_70 == pytest.approx(2 / 3)  # the surest three: .8 right, .7 right, the first .6 wrong


def test_a_class_that_never_occurs_does_not_count() -> None:
    metrics = compute_metrics(np.array([[0.9, 0.05, 0.05]], np.float32), np.array([0]), ("a", "b", "c"))
    assert metrics.balanced_accuracy == metrics.macro_f1 == 1.0
    assert metrics.absent == ("b", "c")
    assert metrics.recall == (1.0, 0.0, 0.0)
    assert metrics.recall_interval[1] == (0.0, 1.0)


def test_no_images_have_no_figures() -> None:
    with pytest.raises(ValueError, match="no images"):
        compute_metrics(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), ("a", "b", "c"))


@given(
    logits=hnp.arrays(np.float32, st.tuples(st.integers(1, 60), st.just(7)), elements=st.floats(-20, 20, width=32)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_figures_have_their_ranges(logits: np.ndarray, seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, 7, len(logits))
    metrics = compute_metrics(probabilities_of(logits, 1.3), truth, tuple("abcdefg"))
    low, high = metrics.accuracy_interval
    assert 0 <= low <= metrics.accuracy <= high <= 1
    assert sum(map(sum, metrics.confusion)) == metrics.n == len(logits)
    for share in (metrics.macro_f1, metrics.balanced_accuracy, metrics.ece, metrics.accuracy_at_70, *metrics.recall):
        assert 0 <= share <= 1 + 1e-9
    assert 0 <= metrics.brier <= 2
    assert metrics.nll >= 0
    for recall, interval, row in zip(metrics.recall, metrics.recall_interval, metrics.confusion, strict=True):
        assert sum(row) == 0 or interval[0] - 1e-9 <= recall <= interval[1] + 1e-9


def test_calibration_bins_count_every_image() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(4), 500).astype(np.float32)
    probabilities[0] = [1, 0, 0, 0]  # the edge of the last bin
    table = calibration_bins(probabilities, generator.integers(0, 4, 500))
    assert table.shape == (15, 3)
    assert table[:, 0].sum() == 500


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (36, 55, 0.5228, 0.7665)],
)
def test_wilson_interval(hits: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=6e-4)
