"""A step of objects in hand is the user's own next step, and nothing of the user's changes."""

import copy
import functools
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import playground as pg
from playground.figures.numbers import flatten

OPTIMIZERS = {
    "sgd": functools.partial(torch.optim.SGD, lr=0.1),
    "momentum": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": functools.partial(torch.optim.Adam, lr=0.01, weight_decay=0.1),
    "amsgrad": functools.partial(torch.optim.Adam, lr=0.01, amsgrad=True),
    "adamw": functools.partial(torch.optim.AdamW, lr=0.01),
    "rmsprop": functools.partial(torch.optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "adagrad": functools.partial(torch.optim.Adagrad, lr=0.05, lr_decay=0.1),
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
}
OTHERS = {
    "lbfgs": functools.partial(torch.optim.LBFGS, lr=0.5, max_iter=3),
    "asgd": torch.optim.ASGD,
    "maximize": functools.partial(torch.optim.SGD, lr=0.1, maximize=True),
}


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch, tmp_path):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(7)


class Net(nn.Module):
    """Everything that a careless copy moves: running statistics, dropout, a tied and a frozen weight."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.second, self.third = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.third.weight = self.second.weight
        self.last = nn.Linear(2, 1)
        self.last.bias.requires_grad_(False)
        self.calls = []

    def forward(self, x):
        self.calls.append(len(x))
        hidden = functional.dropout(torch.tanh(self.norm(self.first(x))), 0.4, self.training)
        return self.last(self.third(torch.tanh(self.second(hidden))))


def batch():
    return torch.randn(6, 2), torch.randn(6, 1)


def make_step(model, loss, data, optimizer):
    x, y = data

    def closure():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        return value

    optimizer.step(closure)


def everything(model, optimizer, *more):
    """All numbers of the objects, bit for bit, with modes, gradients and random streams."""
    return copy.deepcopy(
        (
            model.state_dict(),
            [None if p.grad is None else p.grad.clone() for p in model.parameters()],
            [part.training for part in model.modules()],
            [[dict(part._forward_hooks), dict(part._forward_pre_hooks)] for part in model.modules()],
            [p.requires_grad for p in model.parameters()],
            optimizer.state_dict() if optimizer else None,
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
            more,
        )
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def numbers(summary):
    return list(flatten(summary.values))


@pytest.fixture
def unchecked(monkeypatch):
    """Without central differences, which take most of the time."""
    monkeypatch.setattr("playground.runner.explaining.explained_step.MAX_CHECKED_PARAMETERS", 0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("name", [*OPTIMIZERS, *OTHERS])
def test_the_step_is_the_users_own_and_nothing_moves(name, steps):
    model, loss, data = Net(), nn.MSELoss(), batch()
    optimizer = {**OPTIMIZERS, **OTHERS}[name](model.parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(steps):
        make_step(model, loss, data, optimizer)
        scheduler.step()
    before = everything(model, optimizer, scheduler.state_dict(), data, model.calls)
    told = pg.explain(model, loss, data, optimizer).explanation
    assert same(before, everything(model, optimizer, scheduler.state_dict(), data, model.calls))
    assert "step" in optimizer.__dict__  # the scheduler's wrapper is still in place
    make_step(model, loss, data, optimizer)
    for each in told.parameters:
        assert numbers(each.after) == model.state_dict()[each.name].flatten().tolist(), each.name
    assert bool(told.update.formula) == (name in OPTIMIZERS)
    assert all(each.written for each in told.parameters) == (name in OPTIMIZERS)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_keeps_its_mode(training):
    model, data = Net().train(training), batch()
    model.last.train(not training)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = everything(model, optimizer)
    told = pg.explain(model, nn.MSELoss(), data, optimizer).explanation
    assert same(before, everything(model, optimizer))
    assert any(operation.name == "dropout" and "kept" in str(operation.shares) for operation in told.operations) == (
        training
    )
    make_step(model, nn.MSELoss(), data, optimizer)
    assert numbers(told.parameters[0].after) == model.first.weight.flatten().tolist()


def test_a_later_step():
    model, data = nn.Linear(2, 1), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        make_step(model, nn.MSELoss(), data, optimizer)
    told = pg.explain(model, nn.MSELoss(), data, optimizer, step=2).explanation
    assert told.step == 5
    for _ in range(3):
        make_step(model, nn.MSELoss(), data, optimizer)
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()
