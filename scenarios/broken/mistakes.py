"""Mistakes that YAML cannot express, as a single-file plugin: what the scenarios beside it are about.

torch is imported where it is used, because every command that runs in this folder loads this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from playground import hookimpl


def forgetful(params: Any, lr: float = 0.01) -> Any:
    """Gradient descent whose gradients are never set to zero, so that each step follows the sum of all so far.

    :param lr: learning rate.
    """
    import torch

    class Forgetful(torch.optim.SGD):
        sums: dict[Any, Any]

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            """Add the new gradient to the old ones, which is what `backward()` does, and step along the sum."""
            for parameter in (each for group in self.param_groups for each in group["params"]):
                if parameter.grad is not None:
                    self.sums[parameter] = self.sums.get(parameter, 0) + parameter.grad
                    parameter.grad = self.sums[parameter].clone()
            super().step()

    optimizer = Forgetful(params, lr)
    optimizer.sums = {}
    return optimizer


def uphill(lr: float = 0.01) -> Any:
    """Add what should be subtracted: p = p + lr · g.

    :param lr: learning rate.
    """
    from playground.engine.update import UpdateRule

    @dataclass(frozen=True)
    class Uphill(UpdateRule):
        """Climb.

        :param lr: learning rate.
        """

        lr: float

        formula: ClassVar[Any] = ("p = p + lr * g",)
        symbols: ClassVar[Any] = {"p": "parameter", "g": "gradient", "lr": "learning rate"}

        def update(self, parameter: Any, gradient: Any, state: Any, step: int, lr: Any) -> Any:
            """Return p + lr · g."""
            return parameter + lr * gradient, state

    return Uphill(lr)


def errors(prediction: Any, target: Any) -> Any:
    """Share of wrong answers: a step at 0.5 for each sample, flat everywhere else."""
    return (((prediction - 0.5).sign() + 1) / 2 - target).abs().mean()


@hookimpl
def playground_optimizers() -> dict[str, Any]:
    """Return the two optimizers."""
    return {"broken.forgetful": forgetful, "broken.uphill": uphill}


@hookimpl
def playground_losses() -> dict[str, Any]:
    """Return the loss without a slope."""
    return {"broken.errors": errors}
