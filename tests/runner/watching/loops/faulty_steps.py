"""Steps, schedules and accumulation in the wrong order or number."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from .examples import make_network, make_regression

x, y = make_regression()


def make():
    model = make_network()
    return model, torch.optim.SGD(model.parameters(), lr=0.05)


def step_before_backward(watch):
    """The step uses nothing in the first round, and then what the zeroing left: nothing."""
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.step()  # <-- here
            loss.backward()
            losses.append(loss.item())
    return losses, [model]


def zeroed_between_backward_and_step(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.zero_grad()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def filled_with_zeros_between_backward_and_step(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.zero_grad(set_to_none=False)  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def zeroed_in_the_model_between_backward_and_step(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            model.zero_grad()  # <-- here
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def no_backward_at_all(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.step()  # <-- here
            losses.append(loss.item())
    return losses, [model]


def gradients_computed_and_not_stored(watch):
    """`autograd.grad` returns gradients and writes none into the parameters."""
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            torch.autograd.grad(loss, list(model.parameters()))
            optimizer.step()  # <-- here
            losses.append(loss.item())
    return losses, [model]


def backward_named_but_not_called(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward  # noqa: B018
            optimizer.step()  # <-- here
            losses.append(loss.item())
    return losses, [model]


def a_closure_without_backward(watch):
    model, optimizer = make()

    def closure():
        optimizer.zero_grad()
        return nn.functional.mse_loss(model(x), y)

    with watch(model, optimizer):
        losses = [optimizer.step(closure).item() for _ in range(6)]  # <-- here
    return losses, [model]


def schedule_first_for_each_batch(watch):
    model, optimizer = make()
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses = []

    def run():
        with watch(model, optimizer):
            for _ in range(8):
                schedule.step()  # <-- here
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())

    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step"):
        run()
    return losses, [model]


def schedule_first_for_each_epoch(watch):
    model, optimizer = make()
    schedule = lr_scheduler.StepLR(optimizer, 2)
    losses = []

    def run():
        with watch(model, optimizer):
            for _ in range(4):
                schedule.step()  # <-- here
                for inputs, targets in zip(x.split(4), y.split(4), strict=True):
                    optimizer.zero_grad()
                    loss = nn.functional.mse_loss(model(inputs), targets)
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())

    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step"):
        run()
    return losses, [model]


def schedule_between_backward_and_step(watch):
    model, optimizer = make()
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, 8)
    losses = []

    def run():
        with watch(model, optimizer):
            for _ in range(8):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                schedule.step()  # <-- here
                optimizer.step()
                losses.append(loss.item())

    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step"):
        run()
    return losses, [model]


def accumulate(watch, made, said, steps=6):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer, accumulate=said):
        for _ in range(steps):
            optimizer.zero_grad()
            for index in range(made):
                rows = slice(4 * index % 16, 4 * index % 16 + 4)
                loss = nn.functional.mse_loss(model(x[rows]), y[rows]) / said
                loss.backward()
                losses.append(loss.item())
            optimizer.step()  # <-- here
    return losses, [model]


def three_batches_instead_of_four(watch):
    return accumulate(watch, 3, 4)


def one_batch_instead_of_four(watch):
    return accumulate(watch, 1, 4)


def four_batches_instead_of_two(watch):
    return accumulate(watch, 4, 2)


def batches_left_over_at_the_end_of_an_epoch(watch):
    """Each step has three batches, and the last two of an epoch are left for the next one."""
    model, optimizer = make()
    losses = []
    with watch(model, optimizer, accumulate=4):
        for _ in range(3):
            for index in range(8):
                loss = nn.functional.mse_loss(model(x[index : index + 4]), y[index : index + 4]) / 4
                loss.backward()
                losses.append(loss.item())
                if (index + 1) % 3 == 0:
                    optimizer.step()  # <-- here
                    optimizer.zero_grad()
    return losses, [model]


def step_named_but_not_called(watch):
    model, optimizer = make()
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()  # <-- here
            optimizer.step  # noqa: B018
            losses.append(loss.item())
    return losses, [model]


def scaled_and_not_unscaled(watch):
    """The step is the optimizer's, and not the scaler's, which would divide the gradients first."""
    model, optimizer = make()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            scaler.scale(loss).backward()
            optimizer.step()  # <-- here
            losses.append(loss.item())
    return losses, [model]


def a_generator_whose_pictures_are_detached(watch):
    """Two optimizers: the order of the calls is right, and the loss does not lead to the first one's parameters."""
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    both = nn.ModuleList([generator, critic])
    first = torch.optim.SGD(generator.parameters(), lr=0.05)
    second = torch.optim.SGD(critic.parameters(), lr=0.05)
    losses = []
    with watch(both, [first, second]):
        for _ in range(6):
            made = generator(torch.ones(4, 2)).detach()
            second.zero_grad()
            loss = (critic(made) - 1).square().mean()
            loss.backward()
            second.step()
            first.zero_grad()
            critic(made).square().mean().backward()
            first.step()  # <-- here
            losses.append(loss.item())
    return losses, [both]


SAYS = {
    "step_never_called": {step_named_but_not_called: ("8 times", "SGD")},
    "scaled_gradient": {scaled_and_not_unscaled: "1,024"},
    "step_without_gradient": {
        step_before_backward: "step",
        zeroed_between_backward_and_step: "zero_grad",
        filled_with_zeros_between_backward_and_step: "zero",
        zeroed_in_the_model_between_backward_and_step: "zero_grad",
        no_backward_at_all: "backward",
        gradients_computed_and_not_stored: "backward",
        backward_named_but_not_called: "backward",
        a_closure_without_backward: "backward",
        a_generator_whose_pictures_are_detached: "none of 12 calls of `backward`",
    },
    "scheduler_before_optimizer": {
        schedule_first_for_each_batch: "ExponentialLR",
        schedule_first_for_each_epoch: "StepLR",
        schedule_between_backward_and_step: "CosineAnnealingLR",
    },
    "accumulation_count": {
        three_batches_instead_of_four: ("3", "4"),
        one_batch_instead_of_four: ("1", "4"),
        four_batches_instead_of_two: ("4", "2"),
        batches_left_over_at_the_end_of_an_epoch: "4",
    },
}
