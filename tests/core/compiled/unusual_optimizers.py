"""A plugin with optimizers that do what no optimizer should do, and some that may look as if they did."""

import itertools
import random
import re
from collections import deque

import numpy as np
import torch
from torch import nn

from playground import hookimpl


class Plain(torch.optim.Optimizer):
    """Gradient descent: the others change a part of it."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.t = 0

    @property
    def all(self):
        return [p for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        factor = self.factor()
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * factor * self.direction(p))

    def factor(self):
        return 1.0

    def direction(self, p):
        return p.grad


# Raise


class RaisesAtOnce(Plain):
    def factor(self):
        raise RuntimeError("not today")


class RaisesLater(Plain):
    def factor(self):
        if self.t == 60:
            raise RuntimeError("not at step 60")
        return 1.0


class NeedsNames(Plain):
    def __init__(self, named_parameters, lr=0.1):
        super().__init__([p for name, p in named_parameters if name], lr)


class NeedsTheModel(Plain):
    def __init__(self, model, lr=0.1):
        super().__init__(model.parameters(), lr)


# Draw random numbers


class DrawsByTorch(Plain):
    def direction(self, p):
        return p.grad + 0.01 * torch.randn_like(p)


class DrawsByPython(Plain):
    def factor(self):
        return random.random()


class DrawsByNumpy(Plain):
    def factor(self):
        return float(np.random.rand())


class DrawsByItsGenerator(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.generator = random.Random(0)

    def factor(self):
        return 1.0 if self.t < 60 else self.generator.random()


GENERATOR = np.random.default_rng(0)


class DrawsByAGlobalGenerator(Plain):
    def factor(self):
        return 1.0 + 0 * GENERATOR.random()


# Compute with numpy


class SignsByNumpy(Plain):
    def direction(self, p):
        return torch.from_numpy(np.sign(p.grad.numpy()))


class CountsInAnArray(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.count = np.zeros(1)

    def factor(self):
        self.count += 1
        return 1.0 if self.count[0] < 60 else 0.1


class NumberOfNumpy(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.decay = np.float64(1.0)

    def factor(self):
        self.decay *= 0.99
        return self.decay


# Remember outside


TENSORS, COUNT, ARRAY = {}, 0, np.zeros(1)


class Counter:
    """Counts in the class until it counts in the object."""

    count = 0


COUNTER = Counter()


class TensorsInAGlobal(Plain):
    def direction(self, p):
        TENSORS[id(p)] = 0.9 * TENSORS.get(id(p), 0) + p.grad
        return TENSORS[id(p)]


class CountsInAGlobal(Plain):
    def factor(self):
        global COUNT
        COUNT += 1
        return 1.0 if COUNT < 60 else 0.1


def count_calls(calls=[0]):  # noqa: B006
    calls[0] += 1
    return calls[0]


class CountsInADefault(Plain):
    def factor(self):
        return 1.0 if count_calls() < 60 else 0.1


def count_here():
    count_here.calls += 1
    return count_here.calls


count_here.calls = 0


class CountsInAFunction(Plain):
    def factor(self):
        return 1.0 if count_here() < 60 else 0.1


class CountsInItsClass(Plain):
    count = 0

    def factor(self):
        type(self).count += 1
        return 1.0 if self.count < 60 else 0.1


class CountsInAGlobalObject(Plain):
    def factor(self):
        COUNTER.count += 1
        return 1.0 if COUNTER.count < 60 else 0.1


class CountsInAGlobalArray(Plain):
    def factor(self):
        ARRAY[0] += 1
        return 1.0 if ARRAY[0] < 60 else 0.1


class CountsInTheClassOfAnAttribute(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.schedules = [{"first": Schedule()}]

    def factor(self):
        return 1.0 if self.schedules[0]["first"].next() < 60 else 0.1


class Schedule:
    count = 0

    def __init__(self):
        self.start = 0

    def next(self):
        Schedule.count += 1
        return self.start + Schedule.count


def make_momentum():
    remembered = {}

    def direction(self, p):
        remembered[id(p)] = 0.9 * remembered.get(id(p), 0) + p.grad
        return remembered[id(p)]

    return direction


class TensorsInAClosure(Plain):
    direction = make_momentum()


class CountsInAClosure(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        count = 0

        def factor():
            nonlocal count
            count += 1
            return 1.0 if count < 60 else 0.1

        self.factor = factor


# Iterators


class Iterates(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.factors = iter([1.0] * 60 + [0.1] * 10_000)

    def factor(self):
        return next(self.factors)


class Generates(Iterates):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.factors = (1.0 if i < 60 else 0.1 for i in itertools.count())


class Cycles(Iterates):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.factors = itertools.cycle([1.0, 0.5, 0.1])


# Change groups and parameters


class ReplacesParameters(Plain):
    """Its parameters have gradients no more from step 1 on."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["params"] = [p - group["lr"] * p.grad for p in group["params"]]


class ReplacesByCopies(Plain):
    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            copies = [nn.Parameter(p.clone()) for p in group["params"]]
            for copy, p in zip(copies, group["params"], strict=True):
                copy.grad = p.grad
            group["params"] = copies


class AddsAGroup(Plain):
    def __init__(self, params, lr=0.1):
        first, *self.others = params
        super().__init__([first], lr)

    def factor(self):
        if self.t == 100:
            self.add_param_group({"params": self.others})
        return 1.0


class ChangesItsRate(Plain):
    def factor(self):
        if self.t == 100:
            self.param_groups[0]["lr"] *= 0.1
        return 1.0


# State


class GrowingState(Plain):
    def direction(self, p):
        rows = self.state[p].get("rows", p.grad.flatten()[:0].reshape(0, p.numel()))
        self.state[p]["rows"] = torch.cat([rows, p.grad.flatten()[None]])[-5:]
        return self.state[p]["rows"].mean(0).reshape(p.shape)


class GrowingList(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.sizes = []

    def factor(self):
        self.sizes.append(self.all[0].grad.abs().sum().item())
        return self.sizes[-1] / self.sizes[0]


class StateOfLargeGradients(Plain):
    def direction(self, p):
        if p.grad.norm() > 0.1:
            self.state[p]["average"] = 0.9 * self.state[p].get("average", 0) + p.grad
        return self.state[p].get("average", p.grad)


class ModeByTheLoss(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.mode = "fast"

    def direction(self, p):
        if p.grad.norm() < 0.02:
            self.mode = "slow"
        return p.grad * {"fast": 1.0, "slow": 0.1}[self.mode]


class AverageFromStep30(Plain):
    """Ends at the average, if there is one."""

    def direction(self, p):
        if self.t > 30:
            state = self.state[p]
            state["average"] = p.clone() if "average" not in state else 0.9 * state["average"] + 0.1 * p
        return p.grad

    def train(self):
        pass

    @torch.no_grad()
    def eval(self):
        for p in self.all:
            p.copy_(self.state[p].get("average", p))


class HalfPrecision(Plain):
    def direction(self, p):
        return p.grad.to(torch.bfloat16).to(p.dtype)


# Nothing is wrong with these


class FlagByTheLoss(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.slow = False

    def direction(self, p):
        if p.grad.norm() < 0.1:
            self.slow = True
        return p.grad * (0.1 if self.slow else 1.0)


class EvaluatesTwice(Plain):
    def step(self, closure):
        closure()
        super().step()
        loss = closure()
        super().step()
        return loss


class SearchesItsRate(Plain):
    """Halves its step until the loss falls, three times at most."""

    def step(self, closure):
        loss, rate = closure().item(), self.param_groups[0]["lr"]
        old, gradients = [p.detach().clone() for p in self.all], [p.grad.clone() for p in self.all]
        for _ in range(3):
            with torch.no_grad():
                for p, start, gradient in zip(self.all, old, gradients, strict=True):
                    p.copy_(start - rate * gradient)
            if closure().item() < loss:
                break
            rate *= 0.5


class LastThree(Plain):
    def direction(self, p):
        last = self.state[p].setdefault("last", deque(maxlen=3))
        last.append(p.grad.clone())
        return sum(last) / len(last)


class Slotted:
    __slots__ = ("average", "count")

    def __init__(self):
        self.count, self.average = 0, None


class KeepsObjects(Plain):
    def direction(self, p):
        mine = self.state[p].setdefault("mine", Slotted())
        mine.count += 1
        mine.average = p.grad.clone() if mine.average is None else 0.9 * mine.average + p.grad
        return mine.average / (1 + 0.01 * mine.count)


class KeepsGradients(Plain):
    def direction(self, p):
        last, self.state[p]["last"] = self.state[p].get("last", 0), p.grad
        return p.grad + last


class KeepsTheLoss(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.loss = None

    @torch.no_grad()
    def step(self, closure):
        before, self.loss = self.loss, closure().detach()
        self.now = 1.0 if before is None else (self.loss / before).clamp(max=1.0)
        super().step()

    def factor(self):
        return self.now


class SingleState(Plain):
    def direction(self, p):
        average = self.state[p].setdefault("average", torch.zeros_like(p, dtype=torch.float32))
        return average.mul_(0.9).add_(p.grad.float())


class RateAsATensor(Plain):
    def __init__(self, params, lr=0.1):
        super().__init__(params, torch.tensor(lr))


class RareSteps(Plain):
    def factor(self):
        return 1.0 if self.t % 97 else 10.0


class HasAHook(torch.optim.Adam):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.register_step_post_hook(_shrink)


def _shrink(optimizer, args, kwargs):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.data.mul_(0.999)


class HasAScheduler(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self, 50)

    def step(self, closure=None):
        super().step()
        self.scheduler.step()


TABLE, LIMITS = {"a": (1.0, 2.0)}, [1.0, "text"]


class ReadsTables(Plain):
    weights = {"x": 1.0}  # noqa: RUF012

    def factor(self):
        return TABLE["a"][0] * LIMITS[0] * self.weights["x"]


@hookimpl
def playground_optimizers():
    """All of them, by the names of their classes: `RareSteps` is `rare_steps`."""
    return {
        re.sub("(?<!^)(?=[A-Z])", "_", name).lower(): kind
        for name, kind in globals().items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    }
