"""A single-file plugin with mistakes that YAML cannot express, for the scenarios beside it.

Functions import torch themselves, because every command in this folder imports this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from playground import hookimpl


def forgetful(params: Any, lr: float = 0.01) -> Any:
    """Gradient descent that never sets gradients to zero, so each step follows the sum of all gradients so far.

    :param lr: learning rate.
    """
    import torch

    class Forgetful(torch.optim.SGD):
        sums: dict[Any, Any]

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            """Add the new gradient to the old ones, as `backward()` does, and step along the sum."""
            for parameter in (each for group in self.param_groups for each in group["params"]):
                if parameter.grad is not None:
                    self.sums[parameter] = self.sums.get(parameter, 0) + parameter.grad
                    parameter.grad = self.sums[parameter].clone()
            super().step()

    optimizer = Forgetful(params, lr)
    optimizer.sums = {}
    return optimizer


def uphill(lr: float = 0.01) -> Any:
    """Add the gradient instead of subtracting it: p = p + lr · g.

    :param lr: learning rate.
    """
    from playground.plugin_api import UpdateRule

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
    """Share of wrong predictions: a step at 0.5 for each sample, flat elsewhere."""
    return (((prediction - 0.5).sign() + 1) / 2 - target).abs().mean()


def severed(inputs: int, outputs: int) -> Any:
    """Return two layers; the second reads `.data` of the first, through which no gradient passes."""
    import torch

    class Severed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(inputs, 4), torch.nn.Linear(4, outputs)

        def forward(self, x: Any) -> Any:
            """Return the output of the second layer."""
            return self.second(torch.tanh(self.first(x).data))

    return Severed()


def careless_square(x: Any) -> Any:
    """(x - 3)² with a wrong backward."""
    import torch

    class CarelessSquare(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (x,) = ctx.saved_tensors
            return gradient * x.abs()

    return CarelessSquare.apply(x[..., 0] - 3)


@hookimpl
def playground_functions() -> dict[str, Any]:
    """Register the function with a wrong backward."""
    return {"broken.careless_square": careless_square}


@hookimpl
def playground_models() -> dict[str, Any]:
    """Register the model whose graph is cut."""
    return {"broken.severed": severed}


@hookimpl
def playground_optimizers() -> dict[str, Any]:
    """Register both optimizers."""
    return {"broken.forgetful": forgetful, "broken.uphill": uphill}


@hookimpl
def playground_losses() -> dict[str, Any]:
    """Register the loss whose derivative is zero."""
    return {"broken.errors": errors}
