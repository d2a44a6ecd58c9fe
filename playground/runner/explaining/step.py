"""Explains one step of a scenario: the run's own stepper makes the step while a tape records its operations.

Explaining must not change the run: the steps after an explained one are those of the plain run, to the bit. Everything
that evaluates the problem again therefore does so inside `_undisturbed_problem`, which restores random numbers and
buffers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.explanation import ExplainedParameter, Explanation, UnexplainedStep, Update
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception, translate_errors
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.explaining.replay import Replay, replay
from playground.runner.single.labels import component_label
from playground.runner.single.measuring import Observer
from playground.runner.single.prepared import Prepared
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from playground.core.chain import Operations
    from playground.core.operations import Operation
    from playground.core.problem import Problem
    from playground.core.steppers import OneRun
    from playground.core.tape import Tape
    from playground.runner.explaining.worked_arithmetic import Scope
    from playground.runner.explaining.worked_updates import ParameterChange

MAX_CHECKED_PARAMETERS = 200
"""Parameters up to which central differences are computed; each takes about forty evaluations."""


class _KnownOperations(dict[str, Any]):
    """Operations by name, built at the first access."""

    def __init__(self, plugins: Plugins) -> None:
        super().__init__()
        self._plugins, self._names = plugins, frozenset(plugins.registry.names("operation"))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._names

    def __missing__(self, name: str) -> Operation:
        if name not in self:
            raise KeyError(name)
        self[name] = build(self._plugins.registry.get("operation", name.lower()), {}, {})
        return self[name]  # type: ignore[no-any-return]


def known_operations(plugins: Plugins) -> Operations:
    """Return the operations that the plugins describe, by the short name of the torch function."""
    return _KnownOperations(plugins)


def explain(loaded: Loaded, plugins: Plugins, step: int = 0, sample: int | None = None, digits: int = 4) -> Explanation:
    """Explain one step of a scenario; a sweep's scenario is explained without the sweep.

    :param step: counts from 0; a step equal to the budget explains the final parameters, without an update.
    :param sample: the sample of the step's batch whose arithmetic is written out; for a direct task that answers at
        several points, the point.
    :param digits: decimals in written-out arithmetic.
    :raises ScenarioError: the scenario is not valid, or has no such step or sample.
    """
    with replay(loaded, plugins, point=sample or 0) as made:
        made.advance(step)
        batch = made.stepper.problem.batches.at(step)
        samples = len(batch[0]) if batch else made.points
        if sample is not None and sample >= samples:
            there = f"0 to {samples - 1}" if samples > 1 else "only 0" if samples else "none"
            raise ScenarioError(Fault(f"no sample {sample} in step {step} (samples: {there})", ("task",)))
        explained = _explain_next_step(made, known_operations(plugins), sample, digits)
        return dataclasses.replace(explained, samples=samples, sample=(sample or 0) if made.points else sample)


def explain_steps(
    loaded: Loaded, plugins: Plugins, steps: Sequence[int], observe: Observer = nullcontext
) -> Iterator[Explanation | UnexplainedStep]:
    """Yield explanations of some steps of a run, which is repeated once for all of them.

    Central differences check the gradients of the first step. They check the other steps too if parameters times steps
    is at most `MAX_CHECKED_PARAMETERS`.

    :param steps: rising, none after the run's end.
    :param observe: watches the descent, to show its progress.
    :returns: explanations; if one fails, an `UnexplainedStep` with the reason is the last item.
    """
    step = 0
    try:
        with replay(loaded, plugins, observe) as made:
            known = known_operations(plugins)
            numbers = sum(tensor.numel() for tensor in made.stepper.parameters)
            for step in steps:
                made.advance(step)
                yield _explain_next_step(
                    made, known, check=step == steps[0] or numbers * len(steps) <= MAX_CHECKED_PARAMETERS
                )
    except PlaygroundError as error:
        yield UnexplainedStep(step, "; ".join(fault.message for fault in error.faults))
    except ISOLATED_EXCEPTIONS as error:
        yield UnexplainedStep(step, describe_exception(error))
    except KeyboardInterrupt:  # keep the run, which is complete
        yield UnexplainedStep(step, "interrupted")


def _explain_next_step(
    made: Replay, operations: Operations, sample: int | None = None, digits: int = 4, check: bool = True
) -> Explanation:
    """Make the next step with the tape recording, and return it as plain data.

    :param check: compute the gradients by central differences too.
    """
    import torch

    from playground.core.tape import Tape, record_on_tape
    from playground.runner.explaining.from_tape import TapeReader
    from playground.runner.explaining.remarks import TapedStep, step_remarks
    from playground.runner.explaining.worked_arithmetic import Scope

    ready, stepper, step, tape = made.ready, made.stepper, made.step, Tape()
    problem, batch = stepper.problem, stepper.problem.batches.at(step)
    before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    rng_state = torch.get_rng_state()
    with translate_errors(f"step {step}", "task"):
        stepper.problem = record_on_tape(problem, tape)
        loss = made.evaluate()
        stepper.problem = problem
        states_before = [_copy_state(memory) for memory in stepper.memory()]
        used = tuple(stepper.gradients)  # before the update: an optimizer with a closure evaluates at other points
        # Before the update, because a buffer can share its memory with a parameter.
        with _undisturbed_problem(problem, ready.setting.device, rng_state) as again:
            central = _central_differences(again, batch) if check else {}
        made.move()
    after, loss_after = None, None
    with _undisturbed_problem(problem, ready.setting.device, rng_state) as again:
        if not made.ended:
            after = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
            with translate_errors(f"step {step}", "task"):
                loss_after = _compute_loss(again, batch)
        samples = len(batch[0]) if batch else 0
        reader = TapeReader(tape, operations, sample, digits, samples)
        changes = {} if made.ended else _parameter_changes(stepper, used, before, states_before)
        update, holds = (None, True) if made.ended else _explain_update(ready, stepper, step, tuple(changes.values()))
        written = _write_updates(made, changes, Scope(sample, samples, digits))
        moved = tuple(
            dataclasses.replace(each, written=written.get(each.name, ()))
            for each in _explain_parameters(stepper, tape, used, before, after, central, states_before)
        )
        made_step = TapedStep(
            ready=ready,
            problem=again,
            tape=tape,
            understood=reader.understood,
            before=before,
            loss=loss,
            loss_after=loss_after,
            number=step,
            samples=samples,
            clipped=any(each.used is not None for each in moved),
            batch=batch,
            formula_holds=holds,
        )
        scenario = ready.loaded.scenario
        return Explanation(
            scenario=scenario.name,
            summary=scenario.summary,
            file=ready.loaded.source.file,
            step=step,
            samples=samples,
            sample=sample,
            digits=digits,
            nodes=reader.nodes(),
            operations=reader.operations(),
            parameters=moved,
            loss=loss,
            loss_after=loss_after,
            update=update,
            words=tuple(step_remarks(made_step)),
        )


def _write_updates(made: Replay, changes: Mapping[str, ParameterChange], scope: Scope) -> dict[str, tuple[str, ...]]:
    """Return the update of each parameter's first entry with its numbers, if the rule declares a formula."""
    from playground.runner.explaining.worked_updates import write_update

    formula = tuple(getattr(made.ready.bound.optimizer, "formula", ()))
    step = made.step - 1  # the step just made
    settings = _rule_settings(made.ready) | {"lr": made.stepper.rate(step), "t": step + 1}
    return {name: write_update(formula, settings, change, scope) for name, change in changes.items()} if formula else {}


@contextmanager
def _undisturbed_problem(problem: Problem, device: torch.device, rng_state: Tensor) -> Iterator[Problem]:
    """Yield the problem with a loss that draws the same random numbers as the step at each evaluation.

    Dropout drops the same entries. Afterwards, the state of torch's generator and the buffers are restored.

    :param rng_state: the state of torch's generator before the step.
    """
    import torch

    from playground.core.problem import Problem
    from playground.core.seeding import preserve_torch_stream

    def loss(forward: Any, data: Any) -> Tensor:
        torch.set_rng_state(rng_state)
        return problem.loss(forward, data)

    buffers = [(buffer, buffer.detach().clone()) for buffer in problem.module.buffers()]
    with preserve_torch_stream(device):
        yield Problem(problem.module, loss, problem.batches)
    with torch.no_grad():  # no_grad, because a buffer can be a parameter too
        for buffer, before in buffers:
            buffer.copy_(before)


def _compute_loss(problem: Problem, batch: Any) -> float:
    import torch

    from playground.core.setting import flush_denormals

    with torch.no_grad(), flush_denormals():
        return problem.loss(problem.module, batch).item()


def _explain_parameters(
    stepper: OneRun,
    tape: Tape,
    used: Sequence[Tensor | None],
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor] | None,
    central: Mapping[str, Tensor],
    states_before: list[dict[str, Any]],
) -> Iterator[ExplainedParameter]:
    """Yield each parameter's values, gradients and optimizer state before and after the step.

    :param used: the gradients after clipping.
    :param central: dL/dparameter by central differences, by name.
    :param states_before: the optimizer's state before the step.
    """
    from playground.runner.explaining.from_tape import summarize_tensor

    now = stepper.memory()
    for index, (name, tensor) in enumerate(before.items()):
        gradient, taken = tape.parameters[name].gradient, used[index]
        yield ExplainedParameter(
            name,
            summarize_tensor(tensor),
            None if gradient is None else summarize_tensor(gradient),
            summarize_tensor(central[name]) if name in central else None,
            summarize_tensor(taken) if taken is not None and _is_clipped(taken, gradient) else None,
            None if after is None else summarize_tensor(after[name]),
            {key: summarize_tensor(value) for key, value in states_before[index].items()} if after else {},
            {key: summarize_tensor(value) for key, value in _copy_state(now[index]).items()} if after else {},
        )


def _is_clipped(taken: Tensor, gradient: Tensor | None) -> bool:
    """Tell whether clipping changed a gradient; a NaN stays a NaN."""
    return gradient is not None and bool(((taken != gradient) & ~(taken.isnan() & gradient.isnan())).any())


def _central_differences(problem: Problem, batch: Any) -> dict[str, Tensor]:
    """Return dL/dparameter by central differences in float64; empty for large models and those that refuse float64."""
    import torch

    from playground.core.derivatives import central_gradient
    from playground.core.derivatives.points import flat_loss
    from playground.core.problem import Batches

    parameters = problem.parameters
    sizes = [tensor.numel() for tensor in parameters.values()]
    if sum(sizes) > MAX_CHECKED_PARAMETERS:
        return {}
    loss, z = flat_loss(dataclasses.replace(problem, batches=Batches(batch)), parameters)
    try:
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
    ready: Prepared, stepper: OneRun, step: int, changes: Sequence[ParameterChange]
) -> tuple[Update, bool | None]:
    """Return the update as the optimizer declares it; a formula that does not give the step is left out.

    :returns: the update, and whether the declared formula gives the step; None if it cannot be computed.
    """
    from playground.runner.explaining.worked_updates import matches_step, simplify_formula

    rule = ready.bound.optimizer
    label = component_label(ready.loaded.scenario.components["optimizer"])
    formula, symbols = tuple(getattr(rule, "formula", ())), getattr(rule, "symbols", {})
    settings = _rule_settings(ready)
    holds: bool | None = True
    if changes and formula:
        numbers = settings | {"lr": stepper.rate(step), "t": step + 1}
        holds = matches_step(formula, numbers, changes)
        formula = () if holds is False else simplify_formula(formula, numbers, changes[0])
    return Update(label, stepper.rate(step), formula, dict(symbols), settings), holds


def _rule_settings(ready: Prepared) -> dict[str, Any]:
    """Return the hyperparameters of an update rule by symbol, without the learning rate."""
    rule = ready.bound.optimizer
    if not dataclasses.is_dataclass(rule):
        return {}
    return {each.name: getattr(rule, each.name) for each in dataclasses.fields(rule) if each.name != "lr"}


def _parameter_changes(
    stepper: OneRun, used: Sequence[Tensor | None], before: Mapping[str, Tensor], states_before: list[dict[str, Any]]
) -> dict[str, ParameterChange]:
    """Return how each parameter with a gradient moved."""
    from playground.runner.explaining.worked_updates import ParameterChange

    now = [_copy_state(memory) for memory in stepper.memory()]
    return {
        name: ParameterChange(
            before=tensor,
            after=stepper.parameters[index].detach(),
            gradient=gradient,
            state_before=states_before[index],
            state_after=now[index],
        )
        for index, (name, tensor) in enumerate(before.items())
        if (gradient := used[index]) is not None and tensor.numel()
    }
