"""Gradients of earlier steps are still there when a backward pass adds to them."""

import torch
from torch import nn

from .examples import make_network, make_regression

x, y = make_regression()


def never_zeroed(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def zeroed_once_for_each_epoch(watch):
    model = make_network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            for inputs, targets in zip(x.split(4), y.split(4), strict=True):
                loss = nn.functional.mse_loss(model(inputs), targets)
                loss.backward()  # <-- here
                optimizer.step()
                losses.append(loss.item())
    return losses, [model]


def zeroed_before_the_loop(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        optimizer.zero_grad()
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def zeroed_in_another_optimizer(watch):
    model, other = make_network(), make_network(seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    others = torch.optim.SGD(other.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            others.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def method_named_but_not_called(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad  # noqa: B018
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def zeroed_in_a_part_of_the_model(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            model[0].zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def forgotten_with_accumulation_on_purpose(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer, accumulate=2):
        for _ in range(8):
            for inputs, targets in zip(x.split(8), y.split(8), strict=True):
                loss = nn.functional.mse_loss(model(inputs), targets) / 2
                loss.backward()  # <-- here
                losses.append(loss.item())
            optimizer.step()
    return losses, [model]


def forgotten_with_a_scaler(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu")
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            loss = nn.functional.mse_loss(model(x), y)
            scaler.scale(loss).backward()  # <-- here
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
    return losses, [model]


def forgotten_in_a_closure(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def closure():
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()  # <-- here
        return loss

    with watch(model, optimizer):
        losses = [optimizer.step(closure).item() for _ in range(8)]
    return losses, [model]


SAYS = {
    "forgotten_zero_grad": {
        never_zeroed: "zero_grad",
        zeroed_once_for_each_epoch: "zero_grad",
        zeroed_before_the_loop: "zero_grad",
        zeroed_in_another_optimizer: "zero_grad",
        method_named_but_not_called: "zero_grad",
        zeroed_in_a_part_of_the_model: "2.weight",
        forgotten_with_accumulation_on_purpose: "zero_grad",
        forgotten_with_a_scaler: "zero_grad",
        forgotten_in_a_closure: "zero_grad",
    },
}
