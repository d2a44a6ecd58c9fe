"""What a kernel computes whose step is two loops, and what each run carries then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from playground.core.compiled.apart import StepApart
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.layout import KernelProgram
from playground.core.compiled.one_entry import GRADIENT
from playground.core.compiled.phases import Phases
from playground.core.compiled.program import COUNT, SLOT, format_program
from playground.core.compiled.symbolic_run import DescentSpec

ONLY_PARAMETER = "p0"
"""How the path of what an optimizer remembers names the parameter of the rule."""


@dataclass(frozen=True)
class LoopProgram(KernelProgram):
    """The rule of one entry, as a `KernelProgram` whose slots are those of all entries.

    The parameters come first, then each part of the state, entry by entry. Programs, lanes and uniform values are those
    of the rule.

    :param step: the two programs.
    """

    step: StepApart

    @property
    def code_operations(self) -> int:
        """The operations in the code of a step."""
        return self.step.sample.operations + self.step.rule.operations

    def evaluate_start(self, inputs: Mapping[Any, Any]) -> list[Any]:
        """Return the values of all slots before step 0."""
        rule, keys = self.step.rule, self.step.sample.parameters
        given = {name: np.asarray(value).reshape(-1, 1) for name, value in inputs.items() if name[0] != SLOT}
        given[SLOT, *rule.slots[0]] = np.stack([inputs[SLOT, *key] for key in keys], axis=1)
        shape = given[SLOT, *rule.slots[0]].shape
        found = self.program.evaluate(rule.start, given, self.program.dtype)
        return [column for each in found for column in np.broadcast_to(each, shape).T.copy()]

    def format(self, shapes: Mapping[str, torch.Size], lanes: Mapping[Any, str]) -> str:
        """Format the two programs as text: what a sample contributes, and the update of an entry."""
        sample, rule = self.step.sample, self.step.rule
        names = self.slot_names(shapes)[: self.parameter_slots]
        inputs: dict[Any, str] = {(SLOT, *key): name for key, name in zip(sample.parameters, names, strict=True)}
        inputs[sample.weight] = "weight"
        slopes = {f"d loss / d {name}": index for name, index in zip(names, sample.gradient, strict=True)}
        of_sample = format_program(sample.program, {"loss": sample.loss, **slopes}, inputs)
        states = [".".join(path) for path, _ in rule.slots[1:]]
        keys = dict(zip(rule.slots, ["entry", *states], strict=True))
        given = {**lanes, GRADIENT: "gradient", **{(SLOT, *key): name for key, name in keys.items()}}
        moved = dict(zip(keys.values(), rule.steps[0][2:], strict=True))
        return f"for each sample:\n{of_sample}\nfor each entry:\n{format_program(rule.program, moved, given)}"


def arrange_loops(step: StepApart, spec: DescentSpec, over_all_data: bool) -> LoopProgram:
    """Number what the kernel reads and writes.

    :param over_all_data: whether the losses to keep are those of all data, not those of the steps.
    :raises CannotCompileError: the optimizer remembers something that belongs to no parameter.
    """
    batches, rule, sample = spec.problem.batches, step.rule, step.sample
    numbers = {name: i for i, name in enumerate(spec.shapes)}
    shapes = {path: what[0] for path, what in step.phases.steps[-1].after if isinstance(what, tuple)}
    slots = list(sample.parameters)
    for path, _ in rule.slots[1:]:
        if path.count(ONLY_PARAMETER) != 1:
            raise CannotCompileError("the optimizer remembers something that belongs to no parameter")
        # A number that is kept for a whole tensor, such as a rate of its own, is carried with each entry.
        is_entry = shapes.get(path) == (1,)
        slots += [(_rename(path, numbers[name]), entry if is_entry else 0) for (_, name), entry in sample.parameters]
    separate = over_all_data and (batches.size is not None or sample.loss != sample.full_loss)
    return LoopProgram(
        program=rule.program,
        slots=tuple(slots),
        parameter_slots=step.entries,
        final_slots=step.entries * rule.final_slots,
        start=rule.start,
        steps=rule.steps,
        end=rule.end,
        full_loss=sample.full_loss if separate else None,
        uniform=rule.uniform,
        uniform_numbers=rule.uniform_numbers,
        lanes=rule.lanes,
        operations=step.count_operations(batches.size or len(batches.data[0])),
        step=step,
    )


def name_counts(phases: Phases, parameters: int) -> Phases:
    """Return phases in which the counts of the rule's parameter are those of all parameters."""
    inputs = dict(phases.inputs)
    for (kind, *key), column in phases.inputs.items():
        if kind == COUNT and key[0].count(ONLY_PARAMETER) == 1:
            inputs |= {(COUNT, _rename(key[0], i), *key[1:]): column for i in range(parameters)}
    return replace(phases, inputs=inputs)


def _rename(path: Sequence[str], parameter: int) -> tuple[str, ...]:
    return tuple(f"p{parameter}" if part == ONLY_PARAMETER else part for part in path)
