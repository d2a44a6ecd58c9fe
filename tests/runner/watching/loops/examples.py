"""Data and networks that the loops train on, small and seeded."""

import torch
from torch import nn


def make_regression(rows=16, inputs=3, seed=0, dtype=torch.float32):
    """Return inputs `(rows, inputs)` and targets `(rows, 1)` of a noisy linear function."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, inputs, generator=generator, dtype=torch.float64)
    noise = torch.randn(rows, 1, generator=generator, dtype=torch.float64)
    y = x.sum(1, keepdim=True) / 2 + 0.1 * noise
    return x.to(dtype), y.to(dtype)


def make_classes(rows=18, inputs=4, classes=3, seed=0):
    """Return inputs `(rows, inputs)` and labels `(rows,)` of clusters that can be told apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % classes
    centers = 2 * torch.randn(classes, inputs, generator=generator)
    return centers[labels] + 0.5 * torch.randn(rows, inputs, generator=generator), labels


def make_network(inputs=3, outputs=1, width=8, seed=0):
    """Return a network with one hidden layer of tanh units."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))


def fit(watch, model, optimizer, loss_function=nn.functional.mse_loss, data=None, steps=12):
    """Train in the usual way; return the losses and what was trained."""
    x, y = data or make_regression()
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]
