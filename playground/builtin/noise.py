"""Noise for `minimize`: samples that weight a function or its terms (targets) and tilt it (inputs).

Over all samples weights average 1 and tilts 0 exactly, because all numbers are multiples of 2⁻²⁰ and their sums have no
rounding; so the loss over all data is the function itself. Sequences are visited in their order: a drift, not noise.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt, MultipleOf
from torch import Generator, Tensor

from playground.core.data import Data
from playground.errors import ComponentError, Fault

GRID = 2.0**-20
"""All numbers are multiples of this."""

Dimension = Annotated[int, Ge(1)]
"""Number of coordinates of the function."""

Pairs = Annotated[int, Ge(2), MultipleOf(2)]
"""Number of samples, in pairs of opposite ones."""

Scale = Annotated[float, Ge(0)]
"""Size of the noise, in units of the gradient."""


def normal_noise(generator: Generator, dim: Dimension = 2, samples: Pairs = 64, scale: Scale = 1.0) -> Data:
    """Add normal numbers to the gradient of each sample.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param dim: number of coordinates of the function.
    :param samples: number of samples, in pairs of opposite ones.
    :param scale: standard deviation in each coordinate.
    :returns: tilts of shape `(samples, dim)`; the function has the weight 1.
    """
    return _tilted(scale * torch.randn(samples // 2, dim, dtype=torch.float64, generator=generator))


def student_noise(
    generator: Generator,
    dim: Dimension = 2,
    samples: Pairs = 64,
    scale: Scale = 1.0,
    freedom: Annotated[float, Gt(0)] = 1.5,
) -> Data:
    """Add numbers of Student's t distribution to the gradient of each sample: heavy tails.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param dim: number of coordinates of the function.
    :param samples: number of samples, in pairs of opposite ones.
    :param scale: factor on the t distribution in each coordinate.
    :param freedom: degrees of freedom; up to 2 the distribution has no variance.
    :returns: tilts of shape `(samples, dim)`; the function has the weight 1.

    Source: Bailey, Polar generation of random variates with the t-distribution, 1994.
    """
    u, v = torch.rand(2, samples // 2, dim, dtype=torch.float64, generator=generator).unbind(0)
    radius = (freedom * ((1 - u) ** (-2 / freedom) - 1)).sqrt()
    return _tilted(scale * radius * torch.cos(2 * math.pi * v))


def factor_noise(
    generator: Generator,
    dim: Dimension = 2,
    terms: Annotated[int, Ge(1)] = 1,
    samples: Pairs = 64,
    deviation: Scale = 1.0,
) -> Data:
    """Multiply the function, or each of its terms, by 1 ± `deviation`: noise that vanishes with the gradient.

    :param generator: source of the signs; the framework makes it from the key `seed`.
    :param dim: number of coordinates of the function.
    :param terms: number of terms of the function, each with factors of its own; 1 for the function as a whole.
    :param samples: number of samples, in pairs of opposite ones.
    :param deviation: standard deviation of the factors.
    :returns: weights of shape `(samples, terms)`; the tilts are 0.
    """
    signs = 2.0 * torch.randint(0, 2, (samples // 2, terms), generator=generator) - 1
    changes = _on_grid(deviation * signs.double())
    return _weighted(1 + torch.cat([changes, -changes]), dim)


def masks(dim: Dimension = 2, terms: Annotated[int, Ge(1)] = 2, keep: Annotated[int, Ge(1)] = 1) -> Data:
    """Show few terms of the function at a time: sample i has the terms i, …, i + `keep` − 1, multiplied to compensate.

    Where each term depends on few coordinates, gradients of small batches are sparse.

    :param dim: number of coordinates of the function.
    :param terms: m, the number of terms of the function, and of samples.
    :param keep: number of terms of each sample, a divisor of m.
    :returns: weights of shape `(terms, terms)`, m / `keep` or 0; the tilts are 0.
    :raises ComponentError: `keep` does not divide `terms`.
    """
    if terms % keep:
        raise ComponentError(Fault(f"expected a divisor of the {terms} terms, got {keep}", ("keep",)))
    distance = (torch.arange(terms) - torch.arange(terms).unsqueeze(1)) % terms
    return _weighted((distance < keep).double() * (terms // keep), dim)


def drift(dim: Dimension = 2, period: Pairs = 64, scale: Scale = 1.0) -> Data:
    """Move the minimum along a closed curve: tilt t of coordinate i is `scale` · sin(2π (t / period + i / dim)).

    :param dim: number of coordinates of the function.
    :param period: number of samples of one turn, which a run visits in their order.
    :param scale: size of the tilt.
    :returns: tilts of shape `(period, dim)`; the function has the weight 1.
    """
    turn = torch.arange(period // 2, dtype=torch.float64)[:, None] / period + torch.arange(dim) / dim
    return _tilted(scale * torch.sin(2 * math.pi * turn), ordered=True)


def sign_flips(dim: Dimension = 2, scale: Scale = 1.0, hold: Annotated[int, Ge(1)] = 1) -> Data:
    """Push all coordinates by `scale`, up and down in turn.

    :param dim: number of coordinates of the function.
    :param scale: size of the push.
    :param hold: number of samples in each direction, which a run visits in their order.
    :returns: tilts of shape `(2 · hold, dim)`; the function has the weight 1.
    """
    return _tilted(torch.full((hold, dim), scale, dtype=torch.float64), ordered=True)


def rare_push(dim: Dimension = 2, scale: Scale = 1.0, period: Annotated[int, Ge(2)] = 3) -> Data:
    """Push all coordinates up once by `scale` · (period − 1), then down `period` − 1 times by `scale`.

    An optimizer that divides by the root of its recent gradients makes the rare step too short, and goes the wrong way
    if the function has a slope below `scale`.

    :param dim: number of coordinates of the function.
    :param scale: size of the frequent push.
    :param period: number of samples, which a run visits in their order.
    :returns: tilts of shape `(period, dim)`; the function has the weight 1.

    Source: Reddi, Kale & Kumar, On the convergence of Adam and beyond, 2018, section 3, whose gradients C, −1, −1 are
    these with `scale` = (C + 1) / 3 on a function of slope (C − 2) / 3.
    """
    small = _on_grid(torch.full((1, dim), scale, dtype=torch.float64))
    tilts = torch.cat([(period - 1) * small, (-small).expand(period - 1, dim)])
    return Data(tilts, torch.ones(period, 1, dtype=torch.float64), _names(dim), ordered=True)


def _on_grid(numbers: Tensor) -> Tensor:
    return (numbers / GRID).round() * GRID


def _tilted(half: Tensor, ordered: bool = False) -> Data:
    """Return tilts and their opposites, shape `(2 · samples, dim)`, with the weight 1."""
    tilts = _on_grid(half)
    both = torch.cat([tilts, -tilts])
    return Data(both, torch.ones(len(both), 1, dtype=torch.float64), _names(both.shape[1]), ordered=ordered)


def _weighted(weights: Tensor, dim: int) -> Data:
    """Return weights of terms, without tilts."""
    return Data(torch.zeros(len(weights), dim, dtype=torch.float64), weights, _names(dim))


def _names(dim: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(dim))
