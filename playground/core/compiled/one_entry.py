"""What an optimizer does to one entry of a parameter as a program, and whether it does that to every entry.

Most optimizers update each entry by its own gradient and its own state, all in the same way. A loop over entries then
needs the program of one. LAMB, Muon or Adafactor are not like that. So it is tried, in double precision with random
parameters and gradients of the real shapes, against plain PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from playground.core.compiled.carried import LEFT_OUT
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.phases import Phases, record_phases
from playground.core.compiled.program import LANE, SAMPLE, SLOT, STARTED
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.compiled.tidying import tidy
from playground.core.problem import Batches, Problem
from playground.core.setting import one_thread
from playground.core.steppers import make_stepper

TRIED_STEPS = 12
"""The fewest steps that are compared; more if the optimizer has another program later."""

MAX_TRIED_STEPS = 500
"""The most steps that are compared. Optimizers with another program later yet are not taken apart."""

ENTRY_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-9}
"""The relative difference after some steps that is rounding. All is computed in double precision, but the program of a
run in single precision rounds numbers such as bias corrections as its optimizer does."""

GRADIENT = (SAMPLE, 0, 0, 0)
"""The input of the program that is the gradient of the entry."""

COUPLED = "the optimizer does not update every entry of a parameter by itself and in the same way"
"""Why a rule stays as it is."""


class _GivenGradients(nn.Module):
    """Parameters p whose loss Σ p g has the gradient g.

    :param values: of the parameters.
    """

    def __init__(self, values: Sequence[Tensor]) -> None:
        super().__init__()
        self.values = nn.ParameterList(nn.Parameter(value) for value in values)

    def forward(self, *given: Tensor) -> Tensor:
        """Return the loss."""
        pairs = zip(self.values, given, strict=True)
        return torch.stack([(value * gradient.reshape(value.shape)).sum() for value, gradient in pairs]).sum()


def record_rule(spec: DescentSpec, factors: Sequence[float]) -> Phases:
    """Record what the optimizer does to one entry, from its gradient `GRADIENT`; the limits on gradients stay outside.

    The loss and the gradient's norm of the result mean nothing.

    :param spec: what determines the steps of a run.
    :param factors: on the learning rate, one for each step.
    :raises CannotCompileError: it cannot be recorded, or is not what the optimizer does to every entry.
    """
    number = torch.zeros(1, dtype=spec.dtype)
    problem = Problem(_GivenGradients([number]), _given_loss, Batches((number[None],)))
    one = replace(spec, problem=problem, clip=None, data_change=True)
    phases = tidy(record_phases(one, factors))
    if any(step.evaluations > 1 for step in phases.steps):
        raise CannotCompileError("the optimizer evaluates the loss more than once in a step")
    if any(LEFT_OUT in step.outputs for step in phases.steps):
        raise CannotCompileError("the optimizer goes ways that cannot be recorded")
    _try_rule(spec, factors, phases)
    return phases


def _given_loss(forward: Any, batch: tuple[Tensor, ...]) -> Tensor:
    loss: Tensor = forward(*batch)
    return loss


def _try_rule(spec: DescentSpec, factors: Sequence[float], phases: Phases) -> None:
    """Make steps with given gradients both ways.

    :raises CannotCompileError: they differ.
    """
    last_new = max((int(np.argmax(phases.which == place)) for place in range(len(phases.steps))), default=0)
    steps = min(len(factors), max(TRIED_STEPS, last_new + 3))
    if not 0 < steps <= MAX_TRIED_STEPS:
        raise CannotCompileError(f"the optimizer does something new after more than {MAX_TRIED_STEPS} steps")
    generator = torch.Generator().manual_seed(0)

    def draw() -> list[Tensor]:
        return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in spec.shapes.values()]

    rows = [draw() for _ in range(steps + 1)]
    given = [[each * 10.0 ** (place % 5 - 3) for each in row] for place, row in enumerate(rows[1:])]
    try:
        with one_thread():
            whole = _make_steps(spec, factors, rows[0], given)
    except Exception as error:  # whatever an optimizer raises in double precision
        raise CannotCompileError(f"the optimizer: {str(error).strip().partition(chr(10))[0]}") from error
    with np.errstate(all="ignore"):
        apart = _evaluate_steps(spec, phases, _flatten(rows[0]), [_flatten(row) for row in given])
    tolerance = ENTRY_TOLERANCE[spec.dtype]
    for mine, theirs in zip(apart, whole, strict=True):
        if not np.allclose(mine, theirs, rtol=tolerance, atol=tolerance, equal_nan=True):
            raise CannotCompileError(COUPLED)


def _make_steps(
    spec: DescentSpec, factors: Sequence[float], start: Sequence[Tensor], given: Sequence[Sequence[Tensor]]
) -> list[np.ndarray[Any, Any]]:
    """Return the parameters after each step in plain PyTorch, and after the end."""
    now = list(given[0])
    problem = Problem(_GivenGradients([value.clone() for value in start]), lambda forward, _: forward(*now))
    schedule = factors.__getitem__ if spec.scheduled else None
    stepper = make_stepper(problem, spec.mover.optimizer_of(0), schedule, None)
    found = []
    for step, gradients in enumerate(given):
        now[:] = gradients
        stepper.evaluate(step)
        stepper.update(step)
        found.append(_flatten(stepper.parameters))
    stepper.finish()
    return [*found, _flatten(stepper.parameters)]


def _evaluate_steps(
    spec: DescentSpec, phases: Phases, start: np.ndarray[Any, Any], given: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """Return the same by the program of one entry."""
    program, (parameter,) = phases.program, phases.end
    inputs: dict[Any, Any] = {(LANE, i): column[0].item() for i, column in enumerate(spec.mover.lanes.values())}
    inputs |= {(SLOT, *parameter): start, (STARTED,): True}
    values = program.evaluate(list(phases.start.values()), inputs)
    inputs |= {(SLOT, *key): value for key, value in zip(phases.start, values, strict=True)}
    found = []
    for step, gradient in enumerate(given):
        now: Mapping[Any, Any] = {name: column[step] for name, column in phases.inputs.items()}
        outputs = phases.steps[phases.which[step]].outputs
        values = program.evaluate(list(outputs.values()), {**inputs, **now, GRADIENT: gradient})
        inputs |= {(SLOT, *key): value for key, value in zip(outputs, values, strict=True)}
        found.append(np.broadcast_to(inputs[SLOT, *parameter], start.shape))
    (moved,) = program.evaluate([phases.end[parameter]], inputs)
    return [*found, np.broadcast_to(moved, start.shape)]


def _flatten(tensors: Sequence[Tensor]) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = torch.cat([each.detach().reshape(-1) for each in tensors]).numpy()
    return found
