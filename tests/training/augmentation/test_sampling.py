import pytest
import torch

from fer_live.training.augmentation.sampling import class_counts, epoch_length, epoch_order
from fer_live.training.recipes.config import TrainConfig

LABELS = torch.tensor([0] * 40 + [2] * 10 + [5] * 7)


@pytest.mark.parametrize(
    ("balance", "counts"),
    [
        ("none", [40, 10, 7]),
        ("oversample", [40, 40, 40]),
        ("undersample", [7, 7, 7]),
        ("sqrt", [30, 15, 12]),  # of 57 by the roots 6.32, 3.16, 2.65: 29.7, 14.9, 12.4
        ("augment_all", [120, 30, 21]),
    ],
)
def test_how_often_classes_come_up(balance: str, counts: list[int]) -> None:
    config = TrainConfig(balance=balance, copies=3)
    order, repeat = epoch_order(LABELS, config, torch.Generator().manual_seed(0))
    found = torch.bincount(LABELS[order], minlength=6)
    assert found[[0, 2, 5]].tolist() == counts
    assert torch.equal(class_counts(LABELS, config, 6), found)
    assert len(order) == len(repeat) == epoch_length(LABELS, config) == sum(counts)
    times = torch.bincount(order, minlength=len(LABELS))
    for label in (0, 2, 5):
        of_class = times[LABELS == label]
        assert int(of_class.max() - of_class.min()) <= 1
    for row in order.unique():
        assert sorted(repeat[order == row].tolist()) == list(range(int(times[row])))


@pytest.mark.parametrize("balance", ["none", "oversample", "undersample", "sqrt", "augment_all"])
def test_the_order_is_shuffled_and_repeatable(balance: str) -> None:
    config = TrainConfig(balance=balance)
    one, again, other = (epoch_order(LABELS, config, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, one.sort().values)
