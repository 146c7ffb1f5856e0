import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.evaluation.logits import crops_of, fit_temperature, predict_logits, probabilities_of
from fer_live.training.testing import untrained_checkpoint


@given(hnp.arrays(np.float32, (9, 5), elements=st.floats(-50, 50, width=32)), st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_keep_the_order(logits: np.ndarray, temperature: float) -> None:
    found = probabilities_of(logits, temperature)
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert (found[np.arange(9), logits.argmax(1)] == found.max(1)).all()


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
