"""Loops that differentiate more than once, or in a way of their own."""

import torch
from torch import nn

from .examples import fit, make_network, make_regression


def gradient_penalty(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            inputs = x.clone().requires_grad_()
            predicted = model(inputs)
            (slope,) = torch.autograd.grad(predicted.sum(), inputs, create_graph=True)
            loss = nn.functional.mse_loss(predicted, y) + 0.1 * ((slope.norm(dim=1) - 1) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def an_equation_as_the_loss(watch):
    """Physics-informed: u'' = -u at points, with values at the ends."""
    model = make_network(inputs=1)
    points = torch.linspace(0, 3, 16).unsqueeze(1).requires_grad_()
    ends, values = torch.tensor([[0.0], [3.0]]), torch.tensor([[0.0], [0.14]])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(12):
            optimizer.zero_grad()
            u = model(points)
            (first,) = torch.autograd.grad(u.sum(), points, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), points, create_graph=True)
            loss = ((second + u) ** 2).mean() + nn.functional.mse_loss(model(ends), values)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def an_inner_step_as_in_maml(watch):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            inner = nn.functional.mse_loss(model(x[:8]), y[:8])
            gradients = torch.autograd.grad(inner, list(model.parameters()), create_graph=True)
            moved = {n: p - 0.1 * g for (n, p), g in zip(model.named_parameters(), gradients, strict=True)}
            loss = nn.functional.mse_loss(torch.func.functional_call(model, moved, (x[8:],)), y[8:])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def functional_call_with_the_own_parameters(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            predicted = torch.func.functional_call(model, dict(model.named_parameters()), (x,))
            loss = nn.functional.mse_loss(predicted, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def gradients_of_torch_func(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def measure(parameters):
        return nn.functional.mse_loss(torch.func.functional_call(model, parameters, (x,)), y)

    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            detached = {name: p.detach() for name, p in model.named_parameters()}
            gradients, loss = torch.func.grad_and_value(measure)(detached)
            for name, p in model.named_parameters():
                p.grad = gradients[name]
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


class Softsign(torch.autograd.Function):
    """x / (1 + |x|), with a backward pass of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (1 + x.abs())

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return upstream / (1 + x.abs()) ** 2


def an_autograd_function_of_ones_own(watch):
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 1)

        def forward(self, x):
            return self.last(Softsign.apply(self.first(x)))

    model = Net()
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1))


def adversarial_examples(watch):
    """The inputs are moved along their gradient first, which leaves gradients that are zeroed before the step."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            inputs = x.clone().requires_grad_()
            nn.functional.mse_loss(model(inputs), y).backward()
            moved = (x + 0.05 * inputs.grad.sign()).detach()
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(moved), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def adversarial_examples_by_autograd_grad(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            inputs = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(nn.functional.mse_loss(model(inputs), y), inputs)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x + 0.05 * slope.sign()), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def backward_only_into_some_inputs(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward(inputs=list(model.parameters()))
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def retain_graph_in_each_step(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward(retain_graph=True)
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def anomaly_detection(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer), torch.autograd.set_detect_anomaly(True, check_nan=True):
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def gradient_by_evolution(watch):
    """No backward pass at all: the loop writes an estimated gradient."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer), torch.no_grad():
        for _ in range(10):
            base = nn.functional.mse_loss(model(x), y)
            for p in model.parameters():
                direction = torch.randn_like(p)
                p.add_(0.01 * direction)
                rise = (nn.functional.mse_loss(model(x), y) - base) / 0.01
                p.sub_(0.01 * direction)
                p.grad = 0.2 * rise * direction
            optimizer.step()
            losses.append(base.item())
    return losses, [model]
