"""The proof: replica i of a batch is the run that it would be alone, to rounding.

Equal means 1e-10 in float64 and 1e-5 in float32, relative plus absolute, over 200 steps. Where one unit in the last
place of the start changes the losses as much, the steps before that are compared; the tolerance stays.
"""

import math
import pkgutil
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from torch import nn

from playground import builtin
from playground.builtin import losses, models, optimizers, schedules, sequences
from playground.builtin.optimizers import SGD, Adam
from playground.builtin.tasks.minimize import Minimize
from playground.core import traces as traces_module
from playground.core.descent import DescentTrace, descend
from playground.core.gradients import Clip
from playground.core.problem import Batches, Problem
from playground.core.replicas import (
    ELEMENTWISE_OPTIMIZERS,
    CannotBatchError,
    Replicas,
    RuleReplicas,
    TorchReplicas,
    chunk_size,
    initial_parameters,
    stack_parameters,
)
from playground.core.replicas.size import FASTEST_STEP_BYTES, MIN_CHUNK_REPLICAS, bytes_per_replica
from playground.core.seeding import seed_torch
from playground.core.sensitivity import TOLERANCE_BY_DTYPE, TwinTraces, append_twins, find_sensitive
from playground.core.setting import CPU, Setting, one_thread
from playground.core.steppers import RuleStepper, TorchStepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces
from playground.expression import parse
from playground.result import Status

STEPS = 200
DOUBLE, SINGLE = torch.float64, torch.float32
single_if_slow = pytest.mark.parametrize(
    "dtype", [DOUBLE, pytest.param(SINGLE, marks=pytest.mark.slow)], ids=["float64", "float32"]
)


@pytest.fixture(autouse=True)
def _one_thread():
    """As in every run: on a busy machine a second thread makes small steps many times slower."""
    with one_thread():
        yield


# Problems


INPUTS = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0], [0.3, -0.7]], dtype=DOUBLE)
BINARY = torch.tensor([[1], [0], [1], [0], [0]], dtype=DOUBLE)
CLASSES = torch.tensor([1, 0, 2, 0, 2])

MODELS = {
    "attention": sequences.Attention,
    "handwritten": models.Handwritten,
    "linear": models.linear,
    "mlp": partial(models.mlp, hidden=(3,), output="sigmoid"),
    "perceptron": models.Perceptron,
    "polynomial": models.Polynomial,
    "rnn": sequences.RecurrentNetwork,
}
LOSSES = {name: getattr(losses, name) for name in builtin.playground_losses()}
NO_PROBABILITIES = ("attention", "linear", "polynomial", "rnn")


def training(model, loss, seed=0, dtype=DOUBLE, size=None):
    """One run's problem: its own initialisation, its own order of mini-batches, targets as the tasks encode them."""
    indices = loss is losses.cross_entropy
    with seed_torch(seed, CPU):
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
    traces: ReplicaTraces
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


def together(stepper, steps=STEPS, kind=TwinTraces, **rules):
    """Descend; two thirds of the runs are twins of the first third, if `kind` is not `Traces`."""
    kept = Kept(stepper)
    traces = kind(stepper, steps, StopRules(**rules), len(stepper.places))
    descend(kept, traces)
    return Batch(stepper, traces, kept.losses)


def alone(stepper, steps=STEPS, **rules):
    descent = DescentTrace(steps, StopRules(**rules))
    descend(stepper, descent)
    return stepper, descent


def assert_same_run(batch, i, build, move, steps=STEPS, **rules):
    """Compare replica `i` with the run alone; where that is sensitive, over the steps before it parts from its twins.

    :param build: makes the run's problem anew.
    :param move: makes its stepper from the problem.
    """
    stepper, descent = alone(move(build()), steps, **rules)
    dtype, traces = stepper.parameters[0].dtype, batch.traces
    close = partial(
        torch.testing.assert_close, rtol=TOLERANCE_BY_DTYPE[dtype], atol=TOLERANCE_BY_DTYPE[dtype], equal_nan=True
    )
    # The mark is taken on trust only as a hint: what mixes replicas up would part them from their twins as well.
    until = parting_alone(stepper, descent, build, move, steps, **rules) if traces.sensitive[i] else math.inf
    # Rounding comes at every step and moves a twin only at its start, so a batch may part a little earlier.
    compared = len(descent.loss) if until > descent.steps else int(0.9 * until)
    close(batch.losses[:compared, i], torch.tensor(descent.loss[:compared], dtype=DOUBLE))
    if until <= descent.steps:
        return
    assert (traces.statuses()[i], traces.steps[i]) == (descent.status, descent.steps)
    assert traces.evaluations()[i] == stepper.evaluations
    assert dtype is SINGLE or traces.reasons()[i] == descent.reason
    first = descent.loss[0] if descent.loss else descent.last
    mine = torch.stack([traces.first[i], traces.last[i], traces.best[i]])
    close(mine, torch.tensor([first, descent.last, descent.best], dtype=DOUBLE))
    for name, parameter in stepper.problem.parameters.items():
        close(batch.stepper.final[name][i], parameter.detach())


def parting_alone(stepper, descent, build, move, steps, **rules):
    """At which step a run alone and twins of it, alone as well, part; infinity where they never do."""
    dtype = stepper.parameters[0].dtype
    close = partial(torch.isclose, rtol=TOLERANCE_BY_DTYPE[dtype], atol=TOLERANCE_BY_DTYPE[dtype], equal_nan=True)
    until = math.inf
    for which in (1, 2):
        problem = build()
        with torch.no_grad():
            for parameter in problem.parameters.values():
                parameter.copy_(append_twins({"": parameter[None]})[""][which])
        other, twin = alone(move(problem), steps, **rules)
        common = min(len(descent.loss), len(twin.loss))
        apart = ~close(torch.tensor(descent.loss[:common]), torch.tensor(twin.loss[:common]))
        same_end = all(close(a, b).all() for a, b in zip(stepper.parameters, other.parameters, strict=True))
        if apart.any() or descent.steps != twin.steps or not same_end:
            until = min(until, int(apart.int().argmax()) if apart.any() else min(descent.steps, twin.steps))
    return until


def starts(problem_of, seeds):
    """The initial parameters of a run for each seed, seeds drawn once."""
    drawn = dict(zip(set(seeds), initial_parameters(problem_of, list(set(seeds))), strict=True))
    return stack_parameters([drawn[seed] for seed in seeds])


def tensors(rule):
    return {name: value for name, value in vars(rule).items() if isinstance(value, torch.Tensor)}


def one_of(rule, i):
    """The rule of one replica: numbers where the batch has tensors."""
    return replace(rule, **{name: value[i].item() for name, value in tensors(rule).items()})


def thrice(rule):
    """The rule of replicas and their twins."""
    return replace(rule, **{name: value.repeat(3) for name, value in tensors(rule).items()})


def prove(problem_of, rule, seeds, steps=STEPS, schedule=None, clip=None, **rules):
    """Run replicas and their twins together and each of them alone, and compare; return the batch."""
    parameters = append_twins(starts(problem_of, seeds))
    stepper = RuleReplicas(problem_of(seeds[0]), parameters, seeds * 3, thrice(rule), schedule, clip)
    batch = together(stepper, steps, **rules)
    for i, seed in enumerate(seeds):
        move = partial(RuleStepper, rule=one_of(rule, i), schedule=schedule, clip=clip)
        assert_same_run(batch, i, partial(problem_of, seed), move, steps, **rules)
    return batch


def share_sensitive(batch):
    return batch.traces.sensitive.double().mean()


# Every model, loss and rule


RATES = {"adadelta": 1.0, "sgd": 0.1, "rmsprop": 0.1, "rprop": 0.1}
"""What rates are multiplied by, so that no run settles within the steps that are compared.

In a minimum rprop goes by the sign of what rounding left of the gradient, and rmsprop, whose average of squares has
shrunk to that, leaves it in bursts: at steps that depend on the CPU, and that its twins,
by then the same numbers, cannot foretell.
"""
RULES = {name: path.rpartition(":")[2] for name, path in builtin.playground_optimizers().items() if "." not in name}


class Mixed(Replicas):
    """Replicas under one evaluation, of which each rule moves its share: so many rules cost one evaluation.

    :param shares: for each rule, which replicas it moves; together they are all.
    """

    def __init__(self, problem, parameters, seeds, rules, shares):
        super().__init__(problem, parameters, seeds)
        self.shares, self.order = shares, torch.cat(shares).argsort()
        self.parts = [
            RuleReplicas(problem, {name: tensor[share] for name, tensor in parameters.items()}, share.tolist(), rule)
            for share, rule in zip(shares, rules, strict=True)
        ]

    def update(self, step):
        for share, part in zip(self.shares, self.parts, strict=True):
            part.gradients = {name: gradient[share] for name, gradient in self.gradients.items()}
            part.update(step)
        self.parameters = {
            name: torch.cat([part.parameters[name] for part in self.parts])[self.order] for name in self.parameters
        }


def test_everything_built_in_is_proved() -> None:
    assert MODELS.keys() == builtin.playground_models().keys()
    assert len(LOSSES) == len(builtin.playground_losses())
    assert set(RULES.values()) == set(optimizers.__all__)


SENSITIVE = ("rnn", "attention")
"""Models of sequences amplify a rounding so much that most of their runs here are sensitive to it."""


@pytest.mark.product(8)
@pytest.mark.slow
@single_if_slow
@pytest.mark.parametrize(
    ("model", "loss"),
    [(m, x) for m in MODELS if m not in SENSITIVE for x in LOSSES if not (x == "bce" and m in NO_PROBABILITIES)],
)
def test_every_rule_on_every_model_and_loss(model, loss, dtype) -> None:
    """Three rates and seeds for each rule, and a twin of each; one of the three is run alone, not always the same."""
    problem_of = partial(training, MODELS[model], LOSSES[loss], dtype=dtype)
    rates = torch.tensor([0.001, 0.01, 0.05], dtype=DOUBLE)
    rules = [getattr(optimizers, kind)(lr=rates * RATES.get(name, 1.0)) for name, kind in RULES.items()]
    seeds = [0, 1, 2] * len(rules)
    shares = [torch.arange(3 * len(seeds)).view(3, -1, 3)[:, k].flatten() for k in range(len(rules))]
    parameters = append_twins(starts(problem_of, seeds))
    batch = together(Mixed(problem_of(0), parameters, seeds * 3, [thrice(rule) for rule in rules], shares))
    for k, rule in enumerate(rules):
        which = (k + len(model) + len(loss)) % 3
        move = partial(RuleStepper, rule=one_of(rule, which))
        assert_same_run(batch, 3 * k + which, partial(problem_of, which), move)
    assert share_sensitive(batch) <= 0.2, "at these rates hardly a run is sensitive"


@pytest.mark.product(5)
@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize("activation", models.ACTIVATIONS)
def test_every_activation(activation, dtype) -> None:
    model = partial(models.mlp, hidden=(3,), activation=activation, output=activation)
    problem_of = partial(training, model, losses.mse, dtype=dtype)
    batch = prove(problem_of, Adam(lr=torch.tensor([0.01, 0.02])), [0, 1])
    assert share_sensitive(batch) < 1


# Hyperparameters, schedules, clipping, mini-batches


BETAS = {"beta1": [0.8, 0.9, 0.95], "beta2": [0.99, 0.995, 0.999]}
DECAYS = {"weight_decay": [0.0, 0.1, 0.01]}
SWEPT = {
    "adadelta": [{"rho": [0.5, 0.9, 0.99], "eps": [1e-3, 1e-6, 1e-5], **DECAYS}],
    "adagrad": [
        {"lr_decay": [0.0, 0.1, 1.0], "initial_accumulator_value": [0.0, 0.1, 1.0], "eps": [1e-10, 1e-3, 1e-6]}
    ],
    "adam": [{"eps": [1e-8, 1e-3, 1e-5], **BETAS, **DECAYS}, {**BETAS, "amsgrad": True}],
    "adamax": [{**BETAS, **DECAYS}],
    "adamw": [{**BETAS, **DECAYS}],
    "lion": [{**BETAS, **DECAYS}],
    "nadam": [{**BETAS, "momentum_decay": [0.004, 0.0, 0.1]}],
    "radam": [{**BETAS, **DECAYS}],
    "rmsprop": [
        {"alpha": [0.9, 0.95, 0.99], "momentum": [0.0, 0.5, 0.9], "centered": True},
        {"alpha": [0.9, 0.99, 0.999], "eps": [1e-8, 1e-3, 1e-5]},
    ],
    "rprop": [{"eta_minus": [0.3, 0.5, 0.7], "eta_plus": [1.1, 1.2, 1.5], "step_size_max": [0.01, 0.1, 50.0]}],
    "sgd": [
        {"momentum": [0.0, 0.5, 0.9], "dampening": [0.0, 0.1, 0.5], **DECAYS},
        {"momentum": [0.3, 0.5, 0.9], "nesterov": True},
    ],
}
CASES = [(name, given) for name in RULES for given in SWEPT[name]]


@pytest.mark.product(8)
@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize(("name", "given"), CASES, ids=[f"{n}-{'-'.join(g)}" for n, g in CASES])
def test_every_hyperparameter_may_differ_from_replica_to_replica(name, given, dtype) -> None:
    rates = {"lr": [0.001, 0.005, 0.01]}
    swept = {k: torch.tensor(v, dtype=DOUBLE) if isinstance(v, list) else v for k, v in (rates | given).items()}
    rule = getattr(optimizers, RULES[name])(**swept)
    batch = prove(partial(training, models.Perceptron, losses.mse, dtype=dtype), rule, [0, 1, 2])
    assert share_sensitive(batch) <= 0.4


SCHEDULES = {
    "constant": schedules.constant(STEPS),
    "cosine": schedules.cosine(STEPS, warmup=10),
    "exponential": schedules.exponential(STEPS, gamma=0.98),
    "linear_warmup": schedules.linear_warmup(STEPS, warmup=20),
    "one_cycle": schedules.one_cycle(STEPS),
    "polynomial": schedules.polynomial(STEPS, power=2.0),
    "step": schedules.step(STEPS, every=50),
}


@pytest.mark.product(3)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", builtin.playground_schedules())
def test_schedules(name) -> None:
    problem_of = partial(training, models.Perceptron, losses.mse)
    rule = Adam(lr=torch.tensor([0.005, 0.01], dtype=DOUBLE))
    batch = prove(problem_of, rule, [0, 1], schedule=SCHEDULES[name])
    constant = prove(problem_of, rule, [0, 1])
    assert torch.equal(batch.traces.last, constant.traces.last) is (name == "constant")


@pytest.mark.product(2)
@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize("clip", [Clip(value=0.01), Clip(norm=0.02), Clip(value=0.015, norm=0.02)], ids=str)
def test_each_replica_is_clipped_by_its_own_gradient(clip, dtype) -> None:
    problem_of = partial(training, MODELS["mlp"], losses.mse, dtype=dtype)
    rule = SGD(lr=torch.tensor([0.1, 0.5, 1.0], dtype=DOUBLE))
    batch = prove(problem_of, rule, [0, 1, 2], clip=clip)
    free = prove(problem_of, rule, [0, 1, 2])
    assert not torch.isclose(batch.traces.last, free.traces.last).any()


@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize("size", [1, 2, 5])
def test_each_replica_has_its_own_mini_batches(size, dtype) -> None:
    """Five samples: batches of two leave one over. Two replicas share a seed and differ in rate."""
    problem_of = partial(training, MODELS["mlp"], losses.mse, dtype=dtype, size=size)
    batch = prove(problem_of, Adam(lr=torch.tensor([0.01, 0.01, 0.02, 0.01], dtype=DOUBLE)), [7, 0, 7, 3])
    assert share_sensitive(batch) <= 0.5


# Functions


FUNCTIONS = {
    name: pkgutil.resolve_name(factory)()
    for name, factory in builtin.playground_functions().items()
    if name != "expression"
}
FORMULAS = {
    "bowl": "(2*x + 10)**2",
    "two variables": "(x - 1)**2 + 3*cos(y) + x*y + y**2",
    "vector": "x[0]**2 + x[0]*x[1] + 2*x[1]**2",
}


def points(function, count=2):
    """Points spread over the domain, one for each replica."""
    torch.manual_seed(0)
    low, high = torch.tensor(function.domain, dtype=DOUBLE).T
    return (low + (high - low) * (0.2 + 0.6 * torch.rand(count, function.dim, dtype=DOUBLE))).tolist()


@pytest.mark.product(11)
@pytest.mark.sampled(1)
@pytest.mark.parametrize(("rule", "dtype"), [(Adam, DOUBLE), (SGD, DOUBLE), (Adam, SINGLE)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, rule, dtype) -> None:
    function = FUNCTIONS[name]
    starting = points(function)
    rates = torch.tensor([0.1, 1.0], dtype=DOUBLE) * (1e-5 if rule is SGD else 1e-2)
    batch = prove(lambda seed: minimizing(function, {"x": starting[seed]}, dtype), rule(lr=rates), [0, 1])
    assert share_sensitive(batch) < 1


@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize("name", FORMULAS)
def test_expressions_of_scalars_and_vectors(name, dtype) -> None:
    function = parse(FORMULAS[name])
    start = {"bowl": {"x": 1.0}, "two variables": {"x": 0.5, "y": 0.3}, "vector": {"x": [0.5, 0.2]}}[name]
    rule = Adam(lr=torch.tensor([0.01, 0.03], dtype=DOUBLE))
    batch = prove(lambda seed: minimizing(function, start, dtype), rule, [0, 1])
    assert not share_sensitive(batch)


# Ends


def bowls(starting, dtype=DOUBLE):
    """Runs down x² from points of their own: each step of SGD multiplies x by 1 - 2 lr."""
    return lambda seed: minimizing(parse("x**2"), {"x": starting[seed]}, dtype)


def roots(starting):
    """Runs down √x, which is not a number once x is negative."""
    return lambda seed: minimizing(parse("sqrt(x)"), {"x": starting[seed]})


RATES_OF_BOWLS = torch.tensor([0.01, 0.1, 0.45, 0.999, 1.0, 1.4, 0.3, 0.001], dtype=DOUBLE)
BOWLS = bowls([1.0, 3.0, -2.0, 1.0, 1.0, 1.0, 1e-4, 1.0])
ENDS = {
    "loss": ({"loss": 1e-3}, {Status.CONVERGED, Status.BUDGET, Status.DIVERGED}),
    "gradient": ({"gradient": 1e-2}, {Status.CONVERGED, Status.BUDGET, Status.DIVERGED}),
    "patience": ({"patience": 7}, {Status.STALLED, Status.BUDGET}),
    "improvement": ({"patience": 5, "improvement": 1e-2}, {Status.STALLED}),
    "divergence": ({"divergence": 3.0}, {Status.DIVERGED, Status.BUDGET}),
    "first of several": ({"loss": 1e-3, "patience": 9, "gradient": 1.0}, {Status.CONVERGED, Status.STALLED}),
}


@pytest.mark.product(7)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("steps", [STEPS, 40, 1, 0])
@pytest.mark.parametrize("name", ENDS)
def test_each_replica_ends_by_the_rules_as_alone(name, steps) -> None:
    rules, seen = ENDS[name]
    batch = prove(BOWLS, SGD(lr=RATES_OF_BOWLS), list(range(8)), steps, **rules)
    assert steps < STEPS or seen <= set(batch.traces.statuses())


def test_a_loss_that_is_not_finite_ends_a_replica_alone() -> None:
    problem_of = roots([1.0, 4.0, 0.3, 100.0])
    rule = SGD(lr=torch.tensor([0.1, 0.01, 0.1, 0.01], dtype=DOUBLE))
    batch = prove(problem_of, rule, [0, 1, 2, 3])
    assert batch.traces.statuses()[:4] == [Status.NONFINITE, Status.BUDGET, Status.NONFINITE, Status.BUDGET]


def test_an_infinite_loss_is_never_the_best() -> None:
    problem_of = lambda seed: minimizing(parse("log(abs(x))"), {"x": [1.0, 2.0][seed]})  # noqa: E731
    batch = prove(problem_of, SGD(lr=torch.tensor([1.0, 0.1], dtype=DOUBLE)), [0, 1], 5)
    assert batch.traces.statuses()[:2] == [Status.NONFINITE, Status.BUDGET]
    assert batch.traces.best[0] == 0.0


def test_the_final_parameters_of_a_mini_batch_run_that_ends_early_are_those_it_ended_with() -> None:
    problem_of = partial(training, models.Perceptron, losses.mse, size=2)
    rule = Adam(lr=torch.tensor([0.05, 0.1, 0.01], dtype=DOUBLE))
    batch = prove(problem_of, rule, [0, 1, 2], loss=0.05)
    assert len(set(batch.traces.steps[:3].tolist())) == 3


@pytest.mark.sampled(1)
@pytest.mark.parametrize("every", [1, 32, 10**9])
def test_going_on_without_those_that_have_ended_changes_nothing(every, monkeypatch) -> None:
    monkeypatch.setattr(traces_module, "COMPACT_INTERVAL_STEPS", every)
    problem_of = partial(training, MODELS["mlp"], losses.mse, size=2)
    rule = Adam(lr=torch.tensor([0.3, 0.1, 0.05, 0.03, 0.02, 0.001], dtype=DOUBLE), beta1=torch.full((6,), 0.8))
    batch = prove(problem_of, rule, list(range(6)), loss=0.05)
    assert (len(batch.stepper.places) < 18) is (every <= 32)


def test_the_last_loss_is_taken_in_evaluation_mode() -> None:
    class Louder(nn.Linear):
        """Speaks twice as loud in training."""

        def forward(self, x):
            return super().forward(x) * (2 if self.training else 1)

    batch = prove(partial(training, Louder, losses.mse), SGD(lr=torch.tensor([0.01, 0.02], dtype=DOUBLE)), [0, 1])
    assert not share_sensitive(batch)


def test_nobody_takes_part_when_all_have_ended() -> None:
    batch = together(RuleReplicas(BOWLS(0), starts(BOWLS, [0, 6]), [0, 6], SGD(lr=0.4)), kind=ReplicaTraces, loss=1e-3)
    assert len(batch.losses) == batch.traces.steps.max() + 1 < STEPS


# What a replica does to others


def nonfinite_parameters(parameters, which, value):
    return {name: tensor.index_fill(0, torch.tensor(which), value) for name, tensor in parameters.items()}


@pytest.mark.sampled(2)
@single_if_slow
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_replica_that_is_not_finite_leaves_the_bits_of_the_others(loss, value, dtype) -> None:
    problem_of = partial(training, MODELS["mlp"], LOSSES[loss], dtype=dtype, size=2)
    parameters = starts(problem_of, list(range(5)))
    rule = Adam(lr=torch.logspace(-3, -1, 5, dtype=DOUBLE))
    healthy, ill = (
        together(RuleReplicas(problem_of(0), start, range(5), rule, clip=Clip(norm=0.1)), 15, kind=ReplicaTraces)
        for start in (parameters, nonfinite_parameters(parameters, [1, 3], value))
    )
    assert ill.traces.statuses()[1] is Status.NONFINITE
    for others in (0, 2, 4):
        assert torch.equal(healthy.losses[:, others], ill.losses[:, others])
        for name in parameters:
            assert torch.equal(healthy.stepper.final[name][others], ill.stepper.final[name][others])


def test_a_replica_that_stops_changes_no_bit_of_the_others() -> None:
    """Up to the step at which the batch goes on without it."""
    parameters, rule = starts(BOWLS, [0, 1, 2]), SGD(lr=torch.tensor([0.3, 0.01, 0.001], dtype=DOUBLE))
    some, none = (
        together(RuleReplicas(BOWLS(0), parameters, range(3), rule), kind=ReplicaTraces, loss=loss)
        for loss in (1e-6, None)
    )
    assert some.traces.statuses()[0] is Status.CONVERGED
    assert torch.equal(some.losses[:, 1:], none.losses[:, 1:])


@pytest.mark.slow
@single_if_slow
def test_order_and_size_of_the_batch_change_nothing(dtype) -> None:
    problem_of = partial(training, MODELS["mlp"], losses.mse, dtype=dtype, size=2)
    parameters, rates = starts(problem_of, list(range(24))), torch.logspace(-4, -2, 24, dtype=DOUBLE)

    def run(which):
        chosen = {name: tensor[which] for name, tensor in parameters.items()}
        stepper = RuleReplicas(problem_of(0), chosen, which.tolist(), Adam(lr=rates[which]))
        return together(stepper, kind=ReplicaTraces, loss=0.05)

    whole = run(torch.arange(24))
    shuffled = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    for part in (shuffled, *torch.arange(24).split(5)):
        found = run(part)
        tolerance = TOLERANCE_BY_DTYPE[dtype]
        close = partial(torch.testing.assert_close, rtol=tolerance, atol=tolerance)
        close(found.traces.last, whole.traces.last[part])
        assert torch.equal(found.traces.steps, whole.traces.steps[part])
        for name, tensor in found.stepper.final.items():
            close(tensor, whole.stepper.final[name][part])


def test_the_given_parameters_are_not_modified() -> None:
    problem_of = partial(training, models.Perceptron, losses.mse)
    parameters = starts(problem_of, [0, 1])
    before = {name: tensor.clone() for name, tensor in parameters.items()}
    sgd = partial(torch.optim.SGD, lr=0.1)
    together(RuleReplicas(problem_of(0), parameters, [0, 1], SGD(lr=0.1)), 3, kind=ReplicaTraces)
    together(TorchReplicas(problem_of(0), parameters, [0, 1], [sgd, sgd], True), 3, kind=ReplicaTraces)
    assert all(torch.equal(parameters[name], before[name]) for name in parameters)


def test_an_unused_parameter_stays_where_it_is() -> None:
    def problem_of(seed):
        problem = training(models.Perceptron, losses.mse, seed)
        problem.module.spare = nn.Parameter(torch.ones(2, dtype=DOUBLE))
        return problem

    prove(problem_of, Adam(lr=torch.tensor([0.01, 0.02], dtype=DOUBLE)), [0, 1], 20, clip=Clip(norm=1.0))


# Optimizers of torch


OPTIMIZERS = {
    "ASGD": {"lr": 0.02, "t0": 50.0},
    "Adadelta": {"lr": 1.0},
    "Adafactor": {"lr": 0.01},
    "Adagrad": {"lr": 0.05},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "Muon": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01},
    "RMSprop": {"lr": 0.003, "momentum": 0.9},
    "Rprop": {"lr": 0.01},
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
}
ALONE_ONLY = {"LBFGS", "SparseAdam"}
WITHOUT_BIAS = partial(models.linear, bias=False)  # Muon moves matrices only


def prove_torch(problem_of, factories, seeds, elementwise, steps=STEPS, schedule=None, clip=None, **rules):
    parameters = append_twins(starts(problem_of, seeds))
    stepper = TorchReplicas(problem_of(0), parameters, seeds * 3, factories * 3, elementwise, schedule, clip)
    batch = together(stepper, steps, **rules)
    for i, seed in enumerate(seeds):
        move = partial(TorchStepper, factory=factories[i], schedule=schedule, clip=clip)
        assert_same_run(batch, i, partial(problem_of, seed), move, steps, **rules)
    return batch


def test_every_optimizer_of_torch_is_proved() -> None:
    named = {name.removeprefix("torch.") for name in builtin.playground_optimizers() if name.startswith("torch.")}
    assert named <= OPTIMIZERS.keys() | ALONE_ONLY


@pytest.mark.product(5)
@pytest.mark.sampled(1)
@single_if_slow
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if hasattr(torch.optim, name)])
def test_optimizers_of_torch(name, dtype) -> None:
    """Two distinct sets of hyperparameters over three replicas, so two parameter groups or three instances."""
    kind, given = getattr(torch.optim, name), OPTIMIZERS[name]
    slow, fast = partial(kind, **given), partial(kind, **given | {"lr": 2 * given["lr"]})
    problem_of = partial(training, WITHOUT_BIAS if name == "Muon" else models.Perceptron, losses.mse, dtype=dtype)
    batch = prove_torch(problem_of, [slow, slow, fast], [0, 1, 2], kind in ELEMENTWISE_OPTIMIZERS)
    assert share_sensitive(batch) < 1, "Muon computes in bfloat16, whose roundings are far apart"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("elementwise", [True, False])
def test_optimizers_of_torch_with_schedule_clipping_mini_batches_and_ends(elementwise) -> None:
    problem_of = partial(training, MODELS["mlp"], losses.mse, size=2)
    factories = [partial(torch.optim.Adam, lr=rate) for rate in (0.03, 0.1, 0.1, 0.001)]
    batch = prove_torch(
        problem_of,
        factories,
        [0, 1, 2, 3],
        elementwise,
        schedule=schedules.cosine(STEPS),
        clip=Clip(norm=0.05),
        loss=0.05,
    )
    assert {Status.CONVERGED, Status.BUDGET} == set(batch.traces.statuses())


@pytest.mark.parametrize("elementwise", [True, False])
def test_an_ill_replica_leaves_the_bits_of_others_under_torch(elementwise) -> None:
    problem_of = partial(training, MODELS["mlp"], losses.mse)
    parameters = starts(problem_of, [0, 1, 2])
    adam = partial(torch.optim.Adam, lr=0.01)
    healthy, ill = (
        together(TorchReplicas(problem_of(0), start, range(3), [adam] * 3, elementwise), 20, kind=ReplicaTraces)
        for start in (parameters, nonfinite_parameters(parameters, [1], math.nan))
    )
    assert torch.equal(healthy.losses[:, ::2], ill.losses[:, ::2])


@pytest.mark.parametrize("elementwise", [True, False])
def test_an_optimizer_that_switches_to_evaluation_does_so_where_each_replica_ends(elementwise) -> None:
    class Averaging(torch.optim.SGD):
        """Puts the average of all parameters it has seen in place when switched to evaluation."""

        seen, count = 0.0, 0

        def step(self, closure=None):
            super().step()
            (parameter,) = self.param_groups[0]["params"]
            self.seen, self.count = self.seen + parameter.detach(), self.count + 1

        def eval(self):
            with torch.no_grad():
                self.param_groups[0]["params"][0].copy_(self.seen / self.count)

    factories = [partial(Averaging, lr=rate) for rate in (0.1, 0.3)]
    batch = prove_torch(BOWLS, factories, [0, 1], elementwise, loss=1e-3)
    assert batch.traces.steps[0] != batch.traces.steps[1]


# What cannot descend together, and what each seed begins with


class Forgetful(nn.Linear):
    """Draws random numbers in every forward pass."""

    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


class Choosy(nn.Linear):
    """Looks at its numbers to decide what to do."""

    def forward(self, x):
        out = super().forward(x)
        return out if out.sum() > 0 else -out


class Counting(nn.Linear):
    """Counts its calls in a buffer."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


def normalised(inputs, outputs):
    return nn.Sequential(nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Forgetful, "random"),
        (Choosy, "data-dependent|control flow"),
        (Counting, "statistics"),
        (normalised, "statistics"),
    ],
)
def test_what_cannot_be_batched_says_why(model, why) -> None:
    problem = training(model, losses.mse)
    parameters = {name: torch.stack([tensor.detach()] * 3) for name, tensor in problem.parameters.items()}
    with pytest.raises(CannotBatchError, match=why) as caught:
        RuleReplicas(problem, parameters, range(3), SGD(lr=0.1))
    assert "\n" not in str(caught.value)


def test_a_loss_of_several_numbers_cannot_be_batched() -> None:
    problem = replace(training(models.linear, losses.mse), loss=lambda forward, batch: forward(batch[0]))
    with pytest.raises(CannotBatchError, match="single number"):
        RuleReplicas(problem, stack_parameters([problem.parameters]), [0], SGD(lr=0.1))


def test_an_exception_on_the_way_says_that_each_run_must_find_out_by_itself() -> None:
    """From outside [0, 1] there is no binary cross-entropy; torch says so for the whole batch."""
    problem_of = partial(training, models.Perceptron, lambda p, t: losses.bce(1.2 * p, t))
    stepper = RuleReplicas(problem_of(0), starts(problem_of, [0, 1]), [0, 1], SGD(lr=1.0))
    with pytest.raises(CannotBatchError, match="between 0 and 1"):
        together(stepper, kind=ReplicaTraces)


class Replacing(torch.optim.SGD):
    """Puts a new tensor in place of each parameter's."""

    def step(self, closure=None):
        for parameter in self.param_groups[0]["params"]:
            parameter.data = parameter.data - 0.1 * parameter.grad


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        (partial(torch.optim.LBFGS, lr=0.1), "evaluates the loss by itself"),
        (partial(Replacing, lr=0.1), "other tensors"),
    ],
)
def test_optimizers_that_need_a_run_of_their_own(factory, why) -> None:
    problem_of = partial(training, models.linear, losses.mse)
    stepper = TorchReplicas(problem_of(0), starts(problem_of, [0, 1]), [0, 1], [factory] * 2, False)
    with pytest.raises(CannotBatchError, match=why):
        together(stepper, 3, kind=ReplicaTraces)


def test_every_seed_begins_as_alone() -> None:
    problem_of = partial(training, MODELS["mlp"], losses.mse)
    unseeded = lambda seed: Problem(models.mlp(2, 1), problem_of(0).loss, problem_of(0).batches)  # noqa: E731
    state = torch.get_rng_state()
    drawn = initial_parameters(lambda seed: replace(unseeded(seed), module=models.mlp(2, 1).double()), [3, 0, 3])
    assert torch.equal(torch.get_rng_state(), state)
    for seed, found in zip([3, 0, 3], drawn, strict=True):
        torch.manual_seed(seed)
        models.mlp(2, 1)
        alone_ = models.mlp(2, 1).double()
        assert all(torch.equal(found[name], tensor) for name, tensor in alone_.named_parameters())


def test_seeds_that_change_more_than_the_parameters_cannot_share_a_module() -> None:
    class Features(nn.Linear):
        def __init__(self, inputs, outputs):
            super().__init__(inputs, outputs)
            self.features = torch.rand(inputs)  # of its own, and in no list

        def forward(self, x):
            return super().forward(x * self.features)

    with pytest.raises(CannotBatchError, match="differ in more than"):
        initial_parameters(partial(training, Features, losses.mse), [0, 1])


# Sensitivity


def test_a_run_is_sensitive_when_one_unit_in_the_last_place_of_its_start_changes_the_answer() -> None:
    """Down (x² - 1)²/4, SGD at rate r maps x to (1 + r) x - r x³: it settles at 0.1, and is chaotic at 1.8."""
    wells, rates = parse("(x**2 - 1)**2 / 4"), torch.tensor([0.1, 1.8, 0.1], dtype=DOUBLE)
    parameters = stack_parameters([minimizing(wells, {"x": start}).parameters for start in (0.3, 0.3, 1.2)])

    def make(chosen, which):
        return RuleReplicas(minimizing(wells, {"x": 0.0}), chosen, which.tolist(), SGD(lr=rates[which]))

    assert find_sensitive(make, parameters, 200, StopRules()).tolist() == [False, True, False]
    assert find_sensitive(make, parameters, 10, StopRules()).tolist() == [False, False, False]


def test_what_happens_after_a_run_has_ended_does_not_make_it_sensitive() -> None:
    parameters = stack_parameters([BOWLS(0).parameters])
    make = lambda chosen, which: RuleReplicas(BOWLS(0), chosen, [0] * 3, SGD(lr=1.4))  # noqa: E731
    assert find_sensitive(make, parameters, 400, StopRules(divergence=10.0)).tolist() == [False]


@single_if_slow
def test_a_twin_is_one_unit_in_the_last_place_away(dtype) -> None:
    start = torch.tensor([[1.0, -3.0, 0.0]], dtype=dtype)
    mine, further, nearer = append_twins({"x": start})["x"]
    unit = torch.finfo(dtype).eps
    assert torch.equal(mine, start[0])
    assert (further - mine).tolist() == [unit, -2 * unit, unit]
    assert (nearer - mine).tolist() == [-unit / 2, 2 * unit, -unit]


# How many go together


def test_a_chunk_is_as_large_as_is_fast_and_as_memory_allows() -> None:
    problem = training(models.Perceptron, losses.mse)
    each = bytes_per_replica(problem, problem.parameters)
    assert chunk_size(problem, problem.parameters, 10**12) == FASTEST_STEP_BYTES // each
    assert chunk_size(problem, problem.parameters, 100 * each) == 100
    assert chunk_size(problem, problem.parameters, 1) == 1


def test_a_larger_model_takes_more_memory_and_still_descends_with_a_few_others() -> None:
    small, large = training(MODELS["mlp"], losses.mse), training(partial(models.mlp, hidden=(300, 300)), losses.mse)
    numbers = sum(tensor.nbytes for tensor in large.parameters.values())
    assert bytes_per_replica(large, large.parameters) > 10 * numbers > bytes_per_replica(small, small.parameters)
    assert chunk_size(large, large.parameters, 10**12) == MIN_CHUNK_REPLICAS


def test_what_cannot_be_batched_has_a_size_all_the_same() -> None:
    problem = training(Choosy, losses.mse)
    assert chunk_size(problem, problem.parameters, 10**9) >= 1
