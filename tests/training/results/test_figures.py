import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_live.training.evaluation.metrics import compute_metrics
from fer_live.training.results.figures import figures_of


def test_figures_by_hand() -> None:
    found = figures_of([[3, 1, 0], [0, 2, 0], [2, 0, 0]])
    assert found.n == 8
    assert found.accuracy == 5 / 8
    assert found.macro_precision == pytest.approx((3 / 5 + 2 / 3 + 0) / 3)
    assert found.macro_recall == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert found.weighted_precision == pytest.approx((4 * 3 / 5 + 2 * 2 / 3 + 0) / 8)
    assert found.weighted_f1 == pytest.approx((4 * 2 / 3 + 2 * 4 / 5) / 8)


@given(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 3)), st.integers(0, 2**31))
def test_figures_are_those_of_an_evaluation(truth: np.ndarray, seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4), len(truth)).astype(np.float32)
    metrics = compute_metrics(probabilities, truth, tuple("abcd"))
    found = figures_of(metrics.confusion)
    assert (found.n, found.accuracy) == (metrics.n, pytest.approx(metrics.accuracy))
    assert found.macro_f1 == pytest.approx(metrics.macro_f1)
    present = np.isin(np.arange(4), truth)
    assert found.macro_precision == pytest.approx(np.array(metrics.precision)[present].mean())
    assert found.macro_recall == pytest.approx(metrics.balanced_accuracy)
    assert found.weighted_recall == pytest.approx(metrics.accuracy)  # by definition


@pytest.mark.parametrize("confusion", [[], [[0, 0], [0, 0]], [[1, 2]], [1, 2]])
def test_what_counts_nothing_has_no_figures(confusion: list) -> None:
    with pytest.raises(ValueError, match="square table of counts"):
        figures_of(confusion)
