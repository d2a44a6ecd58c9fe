"""Data of linear models: badly scaled or sparse features, wrong labels, outliers."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from playground.core.data import Data

Share = Annotated[float, Ge(0), Le(1)]


def halfspaces(
    generator: Generator,
    samples: Annotated[int, Ge(2)] = 64,
    dim: Annotated[int, Ge(1)] = 5,
    condition: Annotated[float, Ge(1)] = 1.0,
    zipf: Annotated[float, Ge(0)] = 0.0,
    flipped: Share = 0.1,
) -> Data:
    """Two classes on the sides of a plane through the origin, some with the wrong label.

    Features are normal numbers, feature j with the factor `condition`^(-j / 2(dim − 1)) and present with the
    probability (j + 1)^(-`zipf`). A sample is in class 1 if the sum of its features, without that factor and with
    alternating signs, is positive.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param samples: number of samples.
    :param dim: number of features.
    :param condition: largest over smallest variance of a feature.
    :param zipf: exponent of the frequencies; with 0 all features are present.
    :param flipped: share of the samples that have the wrong label, the first ones.
    :returns: inputs of shape `(samples, dim)`, classes in `(samples, 1)`.
    """
    plain, inputs = _features(generator, samples, dim, condition, zipf)
    right = _response(plain) > 0
    wrong = torch.arange(samples) < round(flipped * samples)
    return Data(inputs, (right ^ wrong).double().unsqueeze(1), _names(dim), classes=2)


def linear_response(
    generator: Generator,
    samples: Annotated[int, Ge(1)] = 64,
    dim: Annotated[int, Ge(1)] = 5,
    condition: Annotated[float, Ge(1)] = 1.0,
    zipf: Annotated[float, Ge(0)] = 0.0,
    noise: Annotated[float, Ge(0)] = 0.1,
    outliers: Share = 0.0,
) -> Data:
    """Targets that are linear in the features, with noise and outliers.

    Features are as in `halfspaces`; a target is the sum of the features, without their factors and with alternating
    signs.

    :param generator: source of the numbers; the framework makes it from the key `seed`.
    :param samples: number of samples.
    :param dim: number of features.
    :param condition: largest over smallest variance of a feature.
    :param zipf: exponent of the frequencies; with 0 all features are present.
    :param noise: standard deviation of the normal noise on the targets.
    :param outliers: share of the samples, the first ones, whose noise is a hundred times as large.
    :returns: inputs of shape `(samples, dim)`, targets of shape `(samples, 1)`.
    """
    plain, inputs = _features(generator, samples, dim, condition, zipf)
    far = torch.arange(samples) < round(outliers * samples)
    size = noise * torch.where(far, 100.0, 1.0).double()
    targets = _response(plain) + size * torch.randn(samples, dtype=torch.float64, generator=generator)
    return Data(inputs, targets.unsqueeze(1), _names(dim))


def _features(generator: Generator, samples: int, dim: int, condition: float, zipf: float) -> tuple[Tensor, Tensor]:
    """Draw features, without and with their factors."""
    plain = torch.randn(samples, dim, dtype=torch.float64, generator=generator)
    if zipf:
        frequencies = torch.arange(1, dim + 1, dtype=torch.float64) ** -zipf
        plain = plain * (torch.rand(samples, dim, dtype=torch.float64, generator=generator) < frequencies)
    factors = torch.as_tensor(condition) ** (-torch.arange(dim, dtype=torch.float64) / (2 * max(dim - 1, 1)))
    return plain, plain * factors


def _response(plain: Tensor) -> Tensor:
    """Return the sum of the features with alternating signs."""
    signs = 1.0 - 2.0 * (torch.arange(plain.shape[1]) % 2)
    return (plain * signs).sum(1)


def _names(dim: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(dim))
