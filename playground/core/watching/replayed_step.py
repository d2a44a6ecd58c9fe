"""One step of somebody's loop as a problem: its recorded calls, with copies of the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from playground.core.gradients import Gradients
from playground.core.isolated_copies import IsolatedCopies
from playground.core.problem import Batches, BatchTensors, Forward, Problem
from playground.core.seeding import preserve_torch_stream
from playground.core.stepper_in_hand import StepperInHand
from playground.core.training_in_hand import RuleFinder
from playground.core.update import UpdateRule
from playground.core.watching.recorded_program import RecordedProgram

REPLAY_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""The relative difference between the loop's loss and the replay's that counts as rounding."""

HALF_TOLERANCE = 3e-2
"""The same for half precision."""


class ReplayedModule(nn.Module):
    """A module whose parameters are copies of the loop's, under their names, and whose output is the prediction.

    :ivar loss: of the last forward pass.
    """

    def __init__(self, program: RecordedProgram) -> None:
        super().__init__()
        self._program = program
        self.loss = torch.tensor(math.nan)
        for name, index in program.parameters.items():
            *path, last = name.split(".")
            holder: nn.Module = self
            for part in path:
                if not hasattr(holder, part):
                    holder.add_module(part, nn.Module())
                holder = getattr(holder, part)
            leaf = program.leaves[index]
            holder.register_parameter(last, nn.Parameter(leaf.detach().clone(), requires_grad=leaf.requires_grad))

    def forward(self, *batch: Tensor) -> Tensor:
        """Make the calls; return the prediction, or the loss if there is none."""
        program = self._program
        parameters = dict(self.named_parameters(remove_duplicate=False))
        given: dict[int, Tensor] = {index: parameters[name] for name, index in program.parameters.items()}
        given |= zip(program.data, batch, strict=True)
        kind = next(iter(parameters.values())).dtype
        others = {
            index: leaf.to(kind)
            for index, leaf in program.leaves.items()
            if index not in given and leaf.is_floating_point() and self._is_converted(leaf, kind)
        }
        self.loss, prediction = program.run(others | given)
        return self.loss if prediction is None else prediction

    def _is_converted(self, leaf: Tensor, kind: torch.dtype) -> bool:
        """Tell whether a leaf has the parameters' own dtype, while these were converted to another one."""
        own = next(self._program.leaves[index].dtype for index in self._program.parameters.values())
        return leaf.dtype == own != kind


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayedStep:
    """A step that can be repeated.

    :param step: counted from 0.
    :param program: of its loss.
    :param loss: what the loop had.
    :param used: the gradient that the optimizer used, by parameter of the program: after clipping, and with what was
        left from before.
    :param optimizer: as it was before the step, of the loop's own parameters' copies.
    :param copies: those copies, by name.
    """

    step: int
    program: RecordedProgram
    loss: float
    used: Mapping[str, Tensor | None]
    optimizer: torch.optim.Optimizer
    copies: Mapping[str, Tensor]

    def problem(self) -> Problem:
        """Return a new problem with the parameters before the step."""
        module = ReplayedModule(self.program)

        def loss(forward: Forward, batch: BatchTensors) -> Tensor:
            forward(*batch)
            return module.loss

        data = tuple(self.program.leaves[index] for index in self.program.data)
        return Problem(module, loss, Batches(data))

    @cached_property
    def fault(self) -> str:
        """Why the replay is not the step: it raises, or gives another loss; empty if it is."""
        try:
            problem = self.problem()
            with preserve_torch_stream(next(problem.module.parameters()).device):
                found = problem.loss(problem.module, problem.batches.data).item()
        except Exception as error:  # any call of the user's program may raise
            return f"its calls cannot be repeated: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        dtype = self.program.leaves[next(iter(self.program.parameters.values()))].dtype
        room = REPLAY_TOLERANCE.get(dtype, HALF_TOLERANCE) * max(abs(self.loss), 1e-8)
        same = found == self.loss or abs(found - self.loss) <= room or (math.isnan(found) and math.isnan(self.loss))
        return "" if same else f"its calls give the loss {found:.6g} when repeated, not {self.loss:.6g}"

    def stepper(self, find_rule: RuleFinder = lambda optimizer: None) -> ReplayStepper:
        """Return a stepper that makes the step as the loop made it.

        :param find_rule: returns the update rule that equals an optimizer, whose symbols name its state.
        """
        problem = self.problem()
        parameters = dict(problem.module.named_parameters(remove_duplicate=False))
        copies = IsolatedCopies()
        for name in self.copies.keys() & parameters.keys():
            copies.remember(self.copies[name], parameters[name])
        optimizer = copies.copy_optimizer(self.optimizer)
        return ReplayStepper(problem, optimizer, find_rule(optimizer), self.used)


class ReplayStepper(StepperInHand):
    """Evaluates a replayed step, and moves its parameters with the gradients that the loop's optimizer used.

    :param used: those gradients, by name.
    :ivar raw_gradients: of the last evaluation, before clipping.
    """

    raw_gradients: Gradients = ()

    def __init__(
        self,
        problem: Problem,
        optimizer: torch.optim.Optimizer,
        rule: UpdateRule | None,
        used: Mapping[str, Tensor | None],
    ) -> None:
        def take_used(found: Gradients) -> Gradients:
            self.raw_gradients = found
            return [used.get(name) for name in problem.parameters]

        super().__init__(problem, optimizer, rule)
        self._clip = take_used  # type: ignore[assignment]
