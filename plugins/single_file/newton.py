"""A plugin in one file: an optimizer, a loss, and a task that is not training: `playground -p newton.py run root.yaml`.

The task finds a root by Newton's method, without an optimizer: a `DirectTask` computes its answer itself, while a
`DescentTask` builds a problem whose parameters the scenario's optimizer moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from playground import hookimpl
from playground.plugin_api import (
    DirectTask,
    Expectation,
    Fault,
    Hyperparameter,
    Objective,
    Outcome,
    PlaygroundError,
    ResultTable,
    ScenarioError,
    Setting,
    State,
    UpdateRule,
    require_same_shape,
)


@dataclass(frozen=True)
class Cautious(UpdateRule):
    """Step along the average gradient, only in entries where its sign is that of the current gradient.

    :param lr: learning rate.
    :param beta: share of the average that is kept at each step.

    Source: Liang, Chen, Liu & Liu 2024, with a mask that is not rescaled.
    """

    formula: ClassVar[tuple[str, ...]] = (
        "m = beta * m + (1 - beta) * g",
        "p = p - lr * m * (m * g > 0)",
    )
    symbols: ClassVar[Mapping[str, str]] = {
        "p": "parameter",
        "g": "gradient",
        "m": "average of the gradient",
        "lr": "learning rate",
        "beta": "share of the average that is kept",
    }

    lr: Annotated[float, Ge(0)] = 0.1
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9

    def init(self, parameter: Tensor) -> State:
        """Return the average before the first step: zero."""
        return {"m": torch.zeros_like(parameter)}

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: Hyperparameter
    ) -> tuple[Tensor, State]:
        """Return parameter and average after one step."""
        m = self.beta * state["m"] + (1 - self.beta) * gradient
        return parameter - lr * torch.where(m * gradient > 0, m, 0), {"m": m}


def biweight(prediction: Tensor, target: Tensor, width: Annotated[float, Gt(0)] = 4.0) -> Tensor:
    """Tukey's biweight: the mean of `c²/6 · (1 − (1 − (r/c)²)³)`, and of `c²/6` where |r| > c; r = prediction − target.

    The loss of an outlier is constant, so its gradient is zero.

    :param width: c, the residual above which a sample is an outlier.
    :returns: a scalar.

    Source: Beaton & Tukey 1974.
    """
    require_same_shape(prediction, target)
    near = 1 - ((prediction - target) / width).square().clamp(max=1)
    return (width**2 / 6 * (1 - near**3)).mean()


class Root(DirectTask):
    """Find a root of a function of one variable by Newton's method: `x ← x − f(x) / f'(x)`.

    :param function: f.
    :param start: the initial value: `{x: 1}`.
    :param tolerance: the search ends if |f(x)| is at most this.
    :param at_most: maximum number of steps.

    Source: Newton 1669, Raphson 1690.
    """

    metrics = ("root", "residual", "iterations")

    def __init__(
        self,
        function: Objective,
        start: dict[str, float],
        tolerance: Annotated[float, Gt(0)] = 1e-12,
        at_most: Annotated[int, Ge(1)] = 50,
    ) -> None:
        self.function, self.start, self.tolerance, self.at_most = function, start, tolerance, at_most

    def probe(self, setting: Setting) -> None:
        """Check that the function has one variable, a number, and that `start` has its value.

        :raises ScenarioError: it does not.
        """
        variables = dict(self.function.variables)
        if len(variables) != 1 or None not in variables.values():
            message = f"Newton's method takes a function of one number; this one has {', '.join(variables)}"
            raise ScenarioError(Fault(message, ("function",)))
        if set(self.start) != set(variables):
            raise ScenarioError(Fault(f"expected a start for {', '.join(variables)}", ("start",)))

    def answer(self, setting: Setting) -> Outcome:
        """Move x to the point where the tangent crosses zero, until |f(x)| is small enough.

        :raises PlaygroundError: a tangent is horizontal.
        """
        ((name, start),) = self.start.items()
        x = torch.tensor(float(start), dtype=torch.float64, device=setting.device)
        rows = []
        for step in range(self.at_most + 1):
            x.requires_grad_()
            value = self.function(**{name: x})
            (slope,) = torch.autograd.grad(value, x)
            x, value = x.detach(), value.detach()
            rows.append((step, x.item(), value.item(), slope.item()))
            if abs(value) <= self.tolerance or step == self.at_most:
                break
            if slope == 0:
                raise PlaygroundError(
                    f"the tangent at {name} = {x:g} is horizontal and does not cross zero; choose another start"
                )
            x = x - value / slope
        residual = abs(value.item())
        return Outcome(
            {"root": x.item(), "residual": residual, "iterations": step},
            table=ResultTable(("step", name, "f", "f'"), tuple(rows)),
            expectations=(Expectation(f"residual at most {self.tolerance:g}", residual, residual <= self.tolerance),),
        )


@hookimpl
def playground_optimizers() -> Mapping[str, type]:
    """Register the rule for `optimizer: cautious`."""
    return {"cautious": Cautious}


@hookimpl
def playground_losses() -> Mapping[str, object]:
    """Register the loss for `loss: biweight`."""
    return {"biweight": biweight}


@hookimpl
def playground_tasks() -> Mapping[str, type]:
    """Register the task for `task: root`."""
    return {"root": Root}
