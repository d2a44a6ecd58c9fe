"""The ways to zero gradients, and accumulation on purpose."""

import torch
from torch import nn

from .examples import make_network, make_regression


def train(watch, zero, steps=10, first=True, **options):
    """Train with a way to zero the gradients, at the beginning or at the end of each step."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            if first:
                zero(model, optimizer)
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if not first:
                zero(model, optimizer)
    return losses, [model]


def zero_grad_after_the_step(watch):
    return train(watch, lambda model, optimizer: optimizer.zero_grad(), first=False)


def zero_grad_that_keeps_zeros(watch):
    return train(watch, lambda model, optimizer: optimizer.zero_grad(set_to_none=False))


def zero_grad_after_the_step_that_keeps_zeros(watch):
    return train(watch, lambda model, optimizer: optimizer.zero_grad(set_to_none=False), first=False)


def zero_grad_of_the_model(watch):
    return train(watch, lambda model, optimizer: model.zero_grad())


def zero_grad_of_model_and_optimizer(watch):
    def zero(model, optimizer):
        model.zero_grad()
        optimizer.zero_grad()

    return train(watch, zero)


def grad_set_to_none_by_hand(watch):
    def zero(model, optimizer):
        for p in model.parameters():
            p.grad = None

    return train(watch, zero)


def grad_zeroed_in_place_by_hand(watch):
    def zero(model, optimizer):
        for p in model.parameters():
            if p.grad is not None:
                p.grad.zero_()

    return train(watch, zero)


def grad_filled_with_zeros(watch):
    def zero(model, optimizer):
        for p in model.parameters():
            if p.grad is not None:
                p.grad.data.fill_(0)

    return train(watch, zero)


def grad_multiplied_by_zero(watch):
    def zero(model, optimizer):
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p.grad.mul_(0)

    return train(watch, zero)


def grad_replaced_by_zeros(watch):
    def zero(model, optimizer):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)

    return train(watch, zero)


def zero_grad_between_forward_and_backward(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def gradients_from_autograd_grad(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            parameters = list(model.parameters())
            for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = gradient
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def accumulate(watch, count, batches):
    """Step after each `count` batches and after the last one."""
    model = make_network()
    x, y = make_regression(rows=4 * batches)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer, accumulate=count):
        for _ in range(4):
            for index, (inputs, targets) in enumerate(zip(x.split(4), y.split(4), strict=True), 1):
                loss = nn.functional.mse_loss(model(inputs), targets) / count
                loss.backward()
                losses.append(loss.item())
                if index % count == 0 or index == batches:
                    optimizer.step()
                    optimizer.zero_grad()
    return losses, [model]


def accumulation_of_two(watch):
    return accumulate(watch, 2, 4)


def accumulation_of_four(watch):
    return accumulate(watch, 4, 8)


def accumulation_with_fewer_in_the_last_step_of_an_epoch(watch):
    return accumulate(watch, 4, 6)


def accumulation_in_the_gradient_without_saying_so(watch):
    """Two batches for each step, with gradients zeroed after it: right, whatever `accumulate` says by default."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            for inputs, targets in zip(x.split(8), y.split(8), strict=True):
                loss = nn.functional.mse_loss(model(inputs), targets) / 2
                loss.backward()
                losses.append(loss.item())
            optimizer.step()
    return losses, [model]


def two_losses_with_a_backward_each(watch):
    torch.manual_seed(0)
    trunk, first, second = nn.Linear(3, 6), nn.Linear(6, 1), nn.Linear(6, 1)
    model = nn.ModuleList([trunk, first, second])
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            hidden = torch.relu(trunk(x))
            one = nn.functional.mse_loss(first(hidden), y)
            two = nn.functional.l1_loss(second(hidden), -y)
            one.backward(retain_graph=True)
            two.backward()
            optimizer.step()
            losses.append(one.item() + two.item())
    return losses, [model]


def two_losses_with_one_backward(watch):
    torch.manual_seed(0)
    trunk, first, second = nn.Linear(3, 6), nn.Linear(6, 1), nn.Linear(6, 3)
    model = nn.ModuleDict({"trunk": trunk, "first": first, "second": second})
    x, y = make_regression()
    labels = torch.arange(16) % 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            hidden = torch.relu(trunk(x))
            one = nn.functional.mse_loss(first(hidden), y)
            two = nn.functional.cross_entropy(second(hidden), labels)
            (one + 0.5 * two).backward()
            optimizer.step()
            losses.append(one.item() + two.item())
    return losses, [model]


def backward_of_a_list_of_losses(watch):
    model = make_network(outputs=2)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            predicted = model(x)
            one = nn.functional.mse_loss(predicted[:, :1], y)
            two = nn.functional.mse_loss(predicted[:, 1:], -y)
            torch.autograd.backward([one, two])
            optimizer.step()
            losses.append(one.item() + two.item())
    return losses, [model]


def backward_with_a_gradient(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            loss = (model(x) - y) ** 2
            loss.backward(gradient=torch.full_like(loss, 1 / len(x)))
            optimizer.step()
            losses.append(loss.mean().item())
    return losses, [model]


def grads_zeroed_all_at_once(watch):
    def zero(model, optimizer):
        found = [p.grad for p in model.parameters() if p.grad is not None]
        if found:
            torch._foreach_zero_(found)

    return train(watch, zero)


def zeroed_by_a_hook_of_the_optimizer(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda optimizer, args, kwargs: optimizer.zero_grad())
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def zeroed_in_two_parts(watch):
    def zero(model, optimizer):
        model[0].zero_grad()
        model[2].zero_grad()

    return train(watch, zero)


def frozen_parameters_that_keep_an_old_gradient(watch):
    """The first layer is frozen after a step, and keeps the gradient of that step, which nothing adds to."""
    model = make_network()
    x, y = make_regression()
    first = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.mse_loss(model(x), y).backward()
    first.step()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]
