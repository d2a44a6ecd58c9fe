"""One step of a scenario, explained: the run's own stepper makes it, and a tape looks on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playground.engine.task import DirectTask
from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.explanation import Explanation, Moved, Update
from playground.plugins.causes import ISOLATED, cause
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.runner.describing import named
from playground.runner.measuring import stop_rules
from playground.runner.preparing import Prepared, located, prepared
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from playground.engine.chain import Operations
    from playground.engine.operations import Operation
    from playground.engine.problem import Problem
    from playground.engine.steppers import OneRun

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
    with prepared(loaded, plugins) as ready, located(loaded):
        stepper, points = _stepper(ready, sample or 0)
        budget = 0 if isinstance(ready.bound.task, DirectTask) else loaded.scenario.steps
        if step > budget:
            raise ScenarioError(Fault(f"step {step} is beyond the budget of {budget} steps", ("steps",)))
        _descend(ready, stepper, step)
        batch = stepper.problem.batches.at(step)
        samples = len(batch[0]) if batch else points
        if sample is not None and sample >= samples:
            there = f"0 to {samples - 1}" if samples > 1 else "only 0" if samples else "none"
            raise ScenarioError(Fault(f"no sample {sample} in step {step} (samples: {there})", ("task",)))
        told = _explained(ready, stepper, step, step < budget, sample, digits, known_operations(plugins))
        return dataclasses.replace(told, samples=samples, sample=(sample or 0) if points else sample)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn an exception of a component into one line."""
    try:
        yield
    except PlaygroundError:
        raise
    except ISOLATED as error:
        raise ScenarioError(Fault(f"{where}: {cause(error)}", ("task",))) from error


def _stepper(ready: Prepared, sample: int) -> tuple[OneRun, int]:
    """Return the run's stepper, or one that stands still at what a direct task shows; and at how many points it can."""
    from playground.engine.steppers import RestingStepper

    if ready.stepper is not None:
        return ready.stepper, 0
    task = ready.bound.task
    problems = task.problems(ready.setting) if isinstance(task, DirectTask) else ()
    if not problems:
        name = ready.loaded.scenario.task.name
        raise ScenarioError(Fault(f"task {name!r} has no forward and backward pass to explain", ("task",)))
    problem = problems[min(sample, len(problems) - 1)]  # a sample of the data of the only one, or one too many
    problem.probe()
    return RestingStepper(problem), 0 if problem.batches.data else len(problems)


def _descend(ready: Prepared, stepper: OneRun, steps: int) -> None:
    """Make the steps before the one to explain, exactly as a run makes them."""
    from playground.engine.descent import Descent
    from playground.engine.setting import flushed_denormals

    descent = Descent(steps, stop_rules(ready))
    with flushed_denormals(), _told(f"before step {steps}"):
        for step in range(steps):
            if descent.record(step, stepper.evaluate(step), stepper.gradient_norm):
                descent.finish(descent.loss[-1], interrupted=False)
                reason = f"{descent.status}: {descent.reason}"
                raise ScenarioError(Fault(f"step {steps}: the run ended at step {step} ({reason})", ("steps",)))
            stepper.update(step)


def _explained(
    ready: Prepared, stepper: OneRun, step: int, moves: bool, sample: int | None, digits: int, operations: Operations
) -> Explanation:
    """Make the step with the tape running, and put everything into plain data."""
    import torch

    from playground.engine.setting import flushed_denormals
    from playground.engine.tape import Tape, recorded
    from playground.runner.narrating import words
    from playground.runner.telling import Teller

    problem, tape = stepper.problem, Tape()
    batch = problem.batches.at(step)
    before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
    with flushed_denormals(), _told(f"step {step}"):
        stepper.problem = recorded(problem, tape)
        loss = stepper.evaluate(step)
        stepper.problem = problem
        remembered = [_copied(memory) for memory in stepper.memory()]
        after, loss_after = before, None
        if moves:
            stepper.update(step)
            after = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
            with torch.no_grad():
                loss_after = problem.loss(problem.module, batch).item()
    teller = Teller(tape, operations, sample, digits, len(batch[0]) if batch else 0)
    moved = _moved(problem, batch, stepper, tape, before, after if moves else None, remembered)
    scenario = ready.loaded.scenario
    return Explanation(
        scenario.name,
        scenario.summary,
        ready.loaded.source.file,
        step,
        len(batch[0]) if batch else 0,
        sample,
        digits,
        teller.nodes(),
        teller.operations(),
        tuple(moved),
        loss,
        loss_after,
        _update(ready, stepper, step) if moves else None,
        tuple(words(ready, problem, tape, operations, before, loss, loss_after)),
    )


def _moved(
    problem: Problem,
    batch: Any,
    stepper: OneRun,
    tape: Any,
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor] | None,
    remembered: list[dict[str, Any]],
) -> Iterator[Moved]:
    """Yield each parameter through the step."""
    import torch

    from playground.runner.telling import shown

    central = _central(problem, batch, before)
    now = stepper.memory()
    for index, (name, tensor) in enumerate(before.items()):
        gradient, used = tape.parameters[name].gradient, stepper.gradients[index]
        clipped = used is not None and gradient is not None and not torch.equal(used, gradient)
        yield Moved(
            name,
            shown(tensor),
            None if gradient is None else shown(gradient),
            shown(central[name]) if name in central else None,
            shown(used) if clipped and used is not None else None,
            None if after is None else shown(after[name]),
            {key: shown(value) for key, value in remembered[index].items()} if after else {},
            {key: shown(value) for key, value in _copied(now[index]).items()} if after else {},
        )


def _central(problem: Problem, batch: Any, at: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return dL/dparameter by central differences in float64; nothing for a large model, or one that cannot do it."""
    import torch

    from playground.engine.derivatives import central_gradient

    if sum(tensor.numel() for tensor in at.values()) > CHECKED:
        return {}
    state = problem.module.state_dict()
    others = {name: t.double() if t.is_floating_point() else t for name, t in state.items() if name not in at}
    data = tuple(t.double() if t.is_floating_point() else t for t in batch)
    sizes = [tensor.numel() for tensor in at.values()]

    def loss(z: Tensor) -> Tensor:
        pieces = zip(at.items(), torch.split(z, sizes), strict=True)
        moved = {name: piece.view(tensor.shape) for (name, tensor), piece in pieces}
        return problem.loss(problem.forward({**others, **moved}), data)

    z = torch.cat([tensor.double().flatten() for tensor in at.values()])
    try:
        found = torch.split(central_gradient(loss, z).value, sizes)
    except ISOLATED:  # a component that cannot be evaluated in float64 costs the check, not the explanation
        return {}
    return {name: piece.view(tensor.shape) for (name, tensor), piece in zip(at.items(), found, strict=True)}


def _copied(memory: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        key: torch.as_tensor(value).detach().clone().double()
        for key, value in memory.items()
        if isinstance(value, torch.Tensor | int | float)
    }


def _update(ready: Prepared, stepper: OneRun, step: int) -> Update:
    """Return what the optimizer declares of itself."""
    rule = ready.bound.optimizer
    label = named(ready.loaded.scenario.components["optimizer"])
    settings = {}
    if dataclasses.is_dataclass(rule):
        settings = {each.name: getattr(rule, each.name) for each in dataclasses.fields(rule)}
    settings.pop("lr", None)
    formula, symbols = getattr(rule, "formula", ()), getattr(rule, "symbols", {})
    return Update(label, stepper.rate(step), tuple(formula), dict(symbols), settings)
