"""Any `torch.optim.Optimizer`, compiled: every run is what it is alone, to rounding."""

import math
from functools import partial
from math import sqrt

import numpy as np
import pytest
import torch
from torch.optim import Optimizer

from playground.builtin import models, schedules
from playground.core.gradients import Clip
from playground.result import Status

STEPS = 200
RATES = (0.01, 0.03)


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    pass


# torch's own


OPTIONS = {
    "Adam": [{}, {"amsgrad": True, "foreach": True}, {"weight_decay": 0.01, "maximize": True}],
    "AdamW": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"betas": (0.8, 0.9), "eps": 1e-3, "foreach": True}],
    "SGD": [
        {},
        {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
        {"momentum": 0.5, "nesterov": True, "foreach": True},
        {"maximize": True},
    ],
    "RMSprop": [
        {"eps": 1e-3},
        {"centered": True, "momentum": 0.5, "eps": 1e-3},
        {"weight_decay": 0.1, "eps": 1e-3, "foreach": True},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1, "weight_decay": 0.01, "initial_accumulator_value": 0.1, "foreach": True}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1, "maximize": True, "foreach": True}],
    "Adamax": [{}, {"weight_decay": 0.1, "betas": (0.8, 0.99), "eps": 1e-3, "foreach": True}],
    "NAdam": [{}, {"decoupled_weight_decay": True, "weight_decay": 0.1}, {"momentum_decay": 0.1, "foreach": True}],
    "RAdam": [
        {},
        {"decoupled_weight_decay": True, "weight_decay": 0.1},
        {"betas": (0.8, 0.99), "eps": 1e-3, "foreach": True},
    ],
    "Rprop": [{}, {"etas": (0.3, 1.1), "step_sizes": (1e-4, 0.1), "foreach": True}],
    "ASGD": [{}, {"t0": 50, "lambd": 0.01, "weight_decay": 0.1}, {"lambd": 0.01, "foreach": True}],
    "Adafactor": [{}, {"weight_decay": 0.1, "eps": (1e-6, 1e-2), "d": 2.0, "foreach": True}],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


def steps_of(name):
    """Rprop goes by the sign of the gradient, of which rounding alone is left where the run comes to rest."""
    return 30 if name == "Rprop" else STEPS


def name_case(value):
    return "-".join(map(str, value)) or "plain" if isinstance(value, dict) else value


@pytest.mark.sampled(2)
@pytest.mark.product(18)
@pytest.mark.parametrize(("name", "options"), CASES, ids=name_case)
def test_every_class_of_torch(name, options, require_same) -> None:
    kind = partial(getattr(torch.optim, name), **options)
    require_same([partial(kind, lr=rate) for rate in RATES], steps=steps_of(name))


@pytest.mark.slow
@pytest.mark.product(6)
@pytest.mark.parametrize("name", OPTIONS)
def test_every_class_in_single_precision(name, require_same, problem_of) -> None:
    factories = [partial(getattr(torch.optim, name), lr=rate) for rate in RATES]
    require_same(factories, problem=problem_of(dtype=torch.float32), steps=min(60, steps_of(name)))


# Written by hand, as in tutorials


class SignMomentum(Optimizer):
    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.mul_(group["momentum"]).add_(p.grad)
                p.add_(m.sign(), alpha=-group["lr"])
        return loss


class HandAdamW(Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                grad, state = p.grad.data, self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["m"], state["v"] = torch.zeros_like(p.data), torch.zeros_like(p.data)
                state["step"] += 1
                t = state["step"]
                state["m"] = beta1 * state["m"] + (1 - beta1) * grad
                state["v"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                rate = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                p.data = p.data - rate * state["m"] / (state["v"].sqrt() + group["eps"])


class ReadsItems(Optimizer):
    """Reads its numbers and computes with them in Python."""

    def __init__(self, params, lr=0.05):
        super().__init__(params, {"lr": lr})
        self.average = 0.0

    @torch.no_grad()
    def step(self, closure=None):
        size = sum(float(p.grad.pow(2).sum().item()) for group in self.param_groups for p in group["params"])
        self.average = 0.9 * self.average + 0.1 * size
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] / (1.0 + math.sqrt(self.average)) * p.grad


class ClipsByNorm(Optimizer):
    def __init__(self, params, lr=0.05, momentum=0.9, max_norm=0.1):
        super().__init__(params, {"lr": lr, "momentum": momentum, "max_norm": max_norm})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            grads = [p.grad for p in group["params"]]
            total = torch.norm(torch.stack([torch.norm(g) for g in grads]))
            if total > group["max_norm"]:
                for g in grads:
                    g.mul_(group["max_norm"] / (total + 1e-6))
            for p in group["params"]:
                state = self.state[p]
                state["buf"] = group["momentum"] * state["buf"] + p.grad if "buf" in state else p.grad.clone()
                p.sub_(group["lr"] * state["buf"])


class Lookahead(Optimizer):
    """Wraps another optimizer: every k steps the weights go back towards slow ones."""

    def __init__(self, params, lr=0.02, k=5, alpha=0.5, inner=torch.optim.Adam):
        self.inner = inner(params, lr=lr)
        self.k, self.alpha, self.steps = k, alpha, 0
        super().__init__(self.inner.param_groups, {})
        self.slow = [p.detach().clone() for group in self.param_groups for p in group["params"]]

    def step(self, closure=None):
        loss = self.inner.step(closure)
        self.steps += 1
        if self.steps % self.k == 0:
            ps = [p for group in self.param_groups for p in group["params"]]
            for p, slow in zip(ps, self.slow, strict=True):
                slow += self.alpha * (p.data - slow)
                p.data.copy_(slow)
        return loss


class Plateau(Optimizer):
    """Halves its rate when the loss has not fallen for ten steps: decides by the run's own numbers."""

    def __init__(self, params, lr=0.5):
        super().__init__(params, {"lr": lr})
        self.best, self.bad = float("inf"), 0

    @torch.no_grad()
    def step(self, closure):
        loss = closure().item()
        if loss < self.best - 1e-4:
            self.best, self.bad = loss, 0
        else:
            self.bad += 1
        if self.bad > 10:
            self.param_groups[0]["lr"] *= 0.5
            self.bad = 0
        for p in self.param_groups[0]["params"]:
            p.add_(p.grad, alpha=-self.param_groups[0]["lr"])


class WarmCosine(Optimizer):
    """Warm-up and a cosine in Python, a root that was imported by name, and a number of numpy."""

    def __init__(self, params, lr=0.1, warmup=10, total=150):
        super().__init__(params, {"lr": lr, "warmup": warmup, "total": total})
        self.t = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        for group in self.param_groups:
            if self.t <= group["warmup"]:
                factor = self.t / group["warmup"]
            else:
                share = min(1.0, (self.t - group["warmup"]) / (group["total"] - group["warmup"]))
                factor = 0.5 * (1 + math.cos(math.pi * share))
            rate = max(1e-4, group["lr"] * factor) / sqrt(1 + 0.01 * self.t) * np.sqrt(2.0)
            for p in group["params"]:
                p.data.add_(p.grad.data, alpha=-rate)


class Sharpness(Optimizer):
    """SAM: evaluates the loss once more, a little uphill."""

    def __init__(self, params, lr=0.1, rho=0.05):
        super().__init__(params, {"lr": lr, "rho": rho})

    def step(self, closure):
        loss = closure()
        ps = [p for group in self.param_groups for p in group["params"]]
        with torch.no_grad():
            norm = torch.stack([p.grad.norm() for p in ps]).norm() + 1e-12
            uphill = [p.grad * (self.param_groups[0]["rho"] / norm) for p in ps]
            torch._foreach_add_(ps, uphill)
        closure()
        with torch.no_grad():
            torch._foreach_sub_(ps, uphill)
            for p in ps:
                p.add_(p.grad, alpha=-self.param_groups[0]["lr"])
        return loss


BY_HAND = {
    SignMomentum: 60,  # the sign of what rounding left of a momentum
    HandAdamW: STEPS,
    ReadsItems: STEPS,
    ClipsByNorm: STEPS,
    Lookahead: STEPS,
    Plateau: STEPS,
    WarmCosine: STEPS,
    Sharpness: STEPS,
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", BY_HAND, ids=lambda kind: kind.__name__)
def test_optimizers_written_by_hand(kind, require_same) -> None:
    require_same([partial(kind, lr=rate) for rate in RATES], steps=BY_HAND[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Lookahead, Plateau, Sharpness], ids=lambda kind: kind.__name__)
def test_optimizers_written_by_hand_on_several_layers(kind, require_same, problem_of) -> None:
    problem = problem_of(partial(models.mlp, hidden=(3,), output="sigmoid"), size=2)
    require_same([partial(kind, lr=rate) for rate in RATES], problem=problem, steps=40)


# Schedules, clipping, mini-batches


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "kind", [torch.optim.Adam, torch.optim.NAdam, HandAdamW, Lookahead, WarmCosine], ids=lambda kind: kind.__name__
)
def test_a_schedule_multiplies_the_rate_of_each_run(kind, require_same) -> None:
    require_same([partial(kind, lr=rate) for rate in RATES], schedule=schedules.cosine(STEPS, warmup=10), steps=STEPS)


@pytest.mark.product(3)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("clip", [Clip(value=0.01), Clip(norm=0.02), Clip(value=0.015, norm=0.02)], ids=str)
@pytest.mark.parametrize("kind", [torch.optim.SGD, Sharpness], ids=lambda kind: kind.__name__)
def test_gradients_are_clipped_at_every_evaluation(kind, clip, require_same) -> None:
    require_same([partial(kind, lr=rate) for rate in (0.3, 1.0)], clip=clip, steps=60)


@pytest.mark.product(3)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kind", [torch.optim.Adam, Sharpness, Plateau], ids=lambda kind: kind.__name__)
def test_each_run_has_its_own_batches(kind, size, require_same, problem_of) -> None:
    """Five samples: batches of two leave one over."""
    require_same([partial(kind, lr=rate) for rate in RATES], problem=problem_of(size=size), steps=60)


# Hyperparameters that differ


DIFFERENT = {
    "betas": [partial(torch.optim.Adam, betas=betas) for betas in ((0.9, 0.999), (0.8, 0.99), (0.9, 0.9))],
    "betas of a class by hand": [partial(HandAdamW, betas=betas) for betas in ((0.9, 0.999), (0.8, 0.99), (0.9, 0.9))],
    "one beta": [partial(torch.optim.NAdam, betas=(0.9, beta)) for beta in (0.999, 0.99, 0.9)],
    "several": [
        partial(torch.optim.SGD, lr=lr, momentum=m, dampening=d) for lr, m, d in ((0.1, 0.9, 0.1), (0.2, 0.5, 0.2))
    ],
    "positions": [partial(HandAdamW, lr=0.1), partial(HandAdamW, lr=0.2)],
    "whole numbers": [partial(SignMomentum, momentum=0, lr=1), partial(SignMomentum, momentum=1, lr=2)],
    "whole numbers and others": [partial(torch.optim.SGD, lr=1), partial(torch.optim.SGD, lr=0.5)],
    "every k steps": [partial(Lookahead, k=k) for k in (2, 3, 3, 2)],
    "the same": [partial(torch.optim.Adam, lr=0.1)] * 3,
    "an average that begins late": [partial(torch.optim.ASGD, lr=0.1, t0=t0) for t0 in (5, 10, 20)],
    "tuples of two kinds": [
        partial(torch.optim.Adafactor, lr=0.01, eps=(None, 1e-3)),
        partial(torch.optim.Adafactor, lr=0.02, eps=(None, 1e-2)),
    ],
}


@pytest.mark.sampled(1)
@pytest.mark.product(6)
@pytest.mark.parametrize("name", DIFFERENT)
def test_hyperparameters_differ_by_run(name, require_same) -> None:
    assert len(require_same(DIFFERENT[name], steps=60)) == 1


DIVIDED = {
    "no weight decay": ([partial(torch.optim.AdamW, lr=0.1, weight_decay=decay) for decay in (0, 0.1, 0, 0.2)], 2),
    "no momentum": ([partial(torch.optim.SGD, lr=0.1, momentum=momentum) for momentum in (0.0, 0.9, 0.5)], 2),
    "two decisions": (
        [
            partial(torch.optim.SGD, lr=0.1, momentum=momentum, weight_decay=decay)
            for momentum, decay in ((0, 0), (0.9, 0), (0, 0.1), (0.9, 0.1))
        ],
        4,
    ),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", DIVIDED)
def test_runs_that_a_hyperparameter_divides_have_several_programs(name, require_same) -> None:
    factories, programs = DIVIDED[name]
    assert len(require_same(factories, steps=60)) == programs


# Ends


ENDS = {
    "loss": {"loss": 0.2},
    "gradient": {"gradient": 0.15},
    "patience": {"patience": 3, "improvement": 1e-3},
    "divergence": {"divergence": 0.25},
    "at once": {"loss": 10.0},
}


@pytest.mark.product(5)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("rules", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("kind", [torch.optim.Adam, Plateau, Sharpness], ids=lambda kind: kind.__name__)
def test_runs_end_early_as_alone(kind, rules, require_same) -> None:
    factories = [partial(kind, lr=rate) for rate in (0.001, 0.1, 0.3)]
    found = require_same(factories, steps=60, **rules)
    assert any(status is not Status.BUDGET for _, _, traces in found for status in traces.statuses())


@pytest.mark.sampled(1)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_short_budgets(steps, require_same) -> None:
    require_same([partial(Lookahead, lr=rate) for rate in RATES], steps=steps)


class ScheduleFree(Optimizer):
    """Evaluates gradients between an average and a fast sequence; `eval()` moves the parameters to the average."""

    def __init__(self, params, lr=0.1, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta, "k": 0, "train_mode": False})

    @torch.no_grad()
    def eval(self):
        self._move(lambda group, p, z: p.lerp_(z, weight=1 - 1 / group["beta"]), False)

    @torch.no_grad()
    def train(self):
        self._move(lambda group, p, z: p.lerp_(z, weight=1 - group["beta"]), True)

    def _move(self, move, mode):
        for group in self.param_groups:
            if group["train_mode"] != mode:
                for p in group["params"]:
                    if "z" in self.state[p]:
                        move(group, p, self.state[p]["z"])
            group["train_mode"] = mode

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            assert group["train_mode"]
            weight = 1 / (group["k"] + 1)
            for p in group["params"]:
                z = self.state[p].setdefault("z", p.clone())
                p.lerp_(z, weight)
                p.add_(p.grad, alpha=group["lr"] * (group["beta"] * (1 - weight) - 1))
                z.sub_(p.grad, alpha=group["lr"])
            group["k"] += 1


class Averaged(Optimizer):
    """Ends at the average of all steps, of which it takes the start for the first."""

    def __init__(self, params, lr=0.1, scale=1.0):
        super().__init__(params, {"lr": lr, "scale": scale})
        self.sums = [p.detach().clone() for p in self.param_groups[0]["params"]]
        self.count = torch.ones(())

    @torch.no_grad()
    def step(self, closure=None):
        self.count += 1
        for p, total in zip(self.param_groups[0]["params"], self.sums, strict=True):
            p.sub_(p.grad, alpha=self.param_groups[0]["lr"])
            total.add_(p)

    def train(self):
        pass

    @torch.no_grad()
    def eval(self):
        for p, total in zip(self.param_groups[0]["params"], self.sums, strict=True):
            p.copy_(self.param_groups[0]["scale"] * total)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rules", [{}, {"loss": 0.2}, {"loss": 0.4}], ids=str)
@pytest.mark.parametrize(
    "factories",
    [
        [partial(ScheduleFree, lr=rate) for rate in (0.1, 0.3, 1.0)],
        [partial(ScheduleFree, lr=0.3, beta=beta) for beta in (0.5, 0.9, 0.95)],
        [partial(Averaged, lr=rate, scale=scale) for rate, scale in ((0.1, 0.01), (0.2, 0.1), (0.3, 1.0))],
    ],
    ids=["rates", "betas", "averaged"],
)
def test_the_end_of_a_run_may_move_its_parameters(factories, rules, require_same) -> None:
    ((_, _, traces),) = require_same(factories, steps=60, **rules)
    assert rules or set(traces.statuses()) == {Status.BUDGET}


def test_a_run_that_ends_at_step_0_is_moved_as_before_its_first_step(require_same) -> None:
    ((_, _, traces),) = require_same([partial(ScheduleFree, lr=rate) for rate in RATES], steps=60, loss=10.0)
    assert traces.steps.tolist() == [0, 0]
    ((_, _, traces),) = require_same([partial(Averaged, scale=scale) for scale in (0.1, 0.5)], steps=60, loss=10.0)
    assert traces.steps.tolist() == [0, 0]
