"""Losses that do not fall in every step, although nothing is wrong."""

import torch
from torch import nn

from .examples import make_network, make_regression


class Bowl(nn.Module):
    """0.5 · Σ cᵢ xᵢ²: a quadratic whose largest curvature is known."""

    def __init__(self, curvature, start, dtype=torch.float32):
        super().__init__()
        self.x = nn.Parameter(torch.tensor(start, dtype=dtype))
        self.curvature = torch.tensor(curvature, dtype=dtype)

    def forward(self):
        return 0.5 * (self.curvature * self.x**2).sum()


def descend(watch, model, optimizer, steps=40):
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def a_rate_near_the_stable_bound(watch):
    """Rate 0.95 of 2 / curvature: the iterates alternate and shrink."""
    model = Bowl([10.0, 1.0], [1.0, 1.0])
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.95 * 2 / 10))


def a_rate_between_the_best_and_the_bound(watch):
    model = Bowl([4.0, 0.1], [1.0, -3.0], torch.float64)
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=1.5 / 4))


def momentum_that_overshoots_at_first(watch):
    model = Bowl([1.0, 0.01], [5.0, 5.0])
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.95), 60)


def momentum_beyond_the_bound_of_plain_descent(watch):
    """With momentum 0.9 the stable bound is 3.8 / curvature, not 2 / curvature."""
    model = Bowl([1.0], [5.0])
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=3.0, momentum=0.9), 60)


def adam_that_oscillates_around_the_minimum(watch):
    model = Bowl([1.0, 100.0], [0.05, 0.05])
    return descend(watch, model, torch.optim.Adam(model.parameters(), lr=0.05), 60)


def adam_at_the_edge_of_a_steep_valley(watch):
    """Curvature times rate is far above 2, but Adam's steps are as long as its rate."""
    model = Bowl([1e6, 1.0], [1.0, 1.0])
    return descend(watch, model, torch.optim.Adam(model.parameters(), lr=0.01), 60)


def rosenbrock(watch):
    class Valley(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.tensor([-1.2, 1.0]))

        def forward(self):
            x, y = self.p
            return (1 - x) ** 2 + 100 * (y - x**2) ** 2

    model = Valley()
    return descend(watch, model, torch.optim.Adam(model.parameters(), lr=0.02), 60)


def a_loss_without_a_minimum(watch):
    """-x falls for ever; so does its loss, and nothing is wrong with that."""

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.zeros(1))

        def forward(self):
            return -self.x.sum()

    model = Slope()
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.5), 20)


def an_absolute_value_that_jumps_around_its_kink(watch):
    class Kink(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.tensor([0.23]))

        def forward(self):
            return self.x.abs().sum()

    model = Kink()
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.1), 30)


def noisy_small_batches(watch):
    model = make_network()
    x, y = make_regression(rows=40)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    losses = []
    with watch(model, optimizer):
        for _ in range(60):
            rows = torch.randint(40, (2,), generator=generator)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def harder_batches_later(watch):
    """A curriculum: the loss rises because the data gets harder."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for step in range(30):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), (1 + step // 3) * y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def a_warm_rate_that_is_too_large_for_a_moment(watch):
    """The rate is beyond the stable bound for two steps and then falls; the loss recovers."""
    model = Bowl([10.0, 1.0], [1.0, 1.0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for step in range(40):
            optimizer.param_groups[0]["lr"] = 0.25 if 5 <= step < 7 else 0.1
            optimizer.zero_grad()
            loss = model()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def weight_decay_that_raises_the_loss(watch):
    """Decay moves the parameters away from the data's minimum; the loss settles above it."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x, y = make_regression()
    with torch.no_grad():
        model.weight.fill_(0.5)
        model.bias.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1.0)
    losses = []
    with watch(model, optimizer):
        for _ in range(30):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]
