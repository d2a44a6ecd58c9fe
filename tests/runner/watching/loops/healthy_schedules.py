"""Schedules of each kind, for each batch and for each epoch."""

import torch
from torch import nn
from torch.optim import lr_scheduler

from .examples import make_network, make_regression


def train(watch, make_schedule, every=1, steps=12, metric=False, lr=0.05):
    """Train and step the schedule after each `every` steps of the optimizer."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5)
    schedule = make_schedule(optimizer)
    losses = []
    with watch(model, optimizer):
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if step % every == 0:
                schedule.step(*[loss.item()] * metric)
            losses.append(loss.item())
    return losses, [model]


def step_lr_for_each_epoch(watch):
    return train(watch, lambda optimizer: lr_scheduler.StepLR(optimizer, 1, gamma=0.5), every=4)


def multi_step(watch):
    return train(watch, lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [3, 6]))


def one_cycle(watch):
    return train(watch, lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12))


def reduce_on_plateau(watch):
    return train(watch, lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1), every=2, metric=True, steps=30)


def cosine(watch):
    return train(watch, lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 12))


def cosine_with_warm_restarts(watch):
    return train(watch, lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 5), steps=15)


def cyclic(watch):
    return train(watch, lambda o: lr_scheduler.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3))


def linear_warm_up_then_exponential(watch):
    def make(optimizer):
        warm = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=4)
        return lr_scheduler.SequentialLR(optimizer, [warm, lr_scheduler.ExponentialLR(optimizer, 0.9)], [4])

    return train(watch, make)


def chained(watch):
    def make(optimizer):
        one = lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=3)
        return lr_scheduler.ChainedScheduler([one, lr_scheduler.ExponentialLR(optimizer, 0.95)])

    return train(watch, make)


def a_schedule_from_a_function(watch):
    return train(watch, lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step) ** 0.5))


def warm_up_by_hand(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for step in range(15):
            for group in optimizer.param_groups:
                group["lr"] = 0.02 * min(1, step / 5)  # the first step has rate 0
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def a_schedule_made_inside_the_block(watch):
    model = make_network()
    x, y = make_regression()
    losses = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, optimizer):
        schedule = lr_scheduler.StepLR(optimizer, 2)
        for _ in range(3):
            for _ in range(3):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            schedule.step()
    return losses, [model]


def a_schedule_of_a_loop_that_goes_on(watch):
    """Steps were made before the watch began, so a schedule may step first inside it."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses = []

    def train_epoch():
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    train_epoch()
    with watch(model, optimizer):
        for _ in range(3):
            schedule.step()
            train_epoch()
    return losses, [model]


def a_schedule_that_resumes_at_an_epoch(watch):
    """The constructor of a schedule steps, here from epoch 3; that is no step before the optimizer's."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD([{"params": model.parameters(), "initial_lr": 0.05}], lr=0.05)
    losses = []
    with watch(model, optimizer):
        schedule = lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses, [model]


def a_schedule_for_another_optimizer(watch):
    """The schedule that steps first moves the rate of an optimizer that was already used."""
    model, other = make_network(), make_network(seed=1)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    others = torch.optim.SGD(other.parameters(), lr=0.05)
    schedule = lr_scheduler.ExponentialLR(others, 0.9)
    nn.functional.mse_loss(other(x), y).backward()
    others.step()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            schedule.step()
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model, other]
