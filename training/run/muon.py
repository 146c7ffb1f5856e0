"""Muon (Jordan et al. 2024): steps of kernels are momentum made orthogonal; AdamW takes the other parameters' steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fer_live.training.device import choose_bf16

__all__ = ["Muon", "orthogonal"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, chosen by Jordan et al. to bring singular values near 1 fast rather than exactly."""


class Muon(torch.optim.Optimizer):
    """Muon for groups with ``orthogonal``, AdamW (betas 0.9, 0.999) for the others, at one learning rate.

    A step of a kernel, taken as a matrix (outputs, the rest), is scaled by 0.2 * sqrt(its longer side), so that its
    root mean square is that of AdamW's steps (Liu et al. 2025) and one learning rate and decay fit both.

    Args:
        groups: parameter groups with ``weight_decay`` (decoupled) and ``orthogonal``.
        lr: learning rate, of AdamW's magnitude.
        momentum: of the kernels, Nesterov.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                move = self._orthogonal_move if group["orthogonal"] else self._adam_move
                parameter.add_(move(parameter, parameter.grad, group), alpha=-group["lr"])
        return loss

    def _orthogonal_move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        beta = group["momentum"]
        momentum.lerp_(gradient, 1 - beta)
        matrix = torch.lerp(gradient, momentum, beta).flatten(1)
        scale = 0.2 * math.sqrt(max(matrix.shape))
        return orthogonal(matrix).view_as(parameter) * scale

    def _adam_move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        mean: Tensor = state["mean"]
        square: Tensor = state["square"]
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        root = (square / (1 - 0.999 ** state["step"])).sqrt()
        move: Tensor = mean / (1 - 0.9 ** state["step"]) / (root + 1e-8)
        return move


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Nearly the closest matrix with orthonormal rows or columns to ``matrix`` (M, N): singular values about 0.7..1.2.

    Newton-Schulz iteration of fifth order, in bfloat16 where that is fast: it is enough (Jordan et al. 2024).
    """
    a, b, c = _COEFFICIENTS
    x: Tensor = matrix.bfloat16() if choose_bf16("auto", matrix.device) else matrix.float()
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)
