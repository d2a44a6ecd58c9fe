"""Numbers the inputs of a kernel: what each run carries, what is equal in all runs, and what is computed once a run.

Slots that nothing reads are left out. A value that depends on the step alone becomes a column with a number for each
step, and one that depends on hyperparameters alone a column with a number for each run; both are computed in double
precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.core.compiled.body import loaded_values
from playground.core.compiled.carried import LEFT_OUT, SlotKey
from playground.core.compiled.errors import TooManyOperationsError
from playground.core.compiled.phases import Phases
from playground.core.compiled.program import INPUT, LANE, MAX_OPERATIONS, SLOT, Program, format_program
from playground.core.compiled.step_program import StepProgram
from playground.core.compiled.symbolic_run import PARAMETER


@dataclass(frozen=True)
class KernelProgram:
    """All steps of a descent, with numbered inputs.

    :param program: of which everything is a part.
    :param slots: what each run carries: parameters first, then what the end of a run reads, then the rest.
    :param parameter_slots: how many of the slots are parameters.
    :param final_slots: how many of them are kept where a run ends.
    :param start: the values of the slots before step 0.
    :param steps: for each program of a step, the values of the loss, of the gradient's norm and of all slots.
    :param end: the values of the loss over all data and, if the optimizer moves them, of the final parameters.
    :param full_loss: the value of the loss over all data of the parameters of a step, if that is the loss to keep and
        another one than the step's; else None.
    :param uniform: the values that the kernel loads at each step.
    :param uniform_numbers: their numbers, float64 of shape `(steps, values)`.
    :param lanes: the values that the kernel loads for each run.
    :param operations: of the largest step.
    """

    program: Program
    slots: tuple[SlotKey, ...]
    parameter_slots: int
    final_slots: int
    start: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    end: tuple[int, ...]
    full_loss: int | None
    uniform: tuple[int, ...]
    uniform_numbers: np.ndarray[Any, Any]
    lanes: tuple[int, ...]
    operations: int

    def lane_numbers(self, hyperparameters: Mapping[str, Tensor], runs: int) -> Tensor:
        """Return the numbers of the values that the kernel loads for each run, float64 of shape `(runs, values)`.

        :param hyperparameters: those that differ, by name.
        :param runs: how many there are.
        """
        inputs = {(LANE, i): column.double().numpy() for i, column in enumerate(hyperparameters.values())}
        found = self.program.evaluate(self.lanes, inputs)
        columns = [np.broadcast_to(np.asarray(each, dtype=np.float64), (runs,)) for each in found]
        return torch.tensor(np.stack(columns, axis=1)) if columns else torch.zeros(runs, 0, dtype=torch.float64)

    @property
    def code_operations(self) -> int:
        """The operations in the code of a step."""
        return self.operations

    def evaluate_start(self, inputs: Mapping[Any, Any]) -> list[Any]:
        """Return the values of all slots before step 0, of many runs.

        :param inputs: parameters and hyperparameters, by kind and position.
        """
        return self.program.evaluate(self.start, inputs, self.program.dtype)

    def format(self, shapes: Mapping[str, torch.Size], lanes: Mapping[Any, str]) -> str:
        """Format the first step as text: the loss, its derivative and the update, one operation per line.

        :param shapes: of the parameters, by name.
        :param lanes: names of hyperparameters, by input.
        """
        names = self.slot_names(shapes)
        inputs = {(SLOT, *key): name for key, name in zip(self.slots, names, strict=True)} | dict(lanes)
        loss, _, *slots = self.steps[0]
        return format_program(self.program, {"loss": loss, **dict(zip(names, slots, strict=True))}, inputs)

    def slot_names(self, parameters: Mapping[str, torch.Size]) -> list[str]:
        """Return a name for every slot: `weight[0,1]`, `exp_avg of weight[0,1]`."""
        names = list(parameters)
        return [_slot_name(path, entry, names, parameters) for path, entry in self.slots]


def arrange(phases: Phases, gradient: bool, over_all_data: bool = False) -> KernelProgram:
    """Number what the kernel reads and writes.

    :param gradient: whether the gradient's norm is needed.
    :param over_all_data: whether the losses to keep are those of all data, not those of the steps.
    :raises TooManyOperationsError: a step has too many operations.
    """
    program = phases.program
    slots, parameter_slots, final_slots = _live_slots(phases, gradient)
    steps = tuple(_wanted(phases, step, slots, gradient) for step in phases.steps)
    operations = max(program.size(wanted) for wanted in steps)
    if operations > MAX_OPERATIONS:
        raise TooManyOperationsError(f"a step has {operations:,} scalar operations, more than {MAX_OPERATIONS:,}")
    end = (phases.end_loss, *_moved_at_end(phases))
    separate = over_all_data and any(step.loss != phases.full_loss for step in phases.steps)
    full = [phases.full_loss] if separate else []
    loaded = loaded_values(program, [*(value for wanted in steps for value in wanted), *end, *full])
    uniform = tuple(value for value in loaded if program.is_uniform(value))
    once = tuple(value for value in loaded if not program.is_uniform(value))
    zero = program.constant(0.0)
    return KernelProgram(
        program,
        slots,
        parameter_slots,
        final_slots,
        tuple(phases.start.get(key, zero) for key in slots),
        steps,
        end,
        full[0] if full else None,
        uniform,
        _uniform_numbers(phases, steps, uniform),
        once,
        operations,
    )


def _wanted(phases: Phases, step: StepProgram, slots: Sequence[SlotKey], gradient: bool) -> tuple[int, ...]:
    """Return the values of a step that the kernel needs; the loss replaces a norm that nothing needs."""
    carried = (step.outputs.get(key, phases.program.input(SLOT, *key)) for key in slots)
    return (step.loss, step.norm if gradient else step.loss, *carried)


def _moved_at_end(phases: Phases) -> tuple[int, ...]:
    """Return the values of the final parameters; nothing if they stay as they are."""
    same = all(value == phases.program.input(SLOT, *key) for key, value in phases.end.items())
    return () if same else tuple(phases.end.values())


def _live_slots(phases: Phases, gradient: bool) -> tuple[tuple[SlotKey, ...], int, int]:
    """Return what each run has to carry, how many of it are parameters, and how many the end of a run reads."""
    program = phases.program
    parameters = tuple(phases.end)
    final = _read_slots(program, [phases.end_loss, *_moved_at_end(phases)]) - set(parameters)
    final |= {LEFT_OUT for step in phases.steps if LEFT_OUT in step.outputs}
    live: set[SlotKey] = {*parameters, *final}
    while True:
        wanted = [value for step in phases.steps for value in _wanted(phases, step, tuple(live), gradient)]
        read = _read_slots(program, wanted)
        if read <= live:
            break
        live |= read
    order = dict.fromkeys(key for step in phases.steps for key in step.outputs)
    kept = [key for key in order if key in final]
    others = [key for key in order if key in live and key not in final and key[0][0] != PARAMETER]
    return (*parameters, *kept, *others), len(parameters), len(parameters) + len(kept)


def _read_slots(program: Program, wanted: Sequence[int]) -> set[SlotKey]:
    """Return the slots that these values depend on."""
    nodes = (program.nodes[index] for index in program.needed(wanted))
    return {node.value[1:] for node in nodes if node.operation == INPUT and node.value[0] == SLOT}


def _uniform_numbers(phases: Phases, steps: Sequence[Sequence[int]], uniform: Sequence[int]) -> np.ndarray[Any, Any]:
    """Compute the values that are equal in all runs, for all steps of a program at once."""
    found = np.zeros((len(phases.which), len(uniform)))
    for place, wanted in enumerate(steps):
        at = np.flatnonzero(phases.which == place)
        needed = set(phases.program.needed(wanted))
        mine = [(column, value) for column, value in enumerate(uniform) if value in needed]
        inputs = {name: numbers[at] for name, numbers in phases.inputs.items()}
        values = phases.program.evaluate([value for _, value in mine], inputs)
        for (column, _), value in zip(mine, values, strict=True):
            found[at, column] = value
    return found


def _slot_name(path: tuple[str, ...], entry: int, names: Sequence[str], shapes: Mapping[str, torch.Size]) -> str:
    if path[0] == PARAMETER:
        return f"{path[1]}{_index_suffix(entry, shapes[path[1]])}"
    owners = [part for part in path if part[:1] == "p" and part[1:].isdigit() and int(part[1:]) < len(names)]
    if not owners:
        return f"{'.'.join(path)}[{entry}]"
    owner = names[int(owners[0][1:])]
    what = ".".join(part for part in path[path.index(owners[0]) + 1 :]) or ".".join(path)
    return f"{what} of {owner}{_index_suffix(entry, shapes[owner])}"


def _index_suffix(entry: int, shape: torch.Size) -> str:
    if not shape or entry >= shape.numel():
        return ""
    return f"[{','.join(str(int(each)) for each in np.unravel_index(entry, tuple(shape)))}]"
