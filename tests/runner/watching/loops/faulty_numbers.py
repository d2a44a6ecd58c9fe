"""Numbers that are not finite, and rates that are too large."""

import torch
from torch import nn

from .examples import fit, make_network, make_regression

x, y = make_regression()


def train(watch, model, loss_function=nn.functional.mse_loss, data=(x, y), steps=6, spoil=None, lr=0.01):
    """Train; the batch of step 3, counted from 0, may be another one."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    with watch(model, optimizer):
        for step in range(steps):
            inputs, targets = spoil if spoil and step == 3 else data
            optimizer.zero_grad()
            loss = loss_function(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


class Transformed(nn.Module):
    """A linear layer of transformed inputs."""

    def __init__(self, transform):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 1)
        self.transform = transform

    def forward(self, x):
        return self.linear(self.transform(x))


def log_of_zero(watch):
    def transform(x):
        return torch.log(x)  # <-- here

    positive = x.abs() + 0.5
    zero = positive.clone()
    zero[2, 1] = 0
    return train(watch, Transformed(transform), data=(positive, y), spoil=(zero, y))


def log_of_a_negative_number(watch):
    def transform(x):
        return x.log()  # <-- here

    positive = x.abs() + 0.5
    return train(watch, Transformed(transform), data=(positive, y), spoil=(-positive, y))


def division_by_zero(watch):
    def transform(x):
        return x / x.sum(1, keepdim=True)  # <-- here

    positive = x.abs() + 0.5
    return train(watch, Transformed(transform), data=(positive, y), spoil=(positive * 0, y))


def division_by_a_spread_of_zero(watch):
    def transform(x):
        return (x - x.mean(0)) / x.std(0)  # <-- here

    same = torch.ones_like(x)
    return train(watch, Transformed(transform), spoil=(same, y))


def square_root_at_zero_in_the_backward_pass(watch):
    """The forward pass is finite; the derivative of a root at 0 is not, and its product with 0 is no number."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 1)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

        def forward(self, x):
            return torch.sqrt(self.linear(x) ** 2)  # <-- here

    return train(watch, Net())


def distance_of_equal_points_in_the_backward_pass(watch):
    def loss(predicted, y):
        return torch.sqrt(((predicted - predicted.detach()) ** 2).sum()) + predicted.mean()  # <-- here

    return train(watch, make_network(), loss)


def overflow_of_exp(watch):
    def loss(predicted, y):
        return (torch.exp(predicted) - y.abs()).abs().mean()  # <-- here

    torch.manual_seed(0)
    return train(watch, nn.Linear(3, 1), loss, spoil=(x * 1e4, y), lr=1e-3)


def softmax_by_hand(watch):
    def loss(predicted, y):
        e = predicted.exp()  # <-- here
        p = e / e.sum(1, keepdim=True)
        return -p[:, 0].log().mean()

    torch.manual_seed(0)
    return train(watch, nn.Linear(3, 3), loss, spoil=(x * 1e4, y))


def log_of_zero_in_the_loss(watch):
    def loss(p, y):
        target = (y > 0).float()
        return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()  # <-- here

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
    return train(watch, model, loss, spoil=(x * 1e4, y))


def all_scores_masked(watch):
    """A softmax of minus infinities has no number."""

    def transform(x):
        scores = x.masked_fill(x < -5, float("-inf"))
        return scores.softmax(1)  # <-- here

    masked = x.clone()
    masked[4] = -10
    return train(watch, Transformed(transform), spoil=(masked, y))


def zero_times_infinity(watch):
    def transform(x):
        return x * torch.where(x > 5, torch.inf, 1.0) * (x < 5)  # <-- here

    return train(watch, Transformed(transform), spoil=(x + 10, y))


def data_that_is_not_a_number(watch):
    """The input of step 3 has a missing value; no operation of the loop made it."""
    missing = x.clone()
    missing[1, 1] = float("nan")
    return train(watch, make_network(), spoil=(missing, y))


class Bowl(nn.Module):
    """0.5 · Σ cᵢ xᵢ²."""

    def __init__(self, *curvature):
        super().__init__()
        self.x = nn.Parameter(torch.ones(len(curvature)))
        self.curvature = torch.tensor(curvature)

    def forward(self, _=None):
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


def a_rate_beyond_the_bound(watch):
    model = Bowl(10.0, 1.0)
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.25))


def a_rate_slightly_beyond_the_bound(watch):
    model = Bowl(10.0)
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=0.21), 60)


def a_rate_that_overflows(watch):
    """The loss becomes infinite and then not a number; the rate is the cause."""
    model = Bowl(10.0, 1.0)
    return descend(watch, model, torch.optim.SGD(model.parameters(), lr=30.0))


def momentum_on_a_regression(watch):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=4.0, momentum=0.9), data=(x, y), steps=30)


def a_regression_that_was_not_scaled(watch):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return fit(watch, model, optimizer, data=(100 * x, y), steps=12)


def a_network_at_a_huge_rate(watch):
    model = make_network()
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=10.0), data=(x, y), steps=30)


def adam_with_rate_ten(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Adam(model.parameters(), lr=10.0), data=(x, y), steps=40)


def a_rate_that_overflows_between_kept_steps(watch):
    """The first steps lower the loss; it grows afterwards, until a square overflows."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
    data = torch.randn(64, 3), torch.randn(64, 1) * 3
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=1.0), data=data, steps=60)


SAYS = {
    "nonfinite": {
        log_of_zero: ("log", "step 3"),
        log_of_a_negative_number: ("log", "step 3"),
        division_by_zero: ("div", "step 3"),
        division_by_a_spread_of_zero: ("div", "step 3"),
        square_root_at_zero_in_the_backward_pass: ("sqrt", "step 0"),
        distance_of_equal_points_in_the_backward_pass: ("sqrt", "step 0"),
        overflow_of_exp: ("exp", "step 3"),
        softmax_by_hand: ("exp", "step 3"),
        log_of_zero_in_the_loss: ("log", "step 3"),
        all_scores_masked: ("softmax", "step 3"),
        zero_times_infinity: "step 3",
        data_that_is_not_a_number: ("input", "step 3"),
    },
    "rate_too_large": {
        a_rate_beyond_the_bound: "0.25",
        a_rate_slightly_beyond_the_bound: "0.21",
        a_rate_that_overflows: "30",
        momentum_on_a_regression: "4",
        a_regression_that_was_not_scaled: "0.1",
        a_network_at_a_huge_rate: "10",
        adam_with_rate_ten: "10",
        a_rate_that_overflows_between_kept_steps: "the rate 1",
    },
}
