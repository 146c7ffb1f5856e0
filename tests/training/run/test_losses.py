from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from fer_live.training.recipes.config import TrainConfig
from fer_live.training.run.losses import LabelLoss, votes_loss

PLAIN = TrainConfig(label_smoothing=0.0, logit_adjustment=0.0)
COUNTS = torch.tensor([50, 30, 20])
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -0.2], [1.0, 1.0, 3.0], [-2.0, 0.1, 0.4]])
LABELS = torch.tensor([0, 1, 2, 0])
OTHERS = torch.tensor([1, 1, 0, 2])
WHOLE = torch.ones(4)


def loss(config: TrainConfig, share: torch.Tensor = WHOLE) -> float:
    return float(LabelLoss(config, COUNTS)(LOGITS, LABELS, OTHERS, share))


def test_cross_entropy_with_smoothing_and_mixture() -> None:
    config = replace(PLAIN, label_smoothing=0.1)
    own, other = (functional.cross_entropy(LOGITS, labels, label_smoothing=0.1) for labels in (LABELS, OTHERS))
    assert loss(config) == pytest.approx(float(own))
    assert loss(config, torch.full((4,), 0.7)) == pytest.approx(float(0.7 * own + 0.3 * other))


def test_multi_margin_is_torchs() -> None:
    expected = functional.multi_margin_loss(LOGITS, LABELS)
    assert loss(replace(PLAIN, loss="multi_margin")) == pytest.approx(float(expected))


def test_double_softmax_cannot_fall_to_zero() -> None:
    config = replace(PLAIN, loss="double_softmax")
    expected = functional.cross_entropy(torch.softmax(LOGITS, 1), LABELS)
    assert loss(config) == pytest.approx(float(expected))
    sure = 100 * functional.one_hot(LABELS, 3).float()
    assert float(LabelLoss(config, COUNTS)(sure, LABELS, OTHERS, WHOLE)) > 0.5
    assert float(LabelLoss(PLAIN, COUNTS)(sure, LABELS, OTHERS, WHOLE)) == pytest.approx(0)


def test_the_adjustment_adds_the_prior() -> None:
    expected = functional.cross_entropy(LOGITS + 0.5 * torch.log(COUNTS / 100), LABELS)
    assert loss(replace(PLAIN, logit_adjustment=0.5)) == pytest.approx(float(expected))


def test_classes_of_equal_size_are_weighed_by_nothing() -> None:
    counts = torch.tensor([9, 9, 9])
    config = replace(PLAIN, class_weights="inverse", logit_adjustment=1.0)
    made_up_for, plain = (LabelLoss(each, counts)(LOGITS, LABELS, OTHERS, WHOLE) for each in (config, PLAIN))
    assert made_up_for == plain


@pytest.mark.parametrize(("weights", "power"), [("inverse", -1.0), ("sqrt", -0.5)])
def test_class_weights_have_the_mean_1_over_the_images(weights: str, power: float) -> None:
    weight = COUNTS.float() ** power
    weight = weight * 100 / (weight * COUNTS).sum()
    assert float((weight * COUNTS).sum()) == pytest.approx(100)
    each = functional.cross_entropy(LOGITS, LABELS, reduction="none") * weight[LABELS]
    assert loss(replace(PLAIN, class_weights=weights)) == pytest.approx(float(each.mean()))


def test_a_class_without_images_does_no_harm() -> None:
    for weights in ("inverse", "sqrt"):
        config = replace(PLAIN, class_weights=weights, logit_adjustment=1.0)
        value = LabelLoss(config, torch.tensor([5, 0, 5]))(LOGITS, torch.tensor([0, 2, 2, 0]), LABELS * 0, WHOLE)
        assert torch.isfinite(value)


def test_images_without_votes_weigh_nothing() -> None:
    votes = torch.tensor([[1.0, 0, 0], [0, 0, 0]])
    found = votes_loss(LOGITS[:2], votes, votes, torch.ones(2))
    assert float(found) == pytest.approx(float(functional.cross_entropy(LOGITS[:1], LABELS[:1])) / 2)
