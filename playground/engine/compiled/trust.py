"""Before a program is trusted: its first steps against plain PyTorch, for a few of the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from playground.engine.agreement import STEPS, Outcome, agree, twins_of
from playground.engine.compiled.errors import CannotCompileError
from playground.engine.compiled.record import Descent, one_step
from playground.engine.compiled.tile import NUMBERS
from playground.engine.problem import Batches
from playground.engine.replicas import Parameters
from playground.engine.setting import flushed_denormals
from playground.engine.steppers import Schedule
from playground.engine.stopping import Watch
from playground.engine.update import UpdateRule

if TYPE_CHECKING:
    from playground.engine.compiled.replicas import CompiledReplicas


def require_agreement(
    compiled: CompiledReplicas, parameters: Parameters, seeds: Sequence[int], schedule: Schedule | None
) -> None:
    """Compare the first steps of the first, a middle and the last run with plain PyTorch.

    What a unit in the last place of its start changes in a run, rounding may change a hundredfold.

    :raises CannotCompileError: they differ by more than rounding, or a run alone raises an error.
    """
    count = compiled.arrays.count
    which = sorted({0, count // 2, count - 1})
    steps = min(STEPS, compiled.budget)
    few = {name: tensor[which] for name, tensor in parameters.items()}
    mine, apart = _compiled(compiled, few, which, steps), 0
    for place, run in enumerate(which):
        start = {name: tensor[place] for name, tensor in few.items()}
        rule = _rule_of(compiled.descent, run)
        try:
            plain, again, *twins = (
                _plain(compiled, each, seeds[run], rule, schedule, steps) for each in (start, start, *twins_of(start))
            )
        except Exception as error:  # a component may raise for some numbers only, where a program would go on
            raise CannotCompileError(
                f"a run alone raises {type(error).__name__}: {error}".partition("\n")[0]
            ) from error
        if not agree(again, plain, [plain]):
            raise CannotCompileError("the same step comes out otherwise each time")
        own = Outcome(mine.loss[place], {n: tensor[place] for n, tensor in mine.parameters.items()}, mine.last[place])
        apart += not agree(own, plain, twins)
    if apart > len(which) // 3:  # in one of three, rounding may grow faster than a twin shows: Adam at a rate of 1
        raise CannotCompileError(f"the first {steps} steps come out otherwise than in plain PyTorch")


def _compiled(compiled: CompiledReplicas, few: Parameters, which: Sequence[int], steps: int) -> Outcome:
    """Make the first steps of a few runs with the kernel."""
    state = compiled.fresh(few, torch.tensor(which))
    compiled.advance(state, steps)
    final = state.finals(compiled.start.layout.parameters)
    last = compiled.conclude(state)
    return Outcome(state.rows(state.numbers)[:, NUMBERS.index("before")], final, last)


def _rule_of(descent: Descent, run: int) -> UpdateRule:
    """Return the rule of one run, with numbers where there are several."""
    changes = {name: value[run].item() for name, value in descent.lanes.items()}
    return replace(descent.rule, **changes) if changes else descent.rule  # type: ignore[type-var]


@flushed_denormals()
def _plain(
    compiled: CompiledReplicas,
    start: Mapping[str, Tensor],
    seed: int,
    rule: UpdateRule,
    schedule: Schedule | None,
    steps: int,
) -> Outcome:
    """Make the first steps of one run in plain PyTorch."""
    descent, problem = compiled.descent, compiled.problem
    batches = Batches(problem.batches.data, problem.batches.size, seed)
    parameters = dict(start)
    states = {name: rule.init(tensor) for name, tensor in parameters.items()}
    loss, watch = torch.tensor(math.nan), Watch(compiled.rules)
    for step in range(steps):
        lr = rule.lr if schedule is None else rule.lr * schedule(step)
        moved = one_step(descent, rule, parameters, states, batches.at(step), step, lr)
        loss = moved.loss
        if watch.ends(step, loss.item(), moved.norm.item):
            break
        parameters, states = moved.parameters, moved.states
    problem.module.eval()
    with torch.no_grad():
        return Outcome(loss, parameters, problem.loss(problem.forward(parameters), batches.data))
