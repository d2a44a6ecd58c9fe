"""Tables of scores without runs."""

import numpy as np
import pytest

from playground.core.comparison import ScoreTable


@pytest.fixture(scope="session")
def make_table():
    """Return a function that draws a table: optimizers o0, o1, ..., problems p0, p1, ... in families f0, f1, ..."""

    def make(seed=0, optimizers=3, problems=30, families=25, studies=5, seeds=4, effects=None):
        rng = np.random.default_rng(seed)
        values = rng.normal(8, 1, (optimizers, problems, studies, seeds))
        if effects is not None:
            values += np.asarray(effects)[:, None, None, None]
        return ScoreTable(
            optimizers=tuple(f"o{number}" for number in range(optimizers)),
            problems=tuple(f"p{number}" for number in range(problems)),
            families=tuple(f"f{number % families}" for number in range(problems)),
            probes=("noise",) * problems,
            values=values,
        )

    return make
