"""One run on symbols: the stepper that a run alone has, with a symbol for each parameter.

Plain PyTorch and the recording execute the same stepper, so the recorded program cannot drift from the reference.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from playground.core import gradients
from playground.core.compiled.errors import CannotCompileError, TooManyOperationsError
from playground.core.compiled.memory import MemoryLeaf, find_leaves, find_objects
from playground.core.compiled.number import SymbolicNumber
from playground.core.compiled.observing import ObservedProgram, ObservedStep, StepObserver
from playground.core.compiled.outside import OutsideState, refuse_random_draws
from playground.core.compiled.patching import modules_of, take_symbolic_numbers
from playground.core.compiled.program import DATUM, FACTOR, LANE, MAX_OPERATIONS, SAMPLE, SLOT, STEP
from playground.core.compiled.recorder import ProgramRecorder
from playground.core.compiled.rules import RULES
from playground.core.compiled.symbol import Symbol
from playground.core.functional import functional_call
from playground.core.gradients import Clip
from playground.core.movers import Mover
from playground.core.problem import BatchTensors, Problem
from playground.core.steppers import OneRun, make_stepper
from playground.core.tape import Tape, record_on_tape
from playground.core.torch_compiler import without_torch_compiler

PARAMETER = ""
"""The first name in the path of a parameter; nothing that is remembered has an empty name."""


@dataclass(frozen=True)
class DescentSpec:
    """Everything that determines a step of any of the runs.

    :param problem: of any one run; all runs share its module, loss and data.
    :param mover: the optimizers.
    :param scheduled: whether a schedule multiplies the learning rate by a factor that changes with the step.
    :param clip: limits on a run's gradient.
    :param data_change: whether the data are inputs of the program, not constants.
    """

    problem: Problem
    mover: Mover
    scheduled: bool = False
    clip: Clip | None = None
    data_change: bool = False

    @property
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

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The shape of each parameter by name.

        :raises TooManyOperationsError: there are more parameters than a step may have operations.
        """
        shapes = {name: tensor.shape for name, tensor in self.problem.parameters.items()}
        if (count := sum(shape.numel() for shape in shapes.values())) > MAX_OPERATIONS:
            raise TooManyOperationsError(
                f"{count:,} parameters: a step has more than {MAX_OPERATIONS:,} scalar operations"
            )
        return shapes


class _SymbolicModule:
    """A module with symbols in place of its parameters.

    :param problem: whose module it is.
    :param parameters: the symbols by name.
    """

    def __init__(self, problem: Problem, parameters: Mapping[str, Tensor]) -> None:
        self._module = problem.module
        self._parameters = parameters
        self.train = problem.module.train
        self.eval = problem.module.eval
        self.named_buffers = problem.module.named_buffers
        self.register_forward_hook = problem.module.register_forward_hook

    def __call__(self, *inputs: Any) -> Any:
        return functional_call(self._module, self._parameters, inputs)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the symbols by name."""
        yield from self._parameters.items()


@dataclass
class _SymbolicBatches:
    """The data of the recorded step.

    :param data: all samples.
    :param names: of the tensors.
    :param now: the batch.
    """

    data: BatchTensors
    names: Sequence[str] = ()
    now: BatchTensors = ()

    def at(self, step: Any) -> BatchTensors:
        """Return the batch of the recorded step."""
        return self.now


class SymbolicRun:
    """One run whose numbers are symbols.

    :param spec: what determines its steps.
    :raises CannotCompileError: the optimizer cannot be constructed on symbols.
    """

    def __init__(self, spec: DescentSpec) -> None:
        self.spec = spec
        lanes = {(LANE, i): column.numpy() for i, column in enumerate(spec.mover.lanes.values())}
        self.recorder = ProgramRecorder(spec.dtype, RULES, lanes)
        self.program = self.recorder.program
        self.parameters: dict[str, Any] = {
            name: Symbol(self.parameter_ids(name), spec.dtype).requires_grad_() for name in spec.shapes
        }
        self._batches = _SymbolicBatches(self._all_data(), spec.problem.batches.names)
        self._gradients: dict[int | None, Any] = {}
        self._number: Any = self.recorder.number(self.program.input(STEP), whole=True)
        factory = spec.mover.optimizer({})
        self._modules = modules_of([getattr(factory, "func", factory)])
        self.stepper: OneRun = self._record(self._build)
        self._modules = modules_of(self._code_objects())
        self._outside = OutsideState(self._code_objects())

    def parameter_ids(self, name: str) -> Tensor:
        """Return the slots of a parameter."""
        shape = self.spec.shapes[name]
        ids = [self.program.input(SLOT, (PARAMETER, name), entry) for entry in range(shape.numel())]
        return torch.tensor(ids, dtype=torch.int64).reshape(shape)

    def leaves(self) -> list[MemoryLeaf]:
        """Return what the optimizer remembers now."""
        return list(find_leaves(self.stepper.memory_root(), self.stepper.parameters))

    def step(self, samples: int | None) -> tuple[int, int, int]:
        """Record a step.

        :param samples: the size of its batch, which is then an input; None if the batch is all data, as constants.
        :returns: the values of the loss and of the gradient's norm before the update, and how often the loss was
            evaluated.
        """
        stepper, decisions = self.stepper, self.recorder.decisions
        self._batches.now = self._batch(samples)
        decisions.may_branch = False
        if samples not in self._gradients:  # the same at every step
            self._record(lambda: stepper.evaluate(self._number))
            self._gradients[samples] = stepper.loss, stepper.gradients
        loss, found = self._gradients[samples]
        evaluations = stepper.evaluations
        stepper.loss, stepper.gradients = (
            _copy_symbol(loss),
            [None if each is None else _copy_symbol(each) for each in found],
        )
        norm = self._record(lambda: gradients.norm(found))
        values = self._value(loss), self._value(norm)
        decisions.may_branch = True
        self._record(lambda: stepper.update(self._number))
        self._outside.require_unchanged()
        for parameter in stepper.parameters:
            parameter.grad = None
        return *values, 1 + stepper.evaluations - evaluations

    def observe(self, samples: int | None, observer: StepObserver) -> ObservedProgram:
        """Record a step with all that an observer wants of it.

        :param samples: as for `step`.
        """
        stepper, decisions, tape = self.stepper, self.recorder.decisions, Tape()
        problem, self._batches.now = stepper.problem, self._batch(samples)
        decisions.may_branch = False
        before = [_copy_symbol(each) for each in stepper.parameters]
        states_before = self._copy_memory()
        stepper.problem = record_on_tape(problem, tape)
        try:
            self._record(lambda: stepper.evaluate(self._number))
        finally:
            stepper.problem = problem
        taken = [None if each is None else _copy_symbol(each) for each in stepper.gradients]
        after = loss_after = None
        if observer.updates:
            decisions.may_branch = True
            self._record(lambda: stepper.update(self._number))
            self._outside.require_unchanged()
            decisions.may_branch = False
            after = [_copy_symbol(each) for each in stepper.parameters]
            loss_after = self._record(lambda: problem.loss(problem.module, self._batches.now))
            for parameter in stepper.parameters:
                parameter.grad = None
        seen = ObservedStep(
            tape=tape,
            before=before,
            gradients=taken,
            after=after,
            states_before=states_before,
            states_after=self._copy_memory(),
            loss_after=loss_after,
        )

        wanted = self._record(lambda: [each.detach() for each in observer.read(seen)])
        values = tuple(
            index for each in wanted for index in self.recorder.cast(each, self.spec.dtype).ids.flatten().tolist()
        )
        return ObservedProgram(self.program, values, self.program.constant(0.0))

    def _copy_memory(self) -> list[dict[str, Tensor]]:
        """Return the tensors and numbers that the optimizer remembers of each parameter."""
        lift, dtype = self.recorder.lift, self.spec.dtype
        return [
            {
                key: _copy_symbol(lift(value, dtype))
                for key, value in memory.items()
                if isinstance(value, Tensor | SymbolicNumber | int | float)
            }
            for memory in self.stepper.memory()
        ]

    def differentiate(self) -> tuple[int, list[int]]:
        """Record the loss over all data and its gradient; return the values, those of the gradient entry by entry.

        :raises CannotCompileError: the loss does not depend on one of the parameters.
        """
        stepper = self.stepper
        self._batches.now = self._batches.data
        self._record(lambda: stepper.evaluate(self._number))
        found: list[int] = []
        for gradient in stepper.gradients:
            if gradient is None:
                raise CannotCompileError("the loss does not depend on one of the parameters")
            found += self.recorder.cast(gradient, self.spec.dtype).ids.flatten().tolist()
        return self._value(stepper.loss), found

    def full_loss(self) -> int:
        """Record the loss of the current parameters over all data; return its value."""
        return int(self._record(lambda: self.recorder.scalar(self.stepper.full_loss())))

    def finish(self) -> int:
        """Record the end of the run: the optimizer may move the parameters once more; return the value of the loss."""
        return int(self._record(lambda: self.recorder.scalar(self.stepper.finish())))

    def predict(self) -> list[int]:
        """Record the module's output for one sample, whose numbers are inputs; return the values."""
        module = self.stepper.problem.module
        sample = self._symbolic_batch(DATUM, 0, self.spec.problem.batches.data[0], 1)

        def work() -> list[int]:
            module.eval()
            with torch.no_grad():
                output = module(sample)
            found: list[int] = self.recorder.cast(output, self.spec.dtype).ids.flatten().tolist()
            return found

        values: list[int] = self._record(work)
        return values

    def _value(self, number: Any) -> int:
        """Return the value of a tensor without axes."""
        return int(self.recorder.cast(number, self.spec.dtype).ids)

    def _record(self, work: Any) -> Any:
        try:
            with without_torch_compiler(), take_symbolic_numbers(self._modules), refuse_random_draws():
                return self.recorder.record(work)
        except CannotCompileError as error:
            place = _find_place(error, self._modules)
            if place and not str(error).endswith(place):
                error.args = (f"{error}{place}",)
            raise

    def _build(self) -> OneRun:
        """Construct the stepper with a symbolic number for each hyperparameter that differs."""
        spec, recorder = self.spec, self.recorder
        values = {
            name: recorder.number(self.program.input(LANE, i), spec.mover.is_whole(name))
            for i, name in enumerate(spec.mover.lanes)
        }
        module: Any = _SymbolicModule(spec.problem, self.parameters)
        batches: Any = self._batches
        problem = replace(spec.problem, module=module, batches=batches)
        factor = recorder.number(self.program.input(FACTOR))
        schedule = (lambda _: factor) if spec.scheduled else None
        return make_stepper(problem, spec.mover.optimizer(values), schedule, spec.clip)

    def _code_objects(self) -> list[Any]:
        """Return the optimizer and the objects that it holds, such as optimizers: their classes hold its code."""
        root, rule = self.stepper.memory_root(), self.spec.mover.optimizer({})
        return [root, rule, *find_objects(root)]

    def _batch(self, samples: int | None) -> BatchTensors:
        """Return the batch of the step: an entry is an input by its row in the batch and its place in the sample."""
        if samples is None:
            return self._batches.data
        data = self.spec.problem.batches.data
        return tuple(self._symbolic_batch(DATUM, i, each, samples) for i, each in enumerate(data))

    def _all_data(self) -> BatchTensors:
        """Return all data: as constants, or as inputs in the same way."""
        data = self.spec.problem.batches.data
        if not self.spec.data_change:
            return data
        return tuple(self._symbolic_batch(SAMPLE, i, each, len(each)) for i, each in enumerate(data))

    def _symbolic_batch(self, kind: str, which: int, data: Tensor, samples: int) -> Symbol:
        places = data[0].numel()
        ids = [self.program.input(kind, which, row, place) for row in range(samples) for place in range(places)]
        return Symbol(torch.tensor(ids, dtype=torch.int64).reshape(samples, *data.shape[1:]), data.dtype)


def _find_place(error: BaseException, modules: Sequence[ModuleType]) -> str:
    """Return the last line of an optimizer's code that an error passed: ` (mine.py:42)`; empty if it passed none."""
    names, found = {module.__name__ for module in modules}, ""
    cause = error.__cause__ or error
    for frame, line in traceback.walk_tb(cause.__traceback__):
        name = frame.f_globals.get("__name__")
        if name in names:
            file = Path(frame.f_code.co_filename)
            found = f" ({name.replace('.', '/')}.py:{line})" if "." in str(name) else f" ({file.name}:{line})"
    return found


def _copy_symbol(symbol: Any) -> Symbol:
    """Return a symbol with entries of its own, which the optimizer may write to."""
    return Symbol(symbol.ids.clone(), symbol.dtype)
