"""The proof: replica i of a batch is the run that it would be alone, to rounding.

Equal means 1e-10 in float64 and 1e-5 in float32, relative plus absolute, over 200 steps. Where one unit in the last
place of the start changes the losses as much, the steps before that are compared; the tolerance stays.
"""

import math
from dataclasses import dataclass, fields, replace
from functools import partial

import pytest
import torch
from torch import nn

from playground import builtin
from playground.builtin import functions, losses, models, optimizers, schedules
from playground.builtin.optimizers import SGD, Adam, Lion, RMSprop
from playground.builtin.tasks.minimize import Minimize
from playground.engine import traces as traces_module
from playground.engine.descent import Descent, descend
from playground.engine.gradients import Clip
from playground.engine.problem import Batches, Problem
from playground.engine.replicas import (
    ELEMENTWISE,
    CannotBatchError,
    Replicas,
    RuleReplicas,
    TorchReplicas,
    initial,
    stacked,
)
from playground.engine.seeding import seeded
from playground.engine.sensitivity import TOLERANCE, apart, sensitive, with_twins
from playground.engine.setting import CPU, Setting
from playground.engine.steppers import RuleStepper, TorchStepper
from playground.engine.stopping import StopRules
from playground.engine.traces import Traces
from playground.expression import parse
from playground.result import Status

STEPS = 200
DOUBLE, SINGLE = torch.float64, torch.float32
both_precisions = pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["float64", "float32"])


# Problems


INPUTS = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0], [0.3, -0.7]], dtype=DOUBLE)
BINARY = torch.tensor([[1], [0], [1], [0], [0]], dtype=DOUBLE)
CLASSES = torch.tensor([1, 0, 2, 0, 2])

MODELS = {
    "handwritten": models.Handwritten,
    "linear": models.linear,
    "mlp": partial(models.mlp, hidden=(3,), output="sigmoid"),
    "perceptron": models.Perceptron,
    "polynomial": models.Polynomial,
}
LOSSES = {name: getattr(losses, name) for name in builtin.playground_losses()}
NO_PROBABILITIES = ("linear", "polynomial")


def training(model, loss, seed=0, dtype=DOUBLE, size=None):
    """One run's problem: its own initialisation, its own order of mini-batches, targets as the tasks encode them."""
    indices = loss is losses.cross_entropy
    with seeded(seed, CPU):
        module = model(2, 3 if indices else 1).to(dtype)
    data = (INPUTS.to(dtype), CLASSES if indices else BINARY.to(dtype))
    return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches(data, size, seed))


def minimizing(function, start, dtype=DOUBLE):
    return Minimize(function, start).problem(Setting(dtype))


# Runs alone and together


@dataclass
class Batch:
    """What many runs left behind, with every loss of those that took part: shape `(steps, runs)`."""

    stepper: Replicas
    traces: Traces
    losses: torch.Tensor


class Kept:
    """A stepper whose every loss is kept."""

    def __init__(self, stepper):
        self.stepper, self.losses = stepper, torch.empty(0, len(stepper.places), dtype=DOUBLE)
        self.gradient_norm, self.update, self.finish = stepper.gradient_norm, stepper.update, stepper.finish

    def evaluate(self, step):
        found = self.stepper.evaluate(step)
        row = torch.full((1, self.losses.shape[1]), math.nan, dtype=DOUBLE)
        row[0, self.stepper.places] = found
        self.losses = torch.cat([self.losses, row])
        return found


def together(stepper, steps=STEPS, **rules):
    kept = Kept(stepper)
    traces = Traces(stepper, steps, StopRules(**rules), len(stepper.places))
    descend(kept, traces)
    return Batch(stepper, traces, kept.losses)


def alone(stepper, steps=STEPS, **rules):
    descent = Descent(steps, StopRules(**rules))
    descend(stepper, descent)
    return stepper, descent


def parting(batch, budget=STEPS):
    """At which step each run and its twin in the same batch part; `budget + 1` where they never do."""
    dtype = next(iter(batch.stepper.final.values())).dtype
    rows = [apart(row, dtype) for row in (*batch.losses, batch.traces.last)]
    return torch.stack([*rows, torch.ones_like(rows[0])]).int().argmax(dim=0)


def assert_same_run(batch, i, run, until=math.inf):
    """Compare replica `i` with the run alone, over the steps before `until`."""
    stepper, descent = run
    dtype = stepper.parameters[0].dtype
    close = partial(torch.testing.assert_close, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], equal_nan=True)
    steps = int(min(until, len(descent.loss)))
    close(batch.losses[:steps, i], torch.tensor(descent.loss[:steps], dtype=DOUBLE))
    if until <= descent.steps:
        return
    traces = batch.traces
    assert (traces.statuses()[i], traces.steps[i]) == (descent.status, descent.steps)
    assert traces.evaluations()[i] == stepper.evaluations
    first = descent.loss[0] if descent.loss else descent.last
    mine = torch.stack([traces.first[i], traces.last[i], traces.best[i]])
    close(mine, torch.tensor([first, descent.last, descent.best], dtype=DOUBLE))
    for name, parameter in stepper.problem.parameters.items():
        close(batch.stepper.final[name][i], parameter.detach())


def starts(problem_of, seeds):
    return stacked(initial(problem_of, seeds))


def one_of(rule, i):
    """The rule of one replica: numbers where the batch has tensors."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule)}
    return replace(rule, **{n: v[i].item() for n, v in values.items() if isinstance(v, torch.Tensor)})


def prove(problem_of, rule, seeds, chosen=None, steps=STEPS, schedule=None, clip=None, **rules):
    """Run replicas and their twins together, and some of them alone; return the batch and who is sensitive."""
    parameters = starts(problem_of, seeds)
    doubled = replace(rule, **{n: torch.cat([v, v]) for n, v in vars(rule).items() if isinstance(v, torch.Tensor)})
    stepper = RuleReplicas(problem_of(seeds[0]), with_twins(parameters), [*seeds, *seeds], doubled, schedule, clip)
    batch = together(stepper, steps, **rules)
    until = parting(batch, steps)
    for i in range(len(seeds)) if chosen is None else chosen:
        mover = RuleStepper(problem_of(seeds[i]), one_of(rule, i), schedule, clip)
        assert_same_run(batch, i, alone(mover, steps, **rules), until[i])
    return batch, until <= batch.traces.steps[: len(seeds)]


# Every model, loss and rule


RATES = {"adadelta": 1.0, "sgd": 0.1}
RULES = {name: path.rpartition(":")[2] for name, path in builtin.playground_optimizers().items() if "." not in name}


class Mixed(Replicas):
    """Replicas under one evaluation, of which each rule moves its share: so many rules cost one evaluation."""

    def __init__(self, problem, parameters, seeds, rules):
        super().__init__(problem, parameters, seeds)
        share = len(seeds) // len(rules)
        self.cuts = [slice(k * share, (k + 1) * share) for k in range(len(rules))]
        self.parts = [
            RuleReplicas(problem, {name: tensor[cut] for name, tensor in parameters.items()}, seeds[cut], rule)
            for cut, rule in zip(self.cuts, rules, strict=True)
        ]

    def update(self, step):
        for cut, part in zip(self.cuts, self.parts, strict=True):
            part.gradients = {name: gradient[cut] for name, gradient in self.gradients.items()}
            part.update(step)
        self.parameters = {name: torch.cat([part.parameters[name] for part in self.parts]) for name in self.parameters}


def test_everything_built_in_is_proved() -> None:
    assert MODELS.keys() == builtin.playground_models().keys()
    assert len(LOSSES) == len(builtin.playground_losses())
    assert set(RULES.values()) == set(optimizers.__all__)


@both_precisions
@pytest.mark.parametrize(
    ("model", "loss"),
    [(m, x) for m in MODELS for x in LOSSES if not (x == "bce" and m in NO_PROBABILITIES)],
)
def test_every_rule_on_every_model_and_loss(model, loss, dtype) -> None:
    """Three rates and seeds for each rule, and a twin of each; one of the three is run alone, not always the same."""
    problem_of = partial(training, MODELS[model], LOSSES[loss], dtype=dtype)
    rates = torch.tensor([0.001, 0.01, 0.05], dtype=DOUBLE)
    rules = [getattr(optimizers, kind)(lr=rates * RATES.get(name, 1.0)) for name, kind in RULES.items()]
    seeds = [0, 1, 2] * len(rules)
    stepper = Mixed(problem_of(0), with_twins(starts(problem_of, seeds)), seeds * 2, rules * 2)
    batch = together(stepper)
    until = parting(batch)
    for k, rule in enumerate(rules):
        which = (k + len(model) + len(loss)) % 3
        run = alone(RuleStepper(problem_of(which), one_of(rule, which)))
        assert_same_run(batch, 3 * k + which, run, until[3 * k + which])
    parted = (until <= batch.traces.steps[: len(seeds)]).double().mean()
    assert parted <= 0.2, "at these rates hardly a run is sensitive"
