"""Losses on mixtures of two images each, of a :class:`~fer_live.training.recipes.config.TrainConfig`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fer_live.training.recipes.config import TrainConfig

__all__ = ["LabelLoss", "votes_loss"]


class LabelLoss:
    """Loss of the logits of FER2013's label, by ``config.loss``.

    Args:
        config: which loss, its smoothing, weights and adjustment.
        counts: (C,) images of each class in an epoch.
    """

    def __init__(self, config: TrainConfig, counts: Tensor) -> None:
        self._config = config
        prior = counts.float() / counts.sum()
        equal = bool((counts == counts[0]).all())  # nothing to make up for, not even in rounding
        self._adjustment: Tensor | None = None  # (C,), as the weight
        self._weight: Tensor | None = None
        if config.logit_adjustment and not equal:
            self._adjustment = config.logit_adjustment * torch.log(prior.clamp_min(1e-6))
        if config.class_weights != "none" and not equal:
            power = {"inverse": 1.0, "sqrt": 0.5}[config.class_weights]
            weight = prior.clamp_min(1e-6) ** -power
            self._weight = weight / (weight * prior).sum()  # its mean over the images of an epoch is 1

    def __call__(self, logits: Tensor, own: Tensor, other: Tensor, share: Tensor) -> Tensor:
        """The mean loss of logits (B, C) to the labels ``own`` (B,), of ``share`` (B,), and ``other`` (B,)."""
        if self._adjustment is not None:
            logits = logits + self._adjustment
        return (share * self._each(logits, own) + (1 - share) * self._each(logits, other)).mean()

    def _each(self, logits: Tensor, labels: Tensor) -> Tensor:
        kind = self._config.loss
        if kind == "multi_margin":
            margin = (1 + logits - logits.gather(1, labels[:, None])).clamp_min(0)
            loss = (margin.sum(1) - 1) / logits.shape[1]  # the label's own margin of 1 does not count
        else:
            scores = torch.softmax(logits, 1) if kind == "double_softmax" else logits
            loss = functional.cross_entropy(
                scores, labels, reduction="none", label_smoothing=self._config.label_smoothing
            )
        return loss if self._weight is None else loss * self._weight[labels]


def votes_loss(logits: Tensor, own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """KL divergence, up to a constant, of logits (B, C) to mixed votes (B, C); images without votes weigh nothing."""
    target = share[:, None] * own + (1 - share[:, None]) * other
    return -(target * functional.log_softmax(logits, 1)).sum(1).mean()
