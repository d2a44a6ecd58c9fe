"""Comparisons with invented numbers, to show: `make_comparison(("adam", "sgd"), families=40)`."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from itertools import combinations

from playground.comparison import (
    Comparison,
    ContrastFinding,
    EffectFinding,
    FamilyEffect,
    LedgerEntry,
    OptimizerCurves,
    PairFinding,
    ProbeEffect,
    ProblemRow,
    ProblemTally,
    Protocol,
)

PROBES = ("ill-conditioning", "curved valley", "saddle", "plateau", "noise", "data")
LIKE_THESE, SUITE = 1.25, 1.1
PROPERTIES = {"rotation": 8, "noise": 5, "sparse gradients": 3}


def make_effect(center, half, margin):
    """Return an effect of 2^center, with a margin of equivalence."""
    low, high = center - half, center + half
    word = "better" if high < 0 else "worse" if low > 0 else "cannot tell"
    if low > -math.log2(margin) and high < math.log2(margin) and word == "cannot tell":
        word = "equivalent"
    beyond = high < -math.log2(margin) or low > math.log2(margin)
    text = f"{word} by more than {margin}×" if beyond else word
    return EffectFinding(factor=2**center, low=2**low, high=2**high, word=word, text=text)


def make_pair(optimizer, baseline, center, families: Mapping[str, str], refused):
    """Return a pair whose optimizer needs 2^center times the evaluations, and more in later families."""
    centers = {family: center + 2 * place / len(families) - 1 for place, family in enumerate(families)}
    like_these = None if refused else make_effect(center, 0.3, LIKE_THESE)
    suite = make_effect(center, 0.05, SUITE)
    word = (like_these or suite).word
    return PairFinding(
        optimizer=optimizer,
        baseline=baseline,
        like_these=like_these,
        refusal=f"no statement on problems like these: {len(families)} families, and at least 20 are needed"
        if refused
        else "",
        suite=suite,
        new_problem=None if refused else (2 ** (center - 2), 2 ** (center + 2)),
        shared=make_effect(center + 0.5, 0.3, LIKE_THESE),
        holds={"penalty 1×": word, "penalty 10×": word, "final loss": "cannot tell"},
        more="more seeds cannot help; 39 more families" if word == "cannot tell" else "",
        tally=ProblemTally(better=19, worse=6, equal=5, cannot_tell=24),
        families=[
            FamilyEffect(
                family=family,
                probe=probe,
                problems=2,
                factor=2 ** centers[family],
                low=2 ** (centers[family] - 0.2),
                high=2 ** (centers[family] + 0.2),
            )
            for family, probe in families.items()
        ],
        probes=[make_probe(probe, [centers[each] for each in families if families[each] == probe]) for probe in PROBES],
        improvement=0.6,
        middle=2**center,
    )


def make_probe(probe, centers):
    effect = make_effect(sum(centers) / max(len(centers), 1), 0.4, SUITE)
    few = len(centers) < 5
    return ProbeEffect(
        probe=probe,
        families=len(centers),
        factor=effect.factor,
        low=None if few else effect.low,
        high=None if few else effect.high,
        word="" if few else effect.word,
    )


def make_problems(families, optimizers, rng):
    """Return two problems of each family; those of the last family are outside the headline."""
    rows = [
        ProblemRow(
            problem=f"{family.replace(' ', '_')}_{size}",
            family=family,
            probe=probe,
            headline=family != [*families][-1],
            log_evaluations={each: rng.uniform(3, 11) for each in optimizers},
            reached={each: 0.5 if place == 1 and size == 2 else 1.0 for place, each in enumerate(optimizers)},
            failed={each: 0.4 if place == 1 and size == 2 else 0.0 for place, each in enumerate(optimizers)},
            resolution=(None, 0.1, 2.0)[rng.randrange(3)],
        )
        for family, probe in families.items()
        for size in (2, 10)
    ]
    return sorted(rows, key=lambda row: not row.headline)


def make_curves(optimizer, place):
    """Return curves; every third optimizer has more than one tuned parameter."""
    shares = [min(1.0, (step + place) / 30) for step in range(30)]
    rates = [10 ** (step - 5) for step in range(6)] if place % 3 != 2 else []
    return OptimizerCurves(
        optimizer=optimizer,
        evaluations=[1000 ** (step / 29) for step in range(30)],
        reached=shares,
        reached_low=[max(0.0, share - 0.1) for share in shares],
        reached_high=[min(1.0, share + 0.1) for share in shares],
        rates=rates,
        rate_scores=[6 + (step - 3) ** 2 / 4 for step in range(len(rates))],
        chosen={1e-2: 30, 3e-2: 10} if rates else {},
        expected_best=[9 - 2.5 * math.log10(tried) for tried in range(1, 11)],
    )


def make_ledger(optimizer, place):
    return LedgerEntry(
        optimizer=optimizer,
        specification=f"{optimizer}(lr=log:1e-05:10)",
        trials=20,
        tuning=4_574_585,
        scoring=520_520,
        at_edge=2 * place,
        choices=205,
        failed=5 * place,
        runs=5095,
        engines={"compiled": 5000, "batched": 95},
        source="f271eb38",
    )


def make_contrasts(optimizers, rng):
    for name, count in PROPERTIES.items():
        for optimizer in optimizers:
            changes = {f"{name}_{index}": 2 ** rng.gauss(0.5, 0.3) for index in range(count)}
            center = sum(map(math.log2, changes.values())) / count
            yield ContrastFinding(
                property=name,
                optimizer=optimizer,
                changes=changes,
                families=count,
                factor=2**center,
                low=2 ** (center - 0.4) if count >= 5 else None,
                high=2 ** (center + 0.4) if count >= 5 else None,
            )


def make_comparison(
    optimizers=("adam", "sgd"), families=40, centers=(-0.5, 0.0, 0.5), refused=False, all_pairs=False, **changes
):
    """Return a comparison; `centers` are log2 factors of the pairs, repeated."""
    rng = random.Random(0)
    probes = {f"family {index}": PROBES[min(index % 6, index % 11)] for index in range(families)}
    named = [*combinations(optimizers, 2)] if all_pairs else [(optimizers[0], each) for each in optimizers[1:]]
    pairs = [
        make_pair(first, second, centers[place % len(centers)], probes, refused)
        for place, (first, second) in enumerate(named)
    ]
    fields = {
        "suite": {"name": "core", "file": "core.yaml", "hash": "0123456789abcdef"},
        "families": families,
        "optimizers": optimizers,
        "pairs": pairs,
        "problems": make_problems(probes, optimizers, rng),
        "contrasts": [*make_contrasts(optimizers, rng)],
        "curves": [make_curves(each, place) for place, each in enumerate(optimizers)],
        "ledger": [make_ledger(each, place) for place, each in enumerate(optimizers)],
        "protocol": Protocol(
            metric="mean over targets of log2 gradient evaluations",
            hash="da185586acfcad98",
            studies=5,
            tuning_seeds=5,
            scoring_seeds=10,
            look=1,
            alpha=0.025,
            total_alpha=0.05,
            resolution={1.0: 1.44, 2.0: 2.08},
        ),
        "seconds": {"compute": 61.0, "judge": 1.0},
    }
    return Comparison(**{**fields, **changes})
