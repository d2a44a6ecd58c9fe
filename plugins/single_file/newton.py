"""A plugin in one file: an optimizer, a loss, and a task that is not training: `playground -p newton.py run root.yaml`.

The task goes nowhere downhill. It finds a root by Newton's method, and the loop did not have to change for it: a task
answers in its own way (`DirectTask`), or says what goes downhill and lets the loop do the rest (`DescentTask`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from playground import hookimpl
from playground.core.function import Objective
from playground.core.losses import require_same_shape
from playground.core.setting import Setting
from playground.core.task import DirectTask, Outcome
from playground.core.update import Hyperparameter, State, UpdateRule
from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.result import Expectation, ResultTable


@dataclass(frozen=True)
class Cautious(UpdateRule):
    """Step along the average gradient, but only where it agrees in sign with the gradient at hand.

    :param lr: learning rate.
    :param beta: share of the average that stays at each step.

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
        "beta": "share of the average that stays",
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

    An outlier costs a constant, and pulls no more.

    :param width: c, the residual from which on a sample is an outlier.
    :returns: a scalar.

    Source: Beaton & Tukey 1974.
    """
    require_same_shape(prediction, target)
    near = 1 - ((prediction - target) / width).square().clamp(max=1)
    return (width**2 / 6 * (1 - near**3)).mean()


class Root(DirectTask):
    """Find a root of a function of one variable by Newton's method: `x ← x − f(x) / f'(x)`.

    :param function: f.
    :param start: where to begin: `{x: 1}`.
    :param tolerance: it ends where |f(x)| is no more than this.
    :param at_most: steps after which it gives up.

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
        """See that there is one variable, a number, and where it starts."""
        variables = dict(self.function.variables)
        if len(variables) != 1 or None not in variables.values():
            message = f"Newton's method is for a function of one number; this one has {', '.join(variables)}"
            raise ScenarioError(Fault(message, ("function",)))
        if set(self.start) != set(variables):
            raise ScenarioError(Fault(f"expected a start for {', '.join(variables)}", ("start",)))

    def answer(self, setting: Setting) -> Outcome:
        """Follow the tangent to where it crosses zero, again and again.

        :raises PlaygroundError: a tangent is level.
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
                    f"the tangent at {name} = {x:g} is level and crosses zero nowhere; start elsewhere"
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
    """Return the rule; used by `optimizer: cautious`."""
    return {"cautious": Cautious}


@hookimpl
def playground_losses() -> Mapping[str, object]:
    """Return the loss; used by `loss: biweight`."""
    return {"biweight": biweight}


@hookimpl
def playground_tasks() -> Mapping[str, type]:
    """Return the task; used by `task: root`."""
    return {"root": Root}
