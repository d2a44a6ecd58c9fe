"""Measures by simulation how often a comparison decides wrongly, and whether it finds planted differences.

`pool` holds the scores of every setting with many seeds, and repeats tuning and scoring with them; `simulated` draws
such scores. `sampling` makes samples without a true difference, `decisions` judges many repeats at once, `acceptance`
has one function for each test, and `rows` says what each requires.
"""

from playground.core.comparison.self_test.acceptance import run_self_test
from playground.core.comparison.self_test.pool import MIN_SEEDS, ScorePool
from playground.core.comparison.self_test.rows import SelfTestRow
from playground.core.comparison.self_test.simulated import simulate_pool

__all__ = ["MIN_SEEDS", "ScorePool", "SelfTestRow", "run_self_test", "simulate_pool"]
