"""Muon for the matrices inside the blocks, in float32.

Torch has Muon too, but in bfloat16, which ordinary CPUs only emulate: three quarters of the time went there.
Constants of the iteration: Keller Jordan, "Muon: An optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return the nearest nearly orthogonal matrices, by Newton-Schulz.

    Args:
        matrices: A stack of shape (count, rows, columns).
        steps: Iterations.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.mT if tall else x


class Muon:
    """Momentum whose step is made orthogonal, scaled to the size of an Adam step.

    Args:
        weights: Matrices only.
        momentum: Decay of the running sum of gradients.
        decay: Weight decay, multiplied by the learning rate.
    """

    def __init__(self, weights: Iterable[Tensor], *, momentum: float = 0.95, decay: float = 0.1) -> None:
        self._momentum = momentum
        self._decay = decay
        by_shape: dict[tuple[int, ...], list[Tensor]] = {}
        for weight in weights:
            by_shape.setdefault(tuple(weight.shape), []).append(weight)
        self._groups = list(by_shape.values())
        self._sums = [torch.zeros(len(group), *group[0].shape) for group in self._groups]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every matrix by one step of this learning rate and forget the gradients."""
        for group, total in zip(self._groups, self._sums, strict=True):
            gradient = torch.stack([weight.grad for weight in group if weight.grad is not None])
            total.lerp_(gradient, 1 - self._momentum)
            step = orthogonal(gradient.lerp(total, self._momentum))
            scale = 0.2 * max(step.shape[1:]) ** 0.5
            for weight, change in zip(group, step, strict=True):
                weight.mul_(1 - rate * self._decay).sub_(change, alpha=rate * scale)
                weight.grad = None

    def state(self) -> list[Tensor]:
        """Return what a checkpoint must keep."""
        return self._sums

    def restore(self, state: list[Tensor]) -> None:
        """Take over what `state` returned."""
        self._sums = state
