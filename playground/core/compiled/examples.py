"""A few of the runs, moved with numbers: they tell how a decision by numbers of the run usually comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from playground.core.compiled.carried import SlotKey
from playground.core.compiled.program import LANE, SLOT, Program
from playground.core.compiled.step_program import StepProgram
from playground.core.compiled.symbolic_run import PARAMETER

EXAMPLE_RUNS = 8
"""How many runs."""

EXAMPLE_STEPS = 4
"""The number of steps that they make."""


class ExampleRuns:
    """The numbers of a few runs before the next step.

    :param program: of the steps.
    :param start: the values of everything that is carried before step 0.
    :param parameters: initial ones of all runs, of shape `(runs, *shape)`; None if there are none to look at.
    :param lanes: the hyperparameters that differ, by name.
    """

    def __init__(
        self,
        program: Program,
        start: Mapping[SlotKey, int],
        parameters: Mapping[str, Tensor] | None,
        lanes: Mapping[str, Tensor],
    ) -> None:
        self._program = program
        self.inputs: dict[Any, Any] | None = None
        """The inputs of the next step; None if they are not known."""
        if parameters is None:
            return
        runs = len(next(iter(parameters.values())))
        which = sorted({run * (runs - 1) // (EXAMPLE_RUNS - 1) for run in range(EXAMPLE_RUNS)})
        found: dict[Any, Any] = {(LANE, i): column[which].double().numpy() for i, column in enumerate(lanes.values())}
        for name, tensor in parameters.items():
            rows = tensor[which].detach().double().reshape(len(which), -1).numpy()
            found |= {(SLOT, (PARAMETER, name), entry): rows[:, entry] for entry in range(rows.shape[1])}
        values = program.evaluate(list(start.values()), found)
        self.inputs = found | {(SLOT, *key): value for key, value in zip(start, values, strict=True)}

    def advance(self, step: StepProgram, now: Mapping[Any, float]) -> None:
        """Make a step.

        :param now: its inputs that are equal in all runs.
        """
        if self.inputs is None:
            return
        try:
            values = self._program.evaluate(list(step.outputs.values()), {**self.inputs, **now})
        except KeyError:  # a batch: its entries are not known
            self.inputs = None
            return
        self.inputs |= {(SLOT, *key): value for key, value in zip(step.outputs, values, strict=True)}
