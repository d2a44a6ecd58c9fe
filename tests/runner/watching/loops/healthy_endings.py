"""Loops that stop early, raise exceptions or make no step."""

import pytest
import torch
from torch import nn

from .examples import make_network, make_regression


def step_once(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def an_early_stop(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(100):
            losses.append(step_once(model, optimizer, x, y))
            if losses[-1] < 0.3 or len(losses) == 40:
                break
    return losses, [model]


def a_return_out_of_the_block(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        while True:
            losses.append(step_once(model, optimizer, x, y))
            if len(losses) == 7:
                return losses, [model]


def a_single_step(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y)]
    return losses, [model]


def no_step_at_all(watch):
    model = make_network()
    with watch(model, torch.optim.SGD(model.parameters(), lr=0.1)):
        pass
    return [], [model]


def only_evaluation(watch):
    model = make_network()
    x, y = make_regression()
    with watch(model, torch.optim.SGD(model.parameters(), lr=0.1)), torch.no_grad():
        losses = [nn.functional.mse_loss(model(x), y).item() for _ in range(3)]
    return losses, [model]


def stop_with(watch, error):
    """Raise an exception in the middle of a step, after its backward pass; it must come out as it is."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []

    def run():
        with watch(model, optimizer):
            for step in range(10):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                losses.append(loss.item())
                if step == 4:
                    raise error
                optimizer.step()

    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
    assert error.__cause__ is None
    assert not getattr(error, "__notes__", [])
    return losses, [model]


def interrupted(watch):
    return stop_with(watch, KeyboardInterrupt())


def an_exception_of_the_loop(watch):
    return stop_with(watch, ValueError("a file is missing"))


def a_stop_iteration_of_the_loop(watch):
    return stop_with(watch, StopIteration("no more batches"))


def an_exception_in_the_forward_pass(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), watch(model, optimizer):  # noqa: PT012
        losses.append(step_once(model, optimizer, x, y))
        model(x[:, :2])
    losses.append(step_once(model, optimizer, x, y))
    return losses, [model]


def an_exception_that_the_loop_catches(watch):
    """Out of memory, say: the loop drops the batch and goes on."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for step in range(8):
            try:
                losses.append(step_once(model, optimizer, x[:, :2] if step == 3 else x, y))
            except RuntimeError:
                optimizer.zero_grad()
    return losses, [model]


def a_backward_that_raises_and_is_caught(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(4):
            losses.append(step_once(model, optimizer, x, y))
            with pytest.raises(RuntimeError, match="scalar outputs"):
                model(x).backward()
    return losses, [model]
