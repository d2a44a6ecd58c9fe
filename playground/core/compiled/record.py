"""Records one run's step, its start and its final loss as scalar programs.

The step is `compute_step` below. Plain PyTorch executes the same function, so the recorded program cannot drift from
the reference; a recording only replaces tensors by symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from playground.core import gradients
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import DATUM, FACTOR, LANE, MAX_OPERATIONS, SLOT, STEP, Program
from playground.core.compiled.recorder import ProgramRecorder
from playground.core.compiled.rules import RULES
from playground.core.compiled.symbol import Symbol
from playground.core.gradients import Clip
from playground.core.problem import BatchTensors, Problem, require_differentiable
from playground.core.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class DescentSpec:
    """Everything that determines a step of any of the runs.

    :param problem: of any one run; all runs share its module, loss and data.
    :param rule: the update rule, with a tensor of shape `(runs,)` for each hyperparameter that differs between runs.
    :param scheduled: whether a schedule multiplies the learning rate by a factor that changes with the step.
    :param clip: limits on a run's gradient.
    """

    problem: Problem
    rule: UpdateRule
    scheduled: bool = False
    clip: Clip | None = None

    @cached_property
    def lanes(self) -> dict[str, Tensor]:
        """The hyperparameters that differ between runs, by name, shape `(runs,)`."""
        values = {each.name: getattr(self.rule, each.name) for each in fields(self.rule)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def of(self, which: Tensor) -> DescentSpec:
        """Return the description for some of the runs only."""
        chosen = {name: value[which] for name, value in self.lanes.items()}
        return replace(self, rule=replace(self.rule, **chosen)) if chosen else self  # type: ignore[type-var]

    @cached_property
    def dtype(self) -> torch.dtype:
        """The dtype of every parameter.

        :raises CannotCompileError: the parameters have different dtypes, a dtype that is not compiled, or are not on
            the CPU.
        """
        parameters = self.problem.parameters.values()
        (dtype, device), *others = {(each.dtype, each.device.type) for each in parameters}
        if others or device != "cpu" or dtype not in (torch.float32, torch.float64):
            raise CannotCompileError("the parameters are not all float32 or all float64 on the CPU")
        return dtype


@dataclass(frozen=True)
class StepResult:
    """The result of one step of a run: tensors, or in a recording the symbols that stand for them."""

    loss: Tensor
    norm: Tensor
    parameters: dict[str, Tensor]
    states: dict[str, State]


def compute_step(
    descent: DescentSpec,
    rule: UpdateRule,
    parameters: Mapping[str, Tensor],
    states: Mapping[str, State],
    batch: BatchTensors,
    step: Any,
    lr: Hyperparameter,
) -> StepResult:
    """Make one step of one run.

    :param rule: with the hyperparameters of this run.
    :param batch: the data of this step.
    :param lr: the learning rate of this step.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
    descent.problem.module.train()
    loss = require_differentiable(descent.problem.loss(descent.problem.forward(leaves), batch))
    found: gradients.Gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    with torch.no_grad():
        found = found if descent.clip is None else descent.clip(found)
        moved, after = dict(parameters), dict(states)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                moved[name], after[name] = rule.update(parameters[name], gradient, states[name], step, lr)
        return StepResult(loss.detach(), gradients.norm(found), moved, after)


@dataclass(frozen=True)
class KernelLayout:
    """Assigns a slot to each number that a run carries from step to step: parameters first, then optimizer states."""

    parameters: Mapping[str, torch.Size]
    states: Mapping[str, Mapping[str, torch.Size]]

    def tensors(self, entry: Callable[[int], int], symbol: Callable[[Tensor], Any]) -> tuple[Any, Any]:
        """Return parameters and states as symbols whose entries are the slots."""
        counter = iter(range(10**9))

        def next_one(shape: torch.Size) -> Any:
            ids = [entry(next(counter)) for _ in range(shape.numel())]
            return symbol(torch.tensor(ids, dtype=torch.int64).reshape(shape))

        parameters = {name: next_one(shape) for name, shape in self.parameters.items()}
        states = {name: {key: next_one(shape) for key, shape in shapes.items()} for name, shapes in self.states.items()}
        return parameters, states

    def names(self) -> list[str]:
        """Return a name for every slot: `weight[0,1]`, `m of weight[0,1]`."""
        found = [f"{name}{place}" for name, shape in self.parameters.items() for place in _index_suffixes(shape)]
        for name, shapes in self.states.items():
            found += [f"{key} of {name}{place}" for key, shape in shapes.items() for place in _index_suffixes(shape)]
        return found

    @property
    def parameter_slots(self) -> int:
        """The number of slots that are parameters."""
        return sum(shape.numel() for shape in self.parameters.values())


def _index_suffixes(shape: torch.Size) -> list[str]:
    if not shape:
        return [""]
    indices = torch.cartesian_prod(*(torch.arange(size) for size in shape)).reshape(-1, len(shape))
    return [f"[{','.join(map(str, index))}]" for index in indices.tolist()]


@dataclass(frozen=True)
class StartProgram:
    """The program that fills a run's slots before step 0."""

    program: Program
    slots: tuple[int, ...]
    layout: KernelLayout


@dataclass(frozen=True)
class StepProgram:
    """One step as a program.

    :param loss: the value of the loss before the update.
    :param norm: the value of the gradient's norm.
    :param slots: the values of the slots after the update.
    :param decisions: uniform values that Python code branched on, with the numbers they had.
    """

    program: Program
    loss: int
    norm: int
    slots: tuple[int, ...]
    decisions: tuple[tuple[int, float], ...]


def record_start(descent: DescentSpec) -> StartProgram:
    """Record the optimizer's state of each parameter before step 0.

    :raises CannotCompileError: there are more parameters than a step may have operations.
    """
    shapes = {name: tensor.shape for name, tensor in descent.problem.parameters.items()}
    if (count := sum(shape.numel() for shape in shapes.values())) > MAX_OPERATIONS:
        raise CannotCompileError(f"{count:,} parameters: a step has more than {MAX_OPERATIONS:,} scalar operations")
    recorder = ProgramRecorder(descent.dtype, RULES, {})
    parameters, _ = KernelLayout(shapes, {}).tensors(_input_maker(recorder, SLOT), _symbol_maker(recorder))
    rule = _symbolic_rule(recorder, descent)
    states = recorder.record(lambda: {name: rule.init(tensor) for name, tensor in parameters.items()})
    lifted = {name: {key: recorder.lift(value) for key, value in state.items()} for name, state in states.items()}
    layout = KernelLayout(shapes, {name: _shapes(state) for name, state in lifted.items()})
    return StartProgram(recorder.program, _slot_values(recorder, parameters, lifted), layout)


def record_step(
    descent: DescentSpec, layout: KernelLayout, samples: int | None, step: int, factor: float
) -> StepProgram:
    """Record a step.

    :param samples: the size of its batch, which is then an input; None if the batch is all data, which are constants.
    :param step: its number, used only where Python code branches on it; otherwise the number is an input.
    :param factor: of its learning rate, likewise.
    :raises CannotCompileError: the step is not a fixed scalar program.
    """
    recorder = ProgramRecorder(descent.dtype, RULES, {(STEP,): step, (FACTOR,): factor})
    symbol, program = _symbol_maker(recorder), recorder.program
    parameters, states = layout.tensors(_input_maker(recorder, SLOT), symbol)
    rule, data = _symbolic_rule(recorder, descent), descent.problem.batches.data
    number = Symbol(torch.tensor(program.input(STEP)), torch.int64)
    scale = symbol(torch.tensor(program.input(FACTOR)))
    batch = (
        data if samples is None else tuple(_symbolic_batch(recorder, i, each, samples) for i, each in enumerate(data))
    )

    def step_of_one_run() -> StepResult:
        lr: Any = rule.lr * scale if descent.scheduled else rule.lr
        return compute_step(descent, rule, parameters, states, batch, number, lr)

    moved = recorder.record(step_of_one_run)
    if {name: _shapes(state) for name, state in moved.states.items()} != layout.states:
        raise CannotCompileError("the update rule's state changes its names or shapes")
    ordered = {name: {key: moved.states[name][key] for key in shapes} for name, shapes in layout.states.items()}
    slots = _slot_values(recorder, moved.parameters, ordered)
    loss, norm = (int(recorder.cast(each, descent.dtype).ids) for each in (moved.loss, moved.norm))
    return StepProgram(recorder.program, loss, norm, slots, tuple(recorder.decisions))


def record_loss(descent: DescentSpec, layout: KernelLayout) -> tuple[Program, int]:
    """Record the loss over all data, with the module in evaluation mode."""
    recorder, problem = ProgramRecorder(descent.dtype, RULES, {}), descent.problem
    parameters, _ = KernelLayout(layout.parameters, {}).tensors(_input_maker(recorder, SLOT), _symbol_maker(recorder))
    problem.module.eval()
    with torch.no_grad():
        loss = recorder.record(lambda: problem.loss(problem.forward(parameters), problem.batches.data))
    return recorder.program, int(recorder.cast(loss, descent.dtype).ids)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in state.items()}


def _input_maker(recorder: ProgramRecorder, kind: str) -> Callable[[int], int]:
    """Return a function that makes inputs of one kind by position."""
    return lambda position: recorder.program.input(kind, position)


def _symbol_maker(recorder: ProgramRecorder) -> Callable[[Tensor], Any]:
    return lambda ids: recorder.symbol(ids, recorder.dtype)


def _symbolic_rule(recorder: ProgramRecorder, descent: DescentSpec) -> UpdateRule:
    """Return the rule of one run, with a symbol for each hyperparameter that differs between runs."""
    symbols = {
        name: recorder.symbol(torch.tensor(recorder.program.input(LANE, i)), recorder.dtype)
        for i, name in enumerate(descent.lanes)
    }
    return replace(descent.rule, **symbols) if symbols else descent.rule  # type: ignore[type-var]


def _symbolic_batch(recorder: ProgramRecorder, which: int, data: Tensor, samples: int) -> Symbol:
    """Return the batch of a data tensor: each entry is an input by its row in the batch and its place in the sample."""
    places = data[0].numel()
    ids = [recorder.program.input(DATUM, which, row, place) for row in range(samples) for place in range(places)]
    return Symbol(torch.tensor(ids, dtype=torch.int64).reshape(samples, *data.shape[1:]), data.dtype)


def _slot_values(
    recorder: ProgramRecorder, parameters: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> tuple[int, ...]:
    """Return the values of all slots, in their order."""
    tensors: Sequence[Any] = [*parameters.values(), *(each for state in states.values() for each in state.values())]
    return tuple(i for each in tensors for i in recorder.cast(each, recorder.dtype).ids.flatten().tolist())
