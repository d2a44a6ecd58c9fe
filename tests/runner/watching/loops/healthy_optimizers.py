"""Each optimizer of torch in its usual loop, and groups of parameters."""

import torch
from torch import nn

from .examples import fit, make_network, make_regression


def sgd(watch):
    model = make_network()
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1))


def sgd_with_nesterov_momentum(watch):
    model = make_network()
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True), steps=40)


def adam(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Adam(model.parameters(), lr=0.01))


def adam_amsgrad_foreach(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True, foreach=True))


def fused_adamw(watch):
    model = make_network()
    return fit(watch, model, torch.optim.AdamW(model.parameters(), lr=0.01, fused=True))


def rmsprop(watch):
    model = make_network()
    return fit(watch, model, torch.optim.RMSprop(model.parameters(), lr=0.01))


def rprop(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Rprop(model.parameters(), lr=0.01), steps=30)


def adagrad(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Adagrad(model.parameters(), lr=0.1))


def adadelta_with_its_defaults(watch):
    model = make_network()
    return fit(watch, model, torch.optim.Adadelta(model.parameters()))


def averaged_sgd(watch):
    model = make_network()
    return fit(watch, model, torch.optim.ASGD(model.parameters(), lr=0.05))


def muon_for_the_matrices_and_adam_for_the_rest(watch):
    model = make_network()
    x, y = make_regression()
    muon = torch.optim.Muon([p for p in model.parameters() if p.ndim == 2], lr=0.02)
    adam = torch.optim.Adam([p for p in model.parameters() if p.ndim != 2], lr=0.01)
    losses = []
    with watch(model, muon), watch(model, adam):
        for _ in range(12):
            muon.zero_grad()
            adam.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            muon.step()
            adam.step()
            losses.append(loss.item())
    return losses, [model]


def lbfgs_with_a_closure(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    with watch(model, optimizer):
        losses = [optimizer.step(closure).item() for _ in range(5)]
    return losses, [model]


def lbfgs_with_a_line_search(watch):
    model = make_network(width=4)
    x, y = make_regression()
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    with watch(model, optimizer):
        losses = [optimizer.step(closure).item() for _ in range(5)]
    return losses, [model]


def sgd_with_a_closure(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    with watch(model, optimizer):
        losses = [optimizer.step(closure).item() for _ in range(8)]
    return losses, [model]


def weight_decay_for_weights_only(watch):
    model = make_network()
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    return fit(watch, model, torch.optim.AdamW(groups, lr=0.01))


def one_rate_for_each_layer(watch):
    model = make_network()
    groups = [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[2].parameters()}]
    return fit(watch, model, torch.optim.SGD(groups, lr=0.1, momentum=0.5))


def a_group_at_rate_zero(watch):
    model = make_network()
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}]
    return fit(watch, model, torch.optim.SGD(groups, lr=0.1))


class SignDescent(torch.optim.Optimizer):
    """An optimizer of one's own."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] * p.grad.sign())


def an_optimizer_of_ones_own(watch):
    model = make_network()
    return fit(watch, model, SignDescent(model.parameters()))


def names_of_parameters_in_the_optimizer(watch):
    model = make_network()
    return fit(watch, model, torch.optim.SGD(model.named_parameters(), lr=0.1))


def maximize(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, maximize=True)
    return fit(watch, model, optimizer, lambda predicted, y: -((predicted - y) ** 2).mean())


def sharpness_aware_steps(watch):
    """Each step climbs to a neighbour, measures the gradient there, returns and descends with it."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
            with torch.no_grad():
                climbed = [0.05 * p.grad / (norm + 1e-12) for p in model.parameters()]
                for p, d in zip(model.parameters(), climbed, strict=True):
                    p.add_(d)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            with torch.no_grad():
                for p, d in zip(model.parameters(), climbed, strict=True):
                    p.sub_(d)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return losses, [model]
