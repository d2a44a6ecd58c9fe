"""The acceptance tests of a comparison: how often it decides wrongly, and whether it finds what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from playground.core.comparison.estimates import average_families, combine_variances
from playground.core.comparison.looks import spend_alpha
from playground.core.comparison.pairs import compare_pairs
from playground.core.comparison.resolution import compute_power
from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.self_test.decisions import (
    decide_any_contrast,
    decide_by_families,
    decide_on_problems_like_these,
    decide_on_suite,
)
from playground.core.comparison.self_test.pool import (
    ScorePool,
    draw_table,
    tune_on_disjoint_seeds,
    tune_on_shared_seeds,
)
from playground.core.comparison.self_test.rows import (
    MAX_SKEWED_RATE,
    SelfTestRow,
    compare_power,
    limit_rate,
    require_all,
)
from playground.core.comparison.self_test.sampling import (
    STUDIES,
    find_pair_means,
    find_pair_studies,
    resample_families,
    resample_studies,
    share_repeats,
)
from playground.core.comparison.self_test.simulated import simulate_pool

FACTORS = (1.1, 1.5, 2.0)
"""Planted ratios of gradient evaluations."""
EDGE_SHIFT = 3.2
"""A planted difference in standard errors, which is found in about 80 %."""
LOOKS = 5
"""Looks at one comparison, each with twice the sample of the one before."""
SUITE_LOOKS, FAMILY_LOOKS = 4, 20
"""Repeats of the five looks for each repeat of other tests: the true rate of about 4.3 % is near the limit of 5 %."""
FEWEST_FAMILIES = 20
"""Families from which skewed differences must be judged rightly."""


def run_self_test(
    pool: ScorePool | None = None, *, repeats: int = 1_000, seed: int = 0, inclusion: tuple[str, str] | None = None
) -> tuple[SelfTestRow, ...]:
    """Return the measurements of all acceptance tests. Decisions are those of a first look, α = 0.025.

    :param pool: scores of stored runs; None simulates them.
    :param repeats: how often each test is repeated.
    :param seed: seed of all draws.
    :param inclusion: (container, contained), optimizers of the pool where the settings of the first include those of
        the second, such as momentum with 0 among its values and SGD. None joins the settings of two optimizers.
    """
    pool = simulate_pool(seed=seed) if pool is None else pool
    streams = np.random.default_rng(seed).spawn(8)
    return (
        check_copy(pool, streams[0]),
        *measure_same_optimizer(pool, repeats, streams[1]),
        measure_flipped_signs(pool, repeats, streams[2]),
        *measure_skewed_differences(pool, repeats, streams[3]),
        *measure_planted_factors(pool, repeats, streams[4]),
        *measure_looks(pool, repeats, streams[5]),
        check_other_contestants(pool, streams[6]),
        *measure_inclusion(pool, inclusion, repeats, streams[7]),
    )


def check_copy(pool: ScorePool, rng: np.random.Generator) -> SelfTestRow:
    """Compare each optimizer with a renamed copy on the same seeds."""
    table = draw_table(pool, STUDIES, rng)
    copies = tuple(f"copy of {name}" for name in pool.optimizers)
    values = np.concatenate([table.values, table.values])
    table = replace(table, optimizers=(*pool.optimizers, *copies), values=values)
    compared = compare_pairs(table, list(zip(pool.optimizers, copies, strict=True)))
    verdicts = [verdict for each in compared for verdict in (each.suite, each.like_these) if verdict is not None]
    equal = sum(verdict.word == "equivalent" and verdict.factor_interval == (1.0, 1.0) for verdict in verdicts)
    return require_all("renamed copy", "equivalent, interval [1, 1]", equal, len(verdicts))


def measure_same_optimizer(pool: ScorePool, repeats: int, rng: np.random.Generator) -> Iterator[SelfTestRow]:
    """Compare optimizers with themselves, tuned on disjoint seeds."""
    suite, like_these = 0, 0
    for scores, count in zip(pool.values, share_repeats(repeats, len(pool.values)), strict=True):
        differences = np.moveaxis(tune_on_disjoint_seeds(scores, (count, STUDIES), rng), 0, 1)
        suite += int(decide_on_suite(differences, spend_alpha(1)).sum())
        like_these += int(decide_on_problems_like_these(differences, pool.families, spend_alpha(1)).sum())
    name = "same optimizer, disjoint tuning seeds"
    yield limit_rate(name, "different on this suite", suite, repeats)
    yield limit_rate(name, "different on problems like these", like_these, repeats)


def measure_flipped_signs(pool: ScorePool, repeats: int, rng: np.random.Generator) -> SelfTestRow:
    """Flip the signs of families, jointly in all pairs of different optimizers: the true differences become 0."""
    means = find_pair_means(pool, rng)
    signs = rng.choice((-1.0, 1.0), (repeats, means.shape[-1]))
    count = sum(decide_any_contrast(means * each, spend_alpha(1)) for each in signs)
    return limit_rate("families' signs flipped", f"any of {len(means)} pairs different", count, repeats)


def measure_skewed_differences(pool: ScorePool, repeats: int, rng: np.random.Generator) -> Iterator[SelfTestRow]:
    """Judge families with a true mean of 0: the pool's pairs, centred, and gamma differences with a skewness of 1."""
    means = find_pair_means(pool, rng)
    for families in (FEWEST_FAMILIES, 2 * FEWEST_FAMILIES):
        samples = [
            resample_families(each, (count, families), rng)
            for each, count in zip(means, share_repeats(repeats, len(means)), strict=True)
        ]
        gamma = rng.gamma(4.0, size=(repeats, families)) - 4.0
        for source, sample in (("pairs", np.concatenate(samples)), ("skewness 1", gamma)):
            count = int(decide_by_families(sample, spend_alpha(1)).sum())
            measured = f"{source}, {families} families: different"
            yield limit_rate("skewed differences", measured, count, repeats, limit=MAX_SKEWED_RATE, upper=1.0)


def measure_planted_factors(pool: ScorePool, repeats: int, rng: np.random.Generator) -> Iterator[SelfTestRow]:
    """Multiply the evaluations of one side by a factor, and compare the power with the announced one.

    On the suite there is one more factor, which lies at the edge of what can be told.
    """
    alpha, bank = spend_alpha(1), find_pair_studies(pool, rng)[0]
    variance, df = combine_variances(bank.var(-1) / (STUDIES * len(bank) ** 2), STUDIES)
    se = float(np.sqrt(variance))
    for effect in (EDGE_SHIFT * se, *np.log2(FACTORS)):
        sample = effect + resample_studies(bank, repeats, STUDIES, rng)
        announced = float(compute_power(effect, se=se, df=df, alpha=alpha))
        measured = f"{2**effect:.4g}× on this suite"
        yield compare_power(
            "planted factor", measured, int(decide_on_suite(sample, alpha).sum()), repeats, announced=announced
        )
    means = find_pair_means(pool, rng)
    shares, families = share_repeats(repeats, len(means)), means.shape[-1]
    signs = rng.choice((-1.0, 1.0), (repeats, 1))  # skewed differences are found more easily in one direction
    for factor in FACTORS:
        effect = np.log2(factor)
        samples = [resample_families(each, (share, families), rng) for each, share in zip(means, shares, strict=True)]
        powers = compute_power(effect, se=means.std(-1) / np.sqrt(families), df=families - 1, alpha=alpha)
        yield compare_power(
            "planted factor",
            f"{factor:.4g}× on problems like these",
            int(decide_by_families(signs * effect + np.concatenate(samples), alpha).sum()),
            repeats,
            announced=float(np.average(powers, weights=shares)),
        )


def measure_looks(pool: ScorePool, repeats: int, rng: np.random.Generator) -> Iterator[SelfTestRow]:
    """Look five times while the sample doubles, without a true difference."""
    looks = [(spend_alpha(look), 2 ** (look - 1)) for look in range(1, LOOKS + 1)]
    most = looks[-1][1]
    banks, suite = find_pair_studies(pool, rng), 0
    for number in range(SUITE_LOOKS):
        studies = resample_studies(banks[number % len(banks)], repeats, STUDIES * most, rng)
        decided = [decide_on_suite(studies[..., : STUDIES * growth], alpha) for alpha, growth in looks]
        suite += int(np.any(decided, axis=0).sum())
    means, like_these = find_pair_means(pool, rng), 0
    for each, count in zip(means, share_repeats(FAMILY_LOOKS * repeats, len(means)), strict=True):
        families = resample_families(each, (count, FEWEST_FAMILIES * most), rng)
        decided = [decide_by_families(families[:, : FEWEST_FAMILIES * growth], alpha) for alpha, growth in looks]
        like_these += int(np.any(decided, axis=0).sum())
    name = f"{LOOKS} looks"
    yield limit_rate(name, "different on this suite at any look", suite, SUITE_LOOKS * repeats)
    yield limit_rate(name, "different on problems like these at any look", like_these, FAMILY_LOOKS * repeats)


def check_other_contestants(pool: ScorePool, rng: np.random.Generator) -> SelfTestRow:
    """Drop each optimizer in turn: the estimates of all other pairs keep every bit."""
    table = draw_table(pool, STUDIES, rng)
    same = total = 0
    for dropped in range(len(pool.optimizers)):
        left = ScoreTable(
            optimizers=tuple(np.delete(table.optimizers, dropped).tolist()),
            problems=table.problems,
            families=table.families,
            probes=table.probes,
            values=np.delete(table.values, dropped, 0),
        )
        pairs = list(combinations(left.optimizers, 2))
        for before, after in zip(compare_pairs(table, pairs), compare_pairs(left, pairs), strict=True):
            total += 1
            same += before == after
    return require_all("a contestant dropped", "all other pairs unchanged", same, total)


def measure_inclusion(
    pool: ScorePool, inclusion: tuple[str, str] | None, repeats: int, rng: np.random.Generator
) -> Iterator[SelfTestRow]:
    """Compare an optimizer with one whose settings it includes: it is not worse."""
    contained = pool.scores_of(inclusion[1] if inclusion else pool.optimizers[0])
    container = pool.scores_of(inclusion[0] if inclusion else pool.optimizers[1])
    if not inclusion:
        container = np.concatenate([contained, container], -2)
    scores = tune_on_shared_seeds([container, contained], (repeats, STUDIES), rng)
    differences = np.moveaxis((scores[0] - scores[1]).mean(-1), 0, 1)
    worse = differences.mean((1, 2)) > 0
    suite = decide_on_suite(differences, spend_alpha(1)) & worse
    worse = average_families(differences, pool.families).mean(-1) > 0
    like_these = decide_on_problems_like_these(differences, pool.families, spend_alpha(1)) & worse
    for estimand, decided in (("this suite", suite), ("problems like these", like_these)):
        yield limit_rate("settings included", f"container worse on {estimand}", int(decided.sum()), repeats)
