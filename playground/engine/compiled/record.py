"""One run's step, its start and its last loss, recorded as scalar programs.

The step is `one_step` below: the very lines that move a run in plain PyTorch, called with symbols in place of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from playground.engine import gradients
from playground.engine.compiled.errors import CannotCompileError
from playground.engine.compiled.program import DATUM, FACTOR, LANE, LARGEST, SLOT, STEP, Program
from playground.engine.compiled.recorder import Recorder
from playground.engine.compiled.rules import RULES
from playground.engine.compiled.symbol import Symbol
from playground.engine.gradients import Clip
from playground.engine.problem import Batch, Problem, checked
from playground.engine.update import Hyperparameter, State, UpdateRule


@dataclass(frozen=True)
class Descent:
    """What moves, and how: all that a step of any of the runs consists of.

    :param problem: of any one run: all share its module, loss and data.
    :param rule: with a tensor of shape `(runs,)` for each hyperparameter that differs.
    :param scheduled: whether the learning rate has a factor that changes with the step.
    :param clip: limits on a run's gradient.
    """

    problem: Problem
    rule: UpdateRule
    scheduled: bool = False
    clip: Clip | None = None

    @cached_property
    def lanes(self) -> dict[str, Tensor]:
        """The hyperparameters that differ, by name, shape `(runs,)`."""
        values = {each.name: getattr(self.rule, each.name) for each in fields(self.rule)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def of(self, which: Tensor) -> Descent:
        """Return the descent of some of the runs."""
        chosen = {name: value[which] for name, value in self.lanes.items()}
        return replace(self, rule=replace(self.rule, **chosen)) if chosen else self  # type: ignore[type-var]

    @cached_property
    def dtype(self) -> torch.dtype:
        """The precision of every parameter.

        :raises CannotCompileError: it is not the same for all, or not one that is compiled, or not on the CPU.
        """
        parameters = self.problem.parameters.values()
        (dtype, device), *others = {(each.dtype, each.device.type) for each in parameters}
        if others or device != "cpu" or dtype not in (torch.float32, torch.float64):
            raise CannotCompileError("the parameters are not all float32 or all float64 on the CPU")
        return dtype


@dataclass(frozen=True)
class Moved:
    """One step of a run, or what a recording of it gives: tensors, or the symbols that stand for them."""

    loss: Tensor
    norm: Tensor
    parameters: dict[str, Tensor]
    states: dict[str, State]


def one_step(
    descent: Descent,
    rule: UpdateRule,
    parameters: Mapping[str, Tensor],
    states: Mapping[str, State],
    batch: Batch,
    step: Any,
    lr: Hyperparameter,
) -> Moved:
    """Make one step of one run.

    :param rule: with the hyperparameters of this run.
    :param batch: the data of this step.
    :param lr: the learning rate of this step.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
    descent.problem.module.train()
    loss = checked(descent.problem.loss(descent.problem.forward(leaves), batch))
    found: gradients.Gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    with torch.no_grad():
        found = found if descent.clip is None else descent.clip(found)
        moved, after = dict(parameters), dict(states)
        for name, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                moved[name], after[name] = rule.update(parameters[name], gradient, states[name], step, lr)
        return Moved(loss.detach(), gradients.norm(found), moved, after)


@dataclass(frozen=True)
class Layout:
    """Where each number that a run carries from step to step has its slot: parameters first, then states."""

    parameters: Mapping[str, torch.Size]
    states: Mapping[str, Mapping[str, torch.Size]]

    def tensors(self, entry: Callable[[int], int], symbol: Callable[[Tensor], Any]) -> tuple[Any, Any]:
        """Return parameters and states as symbols of the slots."""
        counter = iter(range(10**9))

        def next_one(shape: torch.Size) -> Any:
            ids = [entry(next(counter)) for _ in range(shape.numel())]
            return symbol(torch.tensor(ids, dtype=torch.int64).reshape(shape))

        parameters = {name: next_one(shape) for name, shape in self.parameters.items()}
        states = {name: {key: next_one(shape) for key, shape in shapes.items()} for name, shapes in self.states.items()}
        return parameters, states

    def names(self) -> list[str]:
        """Name every slot: `weight[0,1]`, `m of weight[0,1]`."""
        found = [f"{name}{place}" for name, shape in self.parameters.items() for place in _places(shape)]
        for name, shapes in self.states.items():
            found += [f"{key} of {name}{place}" for key, shape in shapes.items() for place in _places(shape)]
        return found

    @property
    def moving(self) -> int:
        """How many slots are parameters."""
        return sum(shape.numel() for shape in self.parameters.values())


def _places(shape: torch.Size) -> list[str]:
    if not shape:
        return [""]
    indices = torch.cartesian_prod(*(torch.arange(size) for size in shape)).reshape(-1, len(shape))
    return [f"[{','.join(map(str, index))}]" for index in indices.tolist()]


@dataclass(frozen=True)
class Start:
    """How a run's slots are filled before step 0."""

    program: Program
    slots: tuple[int, ...]
    layout: Layout


@dataclass(frozen=True)
class Step:
    """One step as a program.

    :param loss: before the update.
    :param norm: of the gradient.
    :param slots: after the update.
    :param decisions: values that are the same for all runs and that something was decided by, and what they were.
    """

    program: Program
    loss: int
    norm: int
    slots: tuple[int, ...]
    decisions: tuple[tuple[int, float], ...]


def record_start(descent: Descent) -> Start:
    """Record what the rule remembers of each parameter before step 0.

    :raises CannotCompileError: there are so many parameters that a step is too large in any case.
    """
    shapes = {name: tensor.shape for name, tensor in descent.problem.parameters.items()}
    if (count := sum(shape.numel() for shape in shapes.values())) > LARGEST:
        raise CannotCompileError(f"{count:,} parameters, so that a step has more than {LARGEST:,} scalar operations")
    recorder = Recorder(descent.dtype, RULES, {})
    parameters, _ = Layout(shapes, {}).tensors(_inputs(recorder, SLOT), _symbol(recorder))
    rule = _rule(recorder, descent)
    states = recorder.record(lambda: {name: rule.init(tensor) for name, tensor in parameters.items()})
    lifted = {name: {key: recorder.lift(value) for key, value in state.items()} for name, state in states.items()}
    layout = Layout(shapes, {name: _shapes(state) for name, state in lifted.items()})
    return Start(recorder.program, _flat(recorder, parameters, lifted), layout)


def record_step(descent: Descent, layout: Layout, samples: int | None, step: int, factor: float) -> Step:
    """Record a step.

    :param samples: of its batch, which is an input; None where the batch is all data, which are constants.
    :param step: its number, for decisions that depend on it; otherwise it is an input.
    :param factor: of its learning rate, likewise.
    :raises CannotCompileError: it is no fixed scalar program.
    """
    recorder = Recorder(descent.dtype, RULES, {(STEP,): step, (FACTOR,): factor})
    symbol, program = _symbol(recorder), recorder.program
    parameters, states = layout.tensors(_inputs(recorder, SLOT), symbol)
    rule, data = _rule(recorder, descent), descent.problem.batches.data
    number = Symbol(torch.tensor(program.input(STEP)), torch.int64)
    scale = symbol(torch.tensor(program.input(FACTOR)))
    batch = data if samples is None else tuple(_datum(recorder, i, each, samples) for i, each in enumerate(data))

    def step_of_one_run() -> Moved:
        lr: Any = rule.lr * scale if descent.scheduled else rule.lr
        return one_step(descent, rule, parameters, states, batch, number, lr)

    moved = recorder.record(step_of_one_run)
    if {name: _shapes(state) for name, state in moved.states.items()} != layout.states:
        raise CannotCompileError("the update rule's state changes its symbols or shapes")
    ordered = {name: {key: moved.states[name][key] for key in shapes} for name, shapes in layout.states.items()}
    slots = _flat(recorder, moved.parameters, ordered)
    loss, norm = (int(recorder.cast(each, descent.dtype).ids) for each in (moved.loss, moved.norm))
    return Step(recorder.program, loss, norm, slots, tuple(recorder.decisions))


def record_loss(descent: Descent, layout: Layout) -> tuple[Program, int]:
    """Record the loss over all data, with the module in evaluation mode."""
    recorder, problem = Recorder(descent.dtype, RULES, {}), descent.problem
    parameters, _ = Layout(layout.parameters, {}).tensors(_inputs(recorder, SLOT), _symbol(recorder))
    problem.module.eval()
    with torch.no_grad():
        loss = recorder.record(lambda: problem.loss(problem.forward(parameters), problem.batches.data))
    return recorder.program, int(recorder.cast(loss, descent.dtype).ids)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in state.items()}


def _inputs(recorder: Recorder, kind: str) -> Callable[[int], int]:
    """Return what makes inputs of one kind by their position."""
    return lambda position: recorder.program.input(kind, position)


def _symbol(recorder: Recorder) -> Callable[[Tensor], Any]:
    return lambda ids: recorder.symbol(ids, recorder.dtype)


def _rule(recorder: Recorder, descent: Descent) -> UpdateRule:
    """Return the rule of one run: with a symbol for each hyperparameter that differs."""
    symbols = {
        name: recorder.symbol(torch.tensor(recorder.program.input(LANE, i)), recorder.dtype)
        for i, name in enumerate(descent.lanes)
    }
    return replace(descent.rule, **symbols) if symbols else descent.rule  # type: ignore[type-var]


def _datum(recorder: Recorder, which: int, data: Tensor, samples: int) -> Symbol:
    """Return a batch of a tensor of data: each entry by its row in the batch and its place in the sample."""
    places = data[0].numel()
    ids = [recorder.program.input(DATUM, which, row, place) for row in range(samples) for place in range(places)]
    return Symbol(torch.tensor(ids, dtype=torch.int64).reshape(samples, *data.shape[1:]), data.dtype)


def _flat(
    recorder: Recorder, parameters: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]
) -> tuple[int, ...]:
    """Return the value of every slot."""
    tensors: Sequence[Any] = [*parameters.values(), *(each for state in states.values() for each in state.values())]
    return tuple(i for each in tensors for i in recorder.cast(each, recorder.dtype).ids.flatten().tolist())
