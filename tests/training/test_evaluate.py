import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.evaluation.logits import crops_of, fit_temperature, predict_logits, probabilities_of
from fer_live.training.evaluation.metrics import calibration_bins, compute_metrics, wilson_interval
from fer_live.training.testing import untrained_checkpoint


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


def test_a_class_that_never_occurs_does_not_count_as_recalled() -> None:
    metrics = compute_metrics(np.array([[0.9, 0.05, 0.05]], np.float32), np.array([0]), ("a", "b", "c"))
    assert metrics.balanced_accuracy == 1.0
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


@given(hnp.arrays(np.float32, (9, 5), elements=st.floats(-50, 50, width=32)), st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_keep_the_order(logits: np.ndarray, temperature: float) -> None:
    found = probabilities_of(logits, temperature)
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert (found[np.arange(9), logits.argmax(1)] == found.max(1)).all()


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


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, (4000, 7))
    target = probabilities_of(logits.astype(np.float32), 1.0)
    found = fit_temperature(torch.from_numpy(logits * temperature), torch.from_numpy(target))
    assert found == pytest.approx(temperature, rel=1e-3)


def test_rows_without_votes_do_not_count() -> None:
    logits = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    target = torch.softmax(logits / 1.7, 1)
    more = torch.cat([target, torch.zeros(20, 8)])
    noise = torch.cat([logits, 9 * torch.randn(20, 8, generator=torch.Generator().manual_seed(1))])
    assert fit_temperature(noise, more) == pytest.approx(fit_temperature(logits, target), rel=1e-4)


def test_crops_of_images_are_the_images(synthetic: Fer2013) -> None:
    contract = untrained_checkpoint().contract
    assert np.array_equal(crops_of(synthetic.images[:5], contract)[:, 0], synthetic.images[:5])
    assert crops_of(synthetic.images[:0], contract).shape == (0, 1, 48, 48)


def test_logits_do_not_depend_on_the_batch(synthetic: Fer2013) -> None:
    checkpoint = untrained_checkpoint()
    network = checkpoint.network()
    device = torch.device("cpu")
    whole = predict_logits(network, synthetic.images[:20], checkpoint.contract, device)
    parts = predict_logits(network, synthetic.images[:20], checkpoint.contract, device, batch=7)
    assert [values.shape for values in whole] == [(20, 7), (20, 8)]
    for one, other in zip(whole, parts, strict=True):
        assert np.allclose(one, other, atol=1e-5)
    none = predict_logits(network, synthetic.images[:0], checkpoint.contract, device)
    assert [values.shape for values in none] == [(0, 7), (0, 8)]
