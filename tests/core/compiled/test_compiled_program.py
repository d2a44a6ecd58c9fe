"""Runs use the program of earlier runs exactly where it is theirs too, and compute the same bits by it."""

from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch

from playground.builtin import models
from playground.builtin.optimizers import SGD, Adam
from playground.core.compiled import CannotCompileError, CompiledReplicas, KeptProgram, RunsDifferError
from playground.core.compiled import compiled_program as program_module
from playground.core.gradients import Clip
from playground.core.movers import make_mover
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces
from playground.core.update import UpdateRule

STEPS = 40
TORCH = torch.optim


@pytest.fixture
def recordings(monkeypatch):
    """How often a program was recorded so far, as the length of a list."""
    found, right = [], program_module.record_phases

    def record(*given):
        found.append(given)
        return right(*given)

    monkeypatch.setattr(program_module, "record_phases", record)
    return found


@dataclass
class Runs:
    """Runs of one problem; the options are those of `CompiledReplicas`."""

    problem: object
    seed: int = 0

    def compile(self, factories, *, lanes=(), steps=STEPS, rules=None, **options):
        generator = torch.Generator().manual_seed(self.seed)
        starts = {
            name: torch.randn(len(factories), *each.shape, generator=generator, dtype=each.dtype)
            for name, each in self.problem.parameters.items()
        }
        seeds = [self.seed + run // 2 for run in range(len(factories))]
        mover = make_mover(factories).with_lanes(lanes, len(factories))
        return CompiledReplicas(self.problem, starts, seeds, mover, steps, rules or StopRules(), **options)

    def descend(self, factories, **options):
        """Return all numbers that the runs came to."""
        runs = self.compile(factories, **options)
        traces = ReplicaTraces(runs, runs.budget, runs.rules, len(factories))
        runs.descend(traces)
        assert not runs.left_out.any()
        return [traces.kept, traces.last, traces.steps, traces.status, *runs.final.values()]


def rates(factory, *values):
    make = factory if issubclass(factory, UpdateRule) else partial(partial, factory)
    return [make(lr=value) for value in values]


def rules(*all_of):
    return list(all_of)


@dataclass(frozen=True)
class Steep(UpdateRule):
    """Asks for its rate while it is recorded."""

    lr: float = 0.1
    decay: float = 0.0

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * (gradient.sign() if self.lr > 0.1 else gradient) - self.decay * parameter, state


class Branching(torch.optim.Optimizer):
    """Asks for its rate at each step, once with the step's number."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.t = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        for group in self.param_groups:
            for p in group["params"]:
                way = p.grad.sign() if group["lr"] > 0.1 else p.grad
                p.sub_(group["lr"] * (way if self.t < 10 else way / 2))


REUSED = {
    "rule": (rates(Adam, 0.01, 0.1, 1.0), rates(Adam, 0.02, 0.3), {}, {}),
    "rule at one rate": (rates(Adam, 0.01, 0.1), rates(Adam, *[0.3] * 7), {}, {}),
    "two hyperparameters, of which one is equal": (
        rules(Adam(lr=0.1, beta2=0.9), Adam(lr=0.2, beta2=0.99)),
        rules(Adam(lr=0.1, beta2=0.95), Adam(lr=0.3, beta2=0.95)),
        {},
        {},
    ),
    "torch.Adam": (rates(TORCH.Adam, 0.01, 0.1, 1.0), rates(TORCH.Adam, *[0.05] * 5), {}, {}),
    "torch.Adam with betas": (
        [partial(TORCH.Adam, lr=0.1, betas=(0.9, each)) for each in (0.9, 0.99)],
        [partial(TORCH.Adam, lr=0.1, betas=(0.9, each)) for each in (0.95, 0.95, 0.999)],
        {},
        {},
    ),
    "SGD with momentum": (
        [partial(TORCH.SGD, lr=each, momentum=0.9) for each in (0.01, 0.1)],
        [partial(TORCH.SGD, lr=each, momentum=0.9) for each in (0.02, 0.3, 0.3)],
        {},
        {},
    ),
    "branches by step": (rates(TORCH.RAdam, 0.01, 0.1), rates(TORCH.RAdam, 0.02, 0.2), {}, {}),
    "decides by a hyperparameter": (rates(Branching, 0.01, 0.02), rates(Branching, 0.05, 0.1), {}, {}),
    "rule that decides by a hyperparameter": (rates(Steep, 0.2, 0.3), rates(Steep, *[0.5] * 3), {}, {}),
    "mini-batches": (rates(Adam, 0.01, 0.1), rates(Adam, 0.02, 0.2, 0.2, 0.1), {"size": 2}, {"over_all_data": True}),
    "schedule": (rates(Adam, 0.01, 0.1), rates(Adam, 0.2), {}, {"schedule": lambda step: 1 / (1 + step)}),
    "clip": (rates(SGD, 0.01, 0.1), rates(SGD, 0.2, 0.5), {}, {"clip": Clip(0.1, 0.5)}),
    "float32": (rates(Adam, 0.01, 0.1), rates(Adam, *[0.3] * 9), {"dtype": torch.float32}, {}),
    "torch.NAdam in float32": (rates(TORCH.NAdam, 0.01, 0.1), rates(TORCH.NAdam, 0.2), {"dtype": torch.float32}, {}),
    "early ends": (rates(SGD, 0.01, 0.1), rates(SGD, 3.0, 0.1), {}, {"rules": StopRules(loss=0.2, gradient=1e-3)}),
    "no hyperparameter": (rates(SGD, 0.1, 0.1), rates(SGD, 0.1), {}, {}),
}
"""The optimizers of the first runs and of the next, the problem, and options of both."""


@pytest.mark.parametrize(("first", "then", "problem", "options"), REUSED.values(), ids=REUSED)
def test_the_next_runs_use_the_same_program(first, then, problem, options, problem_of, recordings) -> None:
    problem, kept = problem_of(**problem), KeptProgram()
    Runs(problem).compile(first, kept=kept, **options)
    found = Runs(problem, seed=7).descend(then, kept=kept, **options)
    assert len(recordings) == 1
    lanes = kept.program.terms.spec.mover.lanes
    anew = Runs(problem, seed=7).descend(then, lanes=lanes, **options)
    assert len(recordings) == 2
    for mine, right in zip(found, anew, strict=True):
        assert mine.numpy().tobytes() == right.numpy().tobytes()
    for mine, right in zip(found, Runs(problem, seed=7).descend(then, **options), strict=True):
        torch.testing.assert_close(mine, right, equal_nan=True)


ELSE = {"Optimizer", "LBFGS", "SparseAdam", "Muon"}
KINDS = {name: kind for name, kind in vars(TORCH).items() if isinstance(kind, type) and name not in ELSE}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_optimizers_of_torch_use_the_same_program(kind, problem_of, recordings) -> None:
    problem, kept = problem_of(size=2), KeptProgram()
    Runs(problem).compile(rates(kind, 0.01, 0.02), kept=kept)
    found = Runs(problem, seed=7).descend(rates(kind, 0.03, 0.03, 0.005), kept=kept)
    assert len(recordings) == 1
    anew = Runs(problem, seed=7).descend(rates(kind, 0.03, 0.03, 0.005), lanes=["lr"])
    for mine, right in zip(found, anew, strict=True):
        assert mine.numpy().tobytes() == right.numpy().tobytes()


def adam(**options):
    return [partial(TORCH.Adam, **{"lr": lr, **options}) for lr in (0.01, 0.1)]


RECORDED_ANEW = {
    "constant of a rule": (rates(Adam, 0.01, 0.1), rules(Adam(lr=0.01, eps=1e-6), Adam(lr=0.1, eps=1e-6))),
    "constant that differs now": (rates(Adam, 0.01, 0.1), rules(Adam(lr=0.01), Adam(lr=0.1, beta2=0.9))),
    "another rule": (rates(Adam, 0.01, 0.1), rates(SGD, 0.01, 0.1)),
    "another rule without a lane": (rules(Adam(beta2=0.9), Adam(beta2=0.99)), rates(SGD, 0.01, 0.1)),
    "constant of torch.Adam": (adam(), adam(eps=1e-6)),
    "option left out": (adam(), adam(eps=1e-8)),
    "pair": (adam(betas=(0.9, 0.99)), adam(betas=(0.9, 0.999))),
    "truth": (adam(amsgrad=False), adam(amsgrad=True)),
    "kind of number": (adam(weight_decay=0), adam(weight_decay=0.0)),
    "sign of zero": (adam(weight_decay=0.0), adam(weight_decay=-0.0)),
    "whole numbers": (adam(lr=0.5) + adam(lr=0.25), adam(lr=1)),
    "rule with a whole number": (rates(SGD, 0.5, 0.25), rates(SGD, 1)),
    "another class": (adam(), rates(TORCH.AdamW, 0.01, 0.1)),
    "from a rule to a class": (rates(Adam, 0.01, 0.1), adam()),
    "momentum": (
        [partial(TORCH.SGD, lr=each, momentum=0.9) for each in (0.01, 0.1)],
        [partial(TORCH.SGD, lr=each, momentum=0.8) for each in (0.01, 0.1)],
    ),
    "decision of a rule": (rates(Steep, 0.01, 0.02), rates(Steep, 0.2, 0.3)),
    "decision of a class": (rates(Branching, 0.01, 0.02), rates(Branching, 0.2, 0.2)),
}


@pytest.mark.parametrize(("first", "then"), RECORDED_ANEW.values(), ids=RECORDED_ANEW)
def test_other_optimizers_are_recorded(first, then, problem_of, recordings) -> None:
    problem, kept = problem_of(), KeptProgram()
    Runs(problem).compile(first, kept=kept)
    found = Runs(problem, seed=7).descend(then, kept=kept)
    assert len(recordings) == 2
    for mine, right in zip(found, Runs(problem, seed=7).descend(then), strict=True):
        assert mine.numpy().tobytes() == right.numpy().tobytes()


OPTIONS = {
    "budget": {"steps": STEPS + 1},
    "schedule": {"schedule": lambda step: 1 / (1 + step)},
    "constant schedule": {"schedule": lambda step: 1.0},
    "clip": {"clip": Clip(0.1)},
    "rules": {"rules": StopRules(loss=1e-3)},
    "losses": {"over_all_data": True},
    "vectors": {"bits": 128},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_another_descent_is_recorded(options, problem_of, recordings) -> None:
    problem, kept = problem_of(size=2), KeptProgram()
    Runs(problem).compile(rates(Adam, 0.01, 0.1), kept=kept)
    Runs(problem).compile(rates(Adam, 0.01, 0.1), kept=kept, **options)
    Runs(problem).compile(rates(Adam, 0.01, 0.1), kept=kept, **options)
    assert len(recordings) == 2


def freeze(problem):
    next(problem.module.parameters()).requires_grad_(False)
    return problem


def change_data(problem):
    problem.batches.data[0][0, 0] += 1
    return problem


PROBLEMS = {
    "an equal one": replace,
    "a frozen parameter": freeze,
    "data": change_data,
}


@pytest.mark.parametrize("change", PROBLEMS.values(), ids=PROBLEMS)
def test_another_problem_is_recorded(change, problem_of, recordings) -> None:
    problem, kept = problem_of(models.linear), KeptProgram()
    Runs(problem).compile(rates(Adam, 0.01, 0.1), kept=kept)
    Runs(change(problem)).compile(rates(Adam, 0.01, 0.1), kept=kept)
    assert len(recordings) == 2


def test_a_frozen_number_that_changes_is_noticed(problem_of, recordings) -> None:
    problem, kept = freeze(problem_of(models.linear)), KeptProgram()
    for change in (0.0, 0.0, 1.0):
        with torch.no_grad():
            next(problem.module.parameters()).add_(change)
        Runs(problem).compile(rates(Adam, 0.01, 0.1), kept=kept)
    assert len(recordings) == 2


def test_runs_with_different_answers_are_divided(problem_of, recordings) -> None:
    problem, kept = problem_of(), KeptProgram()
    Runs(problem).compile(rates(Branching, 0.01, 0.02), kept=kept)
    with pytest.raises(RunsDifferError) as caught:
        Runs(problem).compile(rates(Branching, 0.01, 0.2), kept=kept)
    assert caught.value.groups() == [[0], [1]]
    assert len(recordings) == 2
    assert kept.program is None


def test_a_program_that_leaves_runs_out_is_recorded_for_each(problem_of, recordings) -> None:
    class Refusing(torch.optim.SGD):
        def step(self, closure=None):
            if self.param_groups[0]["params"][0].grad.sum() > 1e6:
                raise RuntimeError("exploded")
            return super().step(closure)

    problem, kept = problem_of(), KeptProgram()
    for _ in range(2):
        Runs(problem).compile(rates(Refusing, 0.01, 0.1), kept=kept)
    assert len(recordings) == 2


class Iterating(torch.optim.SGD):
    """Keeps an iterator, which no walk looks into."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.same = iter([1.0] * 1000)

    def step(self, closure=None):
        next(self.same)
        return super().step(closure)


def test_a_program_of_an_optimizer_with_hidden_memory_is_recorded_for_each(problem_of, recordings) -> None:
    problem, kept = problem_of(), KeptProgram()
    for _ in range(2):
        Runs(problem).compile(rates(Iterating, 0.01, 0.1), kept=kept)
    assert kept.program.phases.is_opaque
    assert len(recordings) == 2


class Tampered(torch.optim.SGD):
    """Does something else than was recorded, once `factor` is changed."""

    factor = 1.0

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(type(self).factor * group["lr"] * p.grad)


def test_runs_that_disagree_are_recorded_and_checked_in_full(problem_of, recordings, monkeypatch) -> None:
    problem, kept = problem_of(), KeptProgram()
    Runs(problem).compile(rates(Tampered, 0.01, 0.1), kept=kept)
    monkeypatch.setattr(Tampered, "factor", 2.0)
    found = Runs(problem, seed=7).descend(rates(Tampered, 0.02, 0.2), kept=kept)
    assert len(recordings) == 2
    for mine, right in zip(found, Runs(problem, seed=7).descend(rates(Tampered, 0.02, 0.2)), strict=True):
        assert torch.equal(mine, right)


class Moody(torch.optim.SGD):
    """Does at rates above 1 what no recording shows: it reads the number where it is not watched."""

    def step(self, closure=None):
        for group in self.param_groups:
            rate = group["lr"]
            high = type(rate) is float and rate > 1
            for p in group["params"]:
                p.data.sub_((rate + high) * p.grad)


def test_extreme_runs_that_disagree_are_refused(problem_of) -> None:
    """Neither the first, a middle nor the last run shows it."""
    problem, kept = problem_of(), KeptProgram()
    values = [0.1, 1.1, 0.2, 1.2, 0.3, 1.3, 0.4]
    Runs(problem).compile(rates(Moody, *[each / 10 for each in values]), kept=kept)
    with pytest.raises(CannotCompileError, match="steps differ from plain PyTorch"):
        Runs(problem).compile(rates(Moody, *values), kept=kept)
    assert kept.program is None


class Fragile(torch.optim.SGD):
    def step(self, closure=None):
        rate = self.param_groups[0]["lr"]
        if type(rate) is float and rate > 1:
            raise ValueError("too large")
        return super().step(closure)


def test_a_run_that_raises_alone_is_refused(problem_of) -> None:
    problem, kept = problem_of(), KeptProgram()
    Runs(problem).compile(rates(Fragile, 0.1, 0.2), kept=kept)
    with pytest.raises(CannotCompileError, match="in plain PyTorch a run raises ValueError: too large"):
        Runs(problem).compile(rates(Fragile, 0.1, 1.5, 0.2, 0.3), kept=kept)
