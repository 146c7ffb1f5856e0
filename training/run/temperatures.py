"""The temperature of each head, fitted on images that the network was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fer_live.contract import Contract
from fer_live.training.data.fer2013 import Fer2013
from fer_live.training.data.ferplus import ferplus_distribution
from fer_live.training.evaluation.logits import fit_temperature

__all__ = ["fit_temperatures"]


def fit_temperatures(
    contract: Contract, dataset: Fer2013, rows: NDArray[np.int64], logits: Sequence[NDArray[np.float32]]
) -> Contract:
    """The contract with the temperatures that minimise the cross entropy of each head (Guo et al. 2017).

    Args:
        contract: of the network.
        dataset: has labels and FER+ votes.
        rows: whose logits are given.
        logits: of each head in turn, (len(rows), C).
    """
    targets = {
        "fer2013": functional.one_hot(torch.from_numpy(dataset.expression[rows]), len(contract.labels)).float(),
        "ferplus": torch.from_numpy(ferplus_distribution(dataset.votes[rows])),
    }
    return contract.with_temperatures(
        {
            head.name: fit_temperature(torch.from_numpy(values), targets[head.name])
            for head, values in zip(contract.heads, logits, strict=True)
        }
    )
