"""Explains one step of any stepper: it makes the step while a tape records its operations.

Explaining must not change what is explained: the steps after an explained one are those of the plain run, to the bit.
Everything that evaluates the problem again therefore does so inside `_undisturbed_problem`, which restores random
numbers and buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.explanation import ExplainedParameter, Explanation, Update
from playground.plugins.causes import ISOLATED_EXCEPTIONS, translate_errors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from playground.core.chain import Operations
    from playground.core.problem import Problem
    from playground.core.tape import Tape
    from playground.runner.explaining.from_tape import TapeReader
    from playground.runner.explaining.subject import ExplainedSubject
    from playground.runner.explaining.worked_arithmetic import Scope
    from playground.runner.explaining.worked_updates import ParameterChange

MAX_CHECKED_PARAMETERS = 200
"""Parameters up to which central differences are computed; each takes about forty evaluations."""


@dataclass(frozen=True, kw_only=True)
class MadeStep:
    """A step that was made, and everything it changed.

    :param batch: the data of the step.
    :param loss_after: the loss of the moved parameters on the same data; None if there was no update.
    :param before: the parameters before the update, by name.
    :param after: the parameters after it; None if there was no update.
    :param used: the gradients after clipping.
    :param central: dL/dparameter by central differences, by name.
    :param states_before: the optimizer's state of each parameter before the update.
    :param states_after: and after it.
    """

    tape: Tape
    batch: tuple[Tensor, ...]
    loss: float
    loss_after: float | None
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor] | None
    used: tuple[Tensor | None, ...]
    central: Mapping[str, Tensor]
    states_before: list[dict[str, Tensor]]
    states_after: list[dict[str, Tensor]]

    @property
    def samples(self) -> int:
        """Samples in the batch; 0 for a function."""
        from playground.core.batch_in_hand import count_samples

        return count_samples(self.batch)

    def changes(self) -> dict[str, ParameterChange]:
        """Return how each parameter with a gradient moved; empty if there was no update."""
        from playground.runner.explaining.worked_updates import ParameterChange

        return {
            name: ParameterChange(
                before=tensor,
                after=self.after[name],
                gradient=gradient,
                state_before=self.states_before[index],
                state_after=self.states_after[index],
            )
            for index, (name, tensor) in enumerate(self.before.items())
            if self.after is not None and (gradient := self.used[index]) is not None and tensor.numel()
        }


@dataclass(frozen=True, kw_only=True)
class ExaminedStep:
    """A step that was made and explained, with what the explanation was made from.

    :param reader: of its tape.
    :param changes: how each parameter with a gradient moved.
    :param scope: which entries are written out.
    """

    subject: ExplainedSubject
    explanation: Explanation
    made: MadeStep
    reader: TapeReader
    changes: Mapping[str, ParameterChange]
    scope: Scope


def explain_step(
    subject: ExplainedSubject, operations: Operations, sample: int | None = None, digits: int = 4, check: bool = True
) -> Explanation:
    """Make the next step of a stepper with the tape recording, and return it as plain data; see `examine_step`."""
    return examine_step(subject, operations, sample, digits, check).explanation


def examine_step(
    subject: ExplainedSubject, operations: Operations, sample: int | None = None, digits: int = 4, check: bool = True
) -> ExaminedStep:
    """Make the next step of a stepper with the tape recording, and explain it.

    :param operations: what is known of operations, by name.
    :param sample: the sample of the batch whose arithmetic is written out.
    :param digits: decimals in written-out arithmetic.
    :param check: compute the gradients by central differences too.
    :raises ScenarioError: a component raises.
    """
    from playground.core.seeding import save_torch_stream
    from playground.runner.explaining.from_tape import TapeReader
    from playground.runner.explaining.remarks import TapedStep, step_remarks
    from playground.runner.explaining.worked_arithmetic import Scope

    problem = subject.stepper.problem
    restore_stream = save_torch_stream(subject.device)
    made = _make_step(subject, restore_stream, check)
    with _undisturbed_problem(problem, subject.device, restore_stream) as again:
        reader = TapeReader(made.tape, operations, sample, digits, made.samples)
        changes = made.changes()
        update, holds = _explain_update(subject, changes) if made.after is not None else (None, True)
        scope = Scope(sample, made.samples, digits)
        written = _write_updates(subject, changes, scope)
        taped = TapedStep(
            subject=subject,
            problem=again,
            tape=made.tape,
            understood=reader.understood,
            before=made.before,
            loss=made.loss,
            loss_after=made.loss_after,
            samples=made.samples,
            clipped=any(_is_clipped(*pair) for pair in zip(made.used, _taped_gradients(made), strict=True)),
            batch=made.batch,
            formula_holds=holds,
        )
        explanation = Explanation(
            scenario=subject.title,
            summary=subject.summary,
            file=subject.file,
            step=subject.step,
            samples=made.samples,
            sample=sample,
            digits=digits,
            nodes=reader.nodes(),
            operations=reader.operations(),
            parameters=tuple(_explain_parameters(made, written)),
            loss=made.loss,
            loss_after=made.loss_after,
            update=update,
            words=tuple(step_remarks(taped)),
        )
    return ExaminedStep(
        subject=subject, explanation=explanation, made=made, reader=reader, changes=changes, scope=scope
    )


def _make_step(subject: ExplainedSubject, restore_stream: Callable[[], None], check: bool) -> MadeStep:
    """Evaluate and update on a tape, and return what changed.

    :param restore_stream: puts torch's stream back to its state before the step.
    """
    from playground.core.routes import copy_dense
    from playground.core.setting import flush_denormals
    from playground.core.tape import Tape, record_on_tape

    stepper, step, tape = subject.stepper, subject.step, Tape()
    arithmetic = flush_denormals if subject.flush_denormals else nullcontext
    problem, batch = stepper.problem, stepper.problem.batches.at(step)
    before = _copy_parameters(problem)
    after, loss_after, central = None, None, {}
    with translate_errors(f"step {step}", "task"):
        stepper.problem = record_on_tape(problem, tape)
        with arithmetic():
            loss = stepper.evaluate(step)
            moves = subject.continues(loss)
        stepper.problem = problem
        states_before = [_copy_state(memory) for memory in stepper.memory()]
        used = tuple(None if each is None else copy_dense(each) for each in stepper.gradients)
        # before the update: an optimizer with a closure evaluates at other points
        if check:  # before the update, because a buffer can share its memory with a parameter
            with _undisturbed_problem(problem, subject.device, restore_stream) as again:
                central = _central_differences(again, batch)
        if moves:
            with arithmetic():
                stepper.update(step)
            after = _copy_parameters(problem)
            with _undisturbed_problem(problem, subject.device, restore_stream) as again, arithmetic():
                loss_after = _compute_loss(again, batch)
    return MadeStep(
        tape=tape,
        batch=batch,
        loss=loss,
        loss_after=loss_after,
        before=before,
        after=after,
        used=used,
        central=central,
        states_before=states_before,
        states_after=[_copy_state(memory) for memory in stepper.memory()],
    )


@contextmanager
def _undisturbed_problem(
    problem: Problem, device: torch.device, restore_stream: Callable[[], None]
) -> Iterator[Problem]:
    """Yield the problem with a loss that draws the same random numbers as the step at each evaluation.

    Dropout drops the same entries. Afterwards, the states of torch's generators and the buffers are restored.

    :param restore_stream: puts torch's stream back to its state before the step.
    """
    import torch

    from playground.core.problem import Problem
    from playground.core.seeding import preserve_torch_stream

    def loss(forward: Any, data: Any) -> Tensor:
        restore_stream()
        return problem.loss(forward, data)

    buffers = [(buffer, buffer.detach().clone()) for buffer in problem.module.buffers()]
    with preserve_torch_stream(device):
        yield Problem(problem.module, loss, problem.batches)
    with torch.no_grad():  # no_grad, because a buffer can be a parameter too
        for buffer, before in buffers:
            buffer.copy_(before)


def _compute_loss(problem: Problem, batch: Any) -> float:
    import torch

    torch.clear_autocast_cache()  # it may hold the parameters before the update
    with torch.enable_grad():  # a loss may differentiate the model itself
        return problem.loss(problem.module, batch).item()


def _copy_parameters(problem: Problem) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}


def _taped_gradients(made: MadeStep) -> list[Tensor | None]:
    """Return the gradients before clipping, in the order of the parameters."""
    return [made.tape.parameters[name].gradient for name in made.before]


def _explain_parameters(made: MadeStep, written: Mapping[str, tuple[str, ...]]) -> Iterator[ExplainedParameter]:
    """Yield each parameter's values, gradients and optimizer state before and after the step.

    :param written: the update of each parameter's first entry with its numbers.
    """
    from playground.runner.explaining.from_tape import summarize_tensor

    gradients = _taped_gradients(made)
    for index, (name, tensor) in enumerate(made.before.items()):
        gradient, taken = gradients[index], made.used[index]
        yield ExplainedParameter(
            name,
            summarize_tensor(tensor),
            None if gradient is None else summarize_tensor(gradient),
            summarize_tensor(made.central[name]) if name in made.central else None,
            summarize_tensor(taken) if taken is not None and _is_clipped(taken, gradient) else None,
            None if made.after is None else summarize_tensor(made.after[name]),
            {key: summarize_tensor(value) for key, value in made.states_before[index].items()} if made.after else {},
            {key: summarize_tensor(value) for key, value in made.states_after[index].items()} if made.after else {},
            written.get(name, ()),
        )


def _is_clipped(taken: Tensor | None, gradient: Tensor | None) -> bool:
    """Tell whether clipping changed a gradient; a NaN stays a NaN."""
    return (
        taken is not None
        and gradient is not None
        and bool(((taken != gradient) & ~(taken.isnan() & gradient.isnan())).any())
    )


def _central_differences(problem: Problem, batch: Any) -> dict[str, Tensor]:
    """Return dL/dparameter by central differences in float64; empty for large models and those that refuse float64."""
    import torch

    from playground.core.derivatives import central_gradient
    from playground.core.derivatives.points import flat_loss
    from playground.core.setting import one_thread

    parameters = problem.parameters
    sizes = [tensor.numel() for tensor in parameters.values()]
    if sum(sizes) > MAX_CHECKED_PARAMETERS:
        return {}
    loss, z = flat_loss(problem, parameters, batch)
    try:
        with one_thread():
            found = torch.split(central_gradient(loss, z.double()).value, sizes)
    except ISOLATED_EXCEPTIONS:  # a component without float64: explain without this check
        return {}
    return {name: piece.view(tensor.shape) for (name, tensor), piece in zip(parameters.items(), found, strict=True)}


def _copy_state(memory: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        key: torch.as_tensor(value).detach().clone().double()
        for key, value in memory.items()
        if isinstance(value, torch.Tensor | int | float)
    }


def _explain_update(
    subject: ExplainedSubject, changes: Mapping[str, ParameterChange]
) -> tuple[Update | None, bool | None]:
    """Return the update as the optimizer declares it; a formula that does not give the step is left out.

    :returns: the update, and whether the declared formula gives the step; None if it cannot be computed.
    """
    from playground.runner.explaining.worked_updates import matches_step, simplify_formula

    if (optimizer := subject.optimizer) is None:
        return None, True
    formula = optimizer.formula
    holds: bool | None = True
    if changes and formula:
        numbers = {name: update_numbers(subject, name) for name in changes}
        verdicts = {matches_step(formula, numbers[name], [change]) for name, change in changes.items()}
        holds = next((verdict for verdict in (None, False) if verdict in verdicts), True)
        first = next(iter(changes))
        if holds is False:
            formula = ()
        elif all(each == numbers[first] for each in numbers.values()):
            formula = simplify_formula(formula, numbers[first], changes[first])
    rate = subject.stepper.rate(subject.step)
    return Update(optimizer.label, rate, formula, dict(optimizer.symbols), dict(optimizer.settings)), holds


def _write_updates(
    subject: ExplainedSubject, changes: Mapping[str, ParameterChange], scope: Scope
) -> dict[str, tuple[str, ...]]:
    """Return the update of each parameter's first entry with its numbers, if the rule declares a formula."""
    from playground.runner.explaining.worked_updates import write_update

    if subject.optimizer is None or not (formula := subject.optimizer.formula):
        return {}
    return {
        name: write_update(formula, update_numbers(subject, name), change, scope) for name, change in changes.items()
    }


def update_numbers(subject: ExplainedSubject, name: str) -> dict[str, Any]:
    """Return the numbers of a parameter's update by symbol: hyperparameters, learning rate and the count of steps."""
    numbers = {"lr": subject.stepper.rate(subject.step), "t": subject.step + 1}
    if (optimizer := subject.optimizer) is None:
        return numbers
    return {**optimizer.settings, **numbers, **optimizer.own.get(name, {})}
