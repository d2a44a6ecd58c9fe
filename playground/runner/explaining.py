"""One step of a scenario, explained: the run's own stepper makes it, and a tape looks on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.explanation import Explanation, Moved, Unexplained, Update
from playground.plugins.causes import ISOLATED, cause
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.describing import named
from playground.runner.measuring import Observer
from playground.runner.preparing import Prepared
from playground.runner.replaying import Replay, replay, told
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from playground.engine.chain import Operations
    from playground.engine.operations import Operation
    from playground.engine.problem import Problem
    from playground.engine.steppers import OneRun
    from playground.engine.tape import Tape
    from playground.runner.arithmetic import Scope
    from playground.runner.update_arithmetic import Change

CHECKED = 200
"""Parameters up to which central differences are taken: each costs some forty evaluations."""


class _Known(dict[str, Any]):
    """Operations by name, made when first asked for."""

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
    """Return what the plugins know of torch's functions."""
    return _Known(plugins)


def explain(loaded: Loaded, plugins: Plugins, step: int = 0, sample: int | None = None, digits: int = 4) -> Explanation:
    """Explain one step of a scenario; of a sweep, that of the scenario without the sweep.

    :param step: counts from 0; the budget itself explains the final parameters, which nothing moves.
    :param sample: of the step's batch, whose arithmetic is written out; of a task that answers at several points, the
        point.
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
        explained = _explained(made, known_operations(plugins), sample, digits)
        return dataclasses.replace(explained, samples=samples, sample=(sample or 0) if made.points else sample)


def explanations(
    loaded: Loaded, plugins: Plugins, steps: Sequence[int], observe: Observer = nullcontext
) -> Iterator[Explanation | Unexplained]:
    """Yield explanations of some steps of a run, which is made once more for all of them.

    Central differences stand beside the gradients of the first; beside the others as well where all of them together
    take no more of it than one explanation may.

    :param steps: rising, none after the run's end.
    :param observe: watches the descent, to show its progress.
    :returns: in the end, where something cannot be explained, the reason.
    """
    step = 0
    try:
        with replay(loaded, plugins, observe) as made:
            known = known_operations(plugins)
            numbers = sum(tensor.numel() for tensor in made.stepper.parameters)
            for step in steps:
                made.advance(step)
                yield _explained(made, known, check=step == steps[0] or numbers * len(steps) <= CHECKED)
    except PlaygroundError as error:
        yield Unexplained(step, "; ".join(fault.message for fault in error.faults))
    except ISOLATED as error:
        yield Unexplained(step, cause(error))
    except KeyboardInterrupt:  # the run itself is there, and not to be lost
        yield Unexplained(step, "interrupted")


def _explained(
    made: Replay, operations: Operations, sample: int | None = None, digits: int = 4, check: bool = True
) -> Explanation:
    """Make the next step with the tape running, and put everything into plain data.

    :param check: hold the gradients against central differences.
    """
    import torch

    from playground.engine.tape import Tape, recorded
    from playground.runner.arithmetic import Scope
    from playground.runner.narrating import Step, words
    from playground.runner.telling import Teller

    ready, stepper, step, tape = made.ready, made.stepper, made.step, Tape()
    problem, batch = stepper.problem, stepper.problem.batches.at(step)
    before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    dice = torch.get_rng_state()
    with told(f"step {step}"):
        stepper.problem = recorded(problem, tape)
        loss = made.evaluate()
        stepper.problem = problem
        remembered = [_copied(memory) for memory in stepper.memory()]
        used = tuple(stepper.gradients)  # an optimizer that takes a closure evaluates again, elsewhere
        with _aside(problem, ready.setting.device, dice) as again:  # before the move, which a buffer may share
            central = _central(again, batch) if check else {}
        made.move()
    after, loss_after = None, None
    with _aside(problem, ready.setting.device, dice) as again:
        if not made.ended:
            after = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
            with told(f"step {step}"):
                loss_after = _loss(again, batch)
        samples = len(batch[0]) if batch else 0
        teller = Teller(tape, operations, sample, digits, samples)
        changes = {} if made.ended else _changes(stepper, used, before, remembered)
        update, holds = (None, True) if made.ended else _update(ready, stepper, step, tuple(changes.values()))
        written = _written(made, changes, Scope(sample, samples, digits))
        moved = tuple(
            dataclasses.replace(each, written=written.get(each.name, ()))
            for each in _moved(stepper, tape, used, before, after, central, remembered)
        )
        made_step = Step(
            ready=ready,
            problem=again,
            tape=tape,
            understood=teller.understood,
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
            scenario.name,
            scenario.summary,
            ready.loaded.source.file,
            step,
            samples,
            sample,
            digits,
            teller.nodes(),
            teller.operations(),
            moved,
            loss,
            loss_after,
            update,
            tuple(words(made_step)),
        )


def _written(made: Replay, changes: Mapping[str, Change], scope: Scope) -> dict[str, tuple[str, ...]]:
    """Return the update of each parameter's first entry with its numbers, where its rule declares a formula."""
    from playground.runner.update_arithmetic import work_out

    formula = tuple(getattr(made.ready.bound.optimizer, "formula", ()))
    step = made.step - 1  # which was made
    settings = _settings(made.ready) | {"lr": made.stepper.rate(step), "t": step + 1}
    return {name: work_out(formula, settings, change, scope) for name, change in changes.items()} if formula else {}


@contextmanager
def _aside(problem: Problem, device: torch.device, dice: Tensor) -> Iterator[Problem]:
    """Yield the problem with a loss that draws at each look what the step drew: the same entries are dropped.

    The run goes on as if nobody had looked: its random numbers and buffers are what they were before.

    :param dice: the state of torch's generator before the step.
    """
    import torch

    from playground.engine.problem import Problem
    from playground.engine.seeding import undisturbed

    def loss(forward: Any, data: Any) -> Tensor:
        torch.set_rng_state(dice)
        return problem.loss(forward, data)

    buffers = [(buffer, buffer.detach().clone()) for buffer in problem.module.buffers()]
    with undisturbed(device):
        yield Problem(problem.module, loss, problem.batches)
    with torch.no_grad():  # a buffer may be a parameter, too
        for buffer, before in buffers:
            buffer.copy_(before)


def _loss(problem: Problem, batch: Any) -> float:
    import torch

    from playground.engine.setting import flushed_denormals

    with torch.no_grad(), flushed_denormals():
        return problem.loss(problem.module, batch).item()


def _moved(
    stepper: OneRun,
    tape: Tape,
    used: Sequence[Tensor | None],
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor] | None,
    central: Mapping[str, Tensor],
    remembered: list[dict[str, Any]],
) -> Iterator[Moved]:
    """Yield each parameter through the step.

    :param used: the gradients that the step was made with, after clipping.
    """
    from playground.runner.telling import shown

    now = stepper.memory()
    for index, (name, tensor) in enumerate(before.items()):
        gradient, taken = tape.parameters[name].gradient, used[index]
        yield Moved(
            name,
            shown(tensor),
            None if gradient is None else shown(gradient),
            shown(central[name]) if name in central else None,
            shown(taken) if taken is not None and _differ(taken, gradient) else None,
            None if after is None else shown(after[name]),
            {key: shown(value) for key, value in remembered[index].items()} if after else {},
            {key: shown(value) for key, value in _copied(now[index]).items()} if after else {},
        )


def _differ(taken: Tensor, gradient: Tensor | None) -> bool:
    """Tell whether clipping made another gradient of one; what is no number stays as it is."""
    return gradient is not None and bool(((taken != gradient) & ~(taken.isnan() & gradient.isnan())).any())


def _central(problem: Problem, batch: Any) -> dict[str, Tensor]:
    """Return dL/dparameter by central differences in float64; nothing for a large model, or one that cannot do it."""
    import torch

    from playground.engine.derivatives import central_gradient
    from playground.engine.derivatives.points import flat_loss
    from playground.engine.problem import Batches

    parameters = problem.parameters
    sizes = [tensor.numel() for tensor in parameters.values()]
    if sum(sizes) > CHECKED:
        return {}
    loss, z = flat_loss(dataclasses.replace(problem, batches=Batches(batch)), parameters)
    try:
        found = torch.split(central_gradient(loss, z.double()).value, sizes)
    except ISOLATED:  # a component that cannot be evaluated in float64 costs the check, not the explanation
        return {}
    return {name: piece.view(tensor.shape) for (name, tensor), piece in zip(parameters.items(), found, strict=True)}


def _copied(memory: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        key: torch.as_tensor(value).detach().clone().double()
        for key, value in memory.items()
        if isinstance(value, torch.Tensor | int | float)
    }


def _update(ready: Prepared, stepper: OneRun, step: int, changes: Sequence[Change]) -> tuple[Update, bool | None]:
    """Return what the optimizer declares of itself; a formula that does not give the step is left out.

    :returns: beside it whether the declared formula gives the step; None where it cannot be computed.
    """
    from playground.runner.update_arithmetic import gives_the_step, what_counts

    rule = ready.bound.optimizer
    label = named(ready.loaded.scenario.components["optimizer"])
    formula, symbols = tuple(getattr(rule, "formula", ())), getattr(rule, "symbols", {})
    settings = _settings(ready)
    holds: bool | None = True
    if changes and formula:
        numbers = settings | {"lr": stepper.rate(step), "t": step + 1}
        holds = gives_the_step(formula, numbers, changes)
        formula = () if holds is False else what_counts(formula, numbers, changes[0])
    return Update(label, stepper.rate(step), formula, dict(symbols), settings), holds


def _settings(ready: Prepared) -> dict[str, Any]:
    """Return the numbers of an update rule by symbol, but for the learning rate."""
    rule = ready.bound.optimizer
    if not dataclasses.is_dataclass(rule):
        return {}
    return {each.name: getattr(rule, each.name) for each in dataclasses.fields(rule) if each.name != "lr"}


def _changes(
    stepper: OneRun, used: Sequence[Tensor | None], before: Mapping[str, Tensor], remembered: list[dict[str, Any]]
) -> dict[str, Change]:
    """Return how each parameter that has a gradient moved."""
    from playground.runner.update_arithmetic import Change

    now = [_copied(memory) for memory in stepper.memory()]
    return {
        name: Change(
            before=tensor,
            after=stepper.parameters[index].detach(),
            gradient=gradient,
            state_before=remembered[index],
            state_after=now[index],
        )
        for index, (name, tensor) in enumerate(before.items())
        if (gradient := used[index]) is not None and tensor.numel()
    }
