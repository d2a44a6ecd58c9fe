"""Mistakes that YAML cannot express, as a single-file plugin: what the scenarios beside it are about."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from playground import hookimpl
from playground.engine.update import State, UpdateRule


class Forgetful(torch.optim.SGD):
    """Gradient descent whose gradients are never set to zero, so that each step follows the sum of all so far.

    :param lr: learning rate.
    """

    def __init__(self, params: list[Tensor], lr: float = 0.01) -> None:
        super().__init__(params, lr)
        self._sums: dict[Tensor, Tensor] = {}

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Add the new gradient to the old ones, which is what `backward()` does, and step along the sum."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._sums[parameter] = self._sums.get(parameter, 0) + parameter.grad
                    parameter.grad = self._sums[parameter].clone()
        super().step()


@dataclass(frozen=True)
class Uphill(UpdateRule):
    """Adds what it should subtract.

    :param lr: learning rate.
    """

    formula = ("p = p + lr * g",)
    symbols = {"p": "parameter", "g": "gradient", "lr": "learning rate"}  # noqa: RUF012

    lr: float = 0.01

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: float | Tensor
    ) -> tuple[Tensor, State]:
        """Return p + lr · g."""
        return parameter + lr * gradient, state


def errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of wrong answers: a step at 0.5 for each sample, flat everywhere else."""
    return ((torch.sign(prediction - 0.5) + 1) / 2 - target).abs().mean()


@hookimpl
def playground_optimizers() -> dict[str, type]:
    """Return the two optimizers."""
    return {"broken.forgetful": Forgetful, "broken.uphill": Uphill}


@hookimpl
def playground_losses() -> dict[str, object]:
    """Return the loss without a slope."""
    return {"broken.errors": errors}
