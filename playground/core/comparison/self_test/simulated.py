"""A pool of simulated scores, for a self-test without stored runs."""

from __future__ import annotations

import numpy as np

from playground.core.comparison.self_test.pool import ScorePool

BUDGET = 1_000
"""Gradient evaluations of a simulated run."""


def simulate_pool(
    *, optimizers: int = 4, families: int = 40, problems: int = 60, settings: int = 20, seeds: int = 60, seed: int = 0
) -> ScorePool:
    """Return scores as curves over the learning rate with a best rate, a cliff above it, noise and a cap.

    For the log10 learning rate x, with random constants for each optimizer and problem::

        y = min(level + effect + slope · max(x* - x, 0) + noise_s · s, log2(2T))        and the cap if x > x* + 0.5

    Effects are drawn for families and for problems; the noise of a problem is log-normal with a median of 0.15, and a
    fifth of the problems have none.

    :param seed: seed of all constants.
    """
    rng = np.random.default_rng(seed)
    family = np.arange(problems) % families
    shape = (optimizers, problems, 1, 1)
    effect = rng.normal(0, 0.8, (optimizers, families))[:, family] + rng.normal(0, 0.3, (optimizers, problems))
    rates = np.linspace(-5, 1, settings)[:, None]
    best = rng.uniform(-3, 0, shape)
    level = rng.uniform(4, 8, (problems, 1, 1))
    noise = np.exp(rng.normal(np.log(0.15), 0.8, (problems, 1, 1))) * (rng.random((problems, 1, 1)) > 0.2)
    slope = rng.uniform(1, 3.3, shape)
    values = level + effect[:, :, None, None] + slope * np.maximum(best - rates, 0)
    values = values + noise * rng.normal(size=(optimizers, problems, settings, seeds))
    cap = np.log2(2 * BUDGET)
    values = np.where(rates > best + 0.5, cap, np.clip(values, 0, cap))
    return ScorePool(
        optimizers=tuple(f"optimizer {number}" for number in range(optimizers)),
        families=tuple(f"family {number}" for number in family),
        values=values,
    )
