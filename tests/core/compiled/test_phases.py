"""Which program each step of a descent uses, and the counts before each step."""

import random
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from playground.core.compiled import phases as phases_module
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.phases import Phases, record_phases
from playground.core.compiled.program import COUNT, SLOT, Program
from playground.core.compiled.step_program import StepProgram
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.compiled.tidying import merge_first_step, tidy, unify_counts
from playground.core.movers import make_mover


class Counted(torch.optim.Optimizer):
    """Moves by a factor that follows from its count of steps.

    :param factor: computed from the count.
    """

    def __init__(self, params, factor, lr=0.1, first=0):
        super().__init__(params, {"lr": lr})
        self.factor, self.t = factor, first

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        factor = self.factor(self.t)
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * factor * p.grad)


def record(problem_of, kind, steps=40, size=None, factors=None):
    spec = DescentSpec(problem_of(size=size), make_mover([kind]), factors is not None)
    return tidy(record_phases(spec, [1.0] * steps if factors is None else factors))


def letters(phases):
    """Return the programs of the steps as letters: `abbb`."""
    return "".join(chr(ord("a") + place) for place in phases.which)


def counts(phases):
    """Return the columns of all counts, by path."""
    return {".".join(name[1]): column.tolist() for name, column in phases.inputs.items() if name[0] == COUNT}


def draw_first(loss, draws):
    """Return a loss that draws random numbers at its first evaluations."""
    remaining = list(range(draws))

    def drawing(forward, batch):
        if remaining:
            remaining.pop()
            random.random()
        return loss(forward, batch)

    return drawing


@pytest.mark.parametrize(("draws", "refused"), [(1, False), (3, False), (1000, True)])
def test_random_numbers_that_another_thread_draws_are_no_reason(problem_of, draws, refused) -> None:
    """The thread of a cluster's worker draws some now and then; code of a step draws them again when recorded again."""

    def drawing_problem(**options):
        problem = problem_of(**options)
        return replace(problem, loss=draw_first(problem.loss, draws))

    if refused:
        with pytest.raises(CannotCompileError, match="draws random numbers"):
            record(drawing_problem, torch.optim.SGD)
    else:
        assert letters(record(drawing_problem, torch.optim.SGD, steps=4)) == "aaaa"


CHOICES = {
    "constant": (lambda t: 1.0, "a" * 12),
    "formula": (lambda t: 1 / (1 + 0.1 * t), "a" * 12),
    "from step 6": (lambda t: 1.0 if t <= 6 else 0.1, "aaaaaabbbbbb"),
    "first step": (lambda t: 3.0 if t == 1 else 1.0, "abbbbbbbbbbb"),
    "every third": (lambda t: 2.0 if t % 3 == 0 else 1.0, "aabaabaabaab"),
    "two decisions": (lambda t: (2.0 if t > 4 else 1.0) * (0.25 if t > 8 else 1.0), "aaaabbbbcccc"),
    "decisions that come to the same": (lambda t: 1.0 if t % 2 else 2.0 / 2.0, "a" * 12),
    "a table": (lambda t: [0, 0.1, 0.2, 0.3][int(t) // 4], "aaabbbbccccd"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_program_of_each_step(name, problem_of) -> None:
    factor, wanted = CHOICES[name]
    phases = record(problem_of, partial(Counted, factor=factor), 12)
    assert letters(phases) == wanted
    assert counts(phases) == {"t": list(range(12))}


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_short_budgets_have_a_program(steps, problem_of) -> None:
    phases = record(problem_of, torch.optim.Adam, steps)
    assert (len(phases.which), len(phases.steps)) == (steps, min(max(steps, 1), 1))


def test_a_smaller_last_batch_has_a_program_of_its_own(problem_of) -> None:
    """Five samples in batches of two."""
    assert letters(record(problem_of, partial(torch.optim.SGD, lr=0.1), 9, size=2)) == "aabaabaab"


@pytest.mark.parametrize(
    ("kind", "programs"),
    [
        (torch.optim.Adam, 1),
        (torch.optim.RMSprop, 1),
        (torch.optim.NAdam, 2),  # whose product begins at 1
        (partial(torch.optim.SGD, momentum=0.9, dampening=0.1), 2),  # whose first average is the gradient
        (torch.optim.RAdam, 2),  # which warms up
    ],
)
def test_step_0_shares_a_program_where_new_state_is_zero(kind, programs, problem_of) -> None:
    phases = record(problem_of, kind)
    assert len(phases.steps) == programs
    # A count may come into being in step 0.
    assert all(len(column) == 40 and np.isfinite(column[1:]).all() for column in phases.inputs.values())


def test_counts_that_are_equal_are_one(problem_of) -> None:
    """torch counts the steps of each parameter by itself."""
    phases = record(problem_of, torch.optim.Adam)
    assert counts(phases) == {f"state.{each}.step": [float(i) for i in range(40)] for each in ("p0", "p1")}
    needed = {
        phases.program.nodes[index].value
        for step in phases.steps
        for index in phases.program.needed(step.outputs.values())
        if phases.program.nodes[index].operation == "input"
    }
    assert len([value for value in needed if value[0] == COUNT]) == 1


def test_a_product_over_the_steps_is_a_count(problem_of) -> None:
    """It is kept in single precision by torch, whatever the precision of the run."""
    found = counts(record(problem_of, torch.optim.NAdam, 30))["state.p0.mu_product"]
    wanted, product = [], np.float32(1.0)
    parameter = torch.nn.Parameter(torch.ones(1).double())
    optimizer = torch.optim.NAdam([parameter])
    for _ in range(30):
        wanted.append(product)
        parameter.grad = torch.ones(1).double()
        optimizer.step()
        product = optimizer.state[parameter]["mu_product"].item()
    assert found[1:] == pytest.approx(wanted[1:], rel=1e-7)


SHORT_CUTS = {
    "constant": lambda t: 1.0,
    "late decision": lambda t: 1.0 if t <= 77 else 0.1,
    "several": lambda t: 1.0 if t <= 33 else 0.1 if t <= 120 else 0.01,
    "periods": lambda t: 2.0 if t % 50 == 0 else 1.0,
    "of both": lambda t: 1.0 if t < 60 or t % 7 else 0.5,
}


@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("name", SHORT_CUTS)
def test_many_steps_at_once_are_what_they_are_one_by_one(name, size, problem_of, monkeypatch) -> None:
    """Only where a count grows by a constant are its numbers computed for many steps at once."""
    kind = partial(Counted, factor=SHORT_CUTS[name], first=3)
    fast = record(problem_of, kind, 150, size)
    monkeypatch.setattr(phases_module, "MIN_STRETCH", 10**9)
    slow = record(problem_of, kind, 150, size)
    assert letters(fast) == letters(slow)
    assert counts(fast) == counts(slow) == {"t": [3.0 + i for i in range(150)]}


GROWTH = {
    "by one": (lambda t: t + 1, 0, [0, 1, 2, 3]),
    "by two": (lambda t: t + 2, 1, [1, 3, 5, 7]),
    "down": (lambda t: t - 1, 9, [9, 8, 7, 6]),
    "by a half": (lambda t: t + 0.5, 0, [0, 0.5, 1, 1.5]),
    "twofold": (lambda t: t * 2, 1, [1, 2, 4, 8]),
    "by halves": (lambda t: t * 0.5, 1.0, [1, 0.5, 0.25, 0.125]),
    "around": (lambda t: (t + 1) % 3, 0, [0, 1, 2, 0]),
}


@pytest.mark.parametrize("name", GROWTH)
def test_counts_follow_any_rule(name, problem_of) -> None:
    grow, first, wanted = GROWTH[name]

    class Grows(Counted):
        def step(self, closure=None):
            self.t = grow(self.t)
            super().step()
            self.t -= 1

    found = counts(record(problem_of, partial(Grows, factor=lambda t: 1 / (1 + abs(t)), first=first), 20))["t"]
    assert found[:4] == wanted
    count = first
    for value in found:
        assert value == pytest.approx(count, rel=1e-9)
        count = grow(count)


def test_the_factor_of_a_schedule_is_an_input_of_each_step(problem_of) -> None:
    factors = [1.0 if step < 5 else 0.5**step for step in range(12)]
    phases = record(problem_of, torch.optim.Adam, factors=factors)
    assert letters(phases) == "a" * 12
    assert phases.inputs[("factor",)].tolist() == factors


def test_a_step_that_never_repeats_is_refused(problem_of) -> None:
    with pytest.raises(CannotCompileError, match="more than 32 different step programs"):
        record(problem_of, partial(Counted, factor=lambda t: float(len(range(t)))), 99)


def test_what_may_hide_numbers_makes_phases_opaque(problem_of) -> None:
    numbers = iter([1.0] * 99)
    assert not record(problem_of, torch.optim.Adam).is_opaque
    assert record(problem_of, partial(Counted, factor=lambda t: 1.0 if numbers else 2.0), 4).is_opaque


# By themselves


def phases_of(first, second, which, start, columns=()):
    """Two programs of one slot `s` and one count `c`, of which a formula gives the next slot."""
    program = Program(np.float64)
    slot, count = program.input(SLOT, ("s",), 0), program.input(COUNT, ("c",), 0)

    def step(formula):
        outputs = {(("s",), 0): formula(program, slot, count), (("c",), 0): program.apply("add", count, one)}
        return StepProgram(program, slot, slot, outputs, 1, ())

    one = program.constant(1.0)
    steps = [step(first), step(second)]
    inputs = {(COUNT, ("c",), 0): np.arange(len(which), dtype=float), **dict(columns)}
    began = {(("s",), 0): program.constant(0.0), (("c",), 0): program.constant(0.0)}
    return Phases(program, steps, np.array(which), inputs, began if start else {}, slot, {}, slot, False, {})


def test_step_0_is_merged_where_it_is_step_1_of_zeros() -> None:
    new = lambda p, s, c: p.constant(2.0)  # noqa: E731
    grows = lambda p, s, c: p.apply("add", s, p.constant(2.0))  # noqa: E731
    phases = phases_of(new, grows, [0, 1, 1], start=False)
    zeroed = replace(phases.steps[0], loss=phases.program.constant(0.0), norm=phases.program.constant(0.0))
    first = replace(zeroed, outputs={**zeroed.outputs, (("c",), 0): phases.program.constant(1.0)})
    phases = replace(phases, steps=[first, phases.steps[1]])
    merged = merge_first_step(phases)
    assert (merged.which.tolist(), len(merged.steps)) == ([0, 0, 0], 1)
    assert set(merged.start) == {(("s",), 0), (("c",), 0)}


@pytest.mark.parametrize(
    ("first", "which"),
    [
        (lambda p, s, c: p.constant(3.0), [0, 1, 1]),  # another result
        (lambda p, s, c: p.constant(2.0), [0, 1, 0]),  # used later too
        (lambda p, s, c: p.constant(2.0), [0, 0, 1]),
        (lambda p, s, c: p.constant(2.0), [0]),
    ],
)
def test_other_steps_are_not_merged(first, which) -> None:
    phases = phases_of(first, lambda p, s, c: p.apply("add", s, p.constant(2.0)), which, start=False)
    assert merge_first_step(phases) is phases


def test_counts_are_unified_only_where_they_are_equal_at_every_step() -> None:
    use = lambda p, s, c: p.apply("mul", c, p.input(COUNT, ("d",), 0))  # noqa: E731
    equal = phases_of(use, use, [0, 0, 0], True, [((COUNT, ("d",), 0), np.arange(3.0))])
    unified = unify_counts(equal)
    count = equal.program.input(COUNT, ("c",), 0)
    assert unified.steps[0].outputs[("s",), 0] == equal.program.apply("mul", count, count)
    different = phases_of(use, use, [0, 0, 0], True, [((COUNT, ("d",), 0), np.array([0.0, 1.0, 3.0]))])
    assert unify_counts(different) is different
