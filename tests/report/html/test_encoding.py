from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

from playground.report.html.encoding import PACKING_LEVELS, pack_grids, padded_range, round_data, thin_indices


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (0.1 + 0.2, 0.3),
        (1234567.0, 1234570),
        (2.0, 2),
        (True, True),
        ((1.5, [math.nan, "a"]), [1.5, [None, "a"]]),
        ({"a": (1.0,)}, {"a": [1]}),
    ],
)
def test_rounded(value, told):
    assert round_data(value) == told
    json.dumps(round_data(value), allow_nan=False)


def test_packed_is_exact_to_its_step():
    grids = np.random.default_rng(0).normal(size=(3, 4, 5))
    grids[1, 2, 3] = math.nan
    told = pack_grids(grids.tolist())
    whole = np.frombuffer(base64.b64decode(told["data"]), "<u2").reshape(told["shape"])
    back = told["low"] + whole * (told["high"] - told["low"]) / PACKING_LEVELS
    missing = whole == PACKING_LEVELS + 1
    assert missing.tolist() == np.isnan(grids).tolist()
    assert np.abs(back - grids)[~missing].max() <= (told["high"] - told["low"]) / PACKING_LEVELS


@pytest.mark.parametrize("grids", [[[[1.0, 1.0]]], [[[math.nan, math.inf]]]])
def test_packed_without_a_range(grids):
    json.dumps(pack_grids(grids), allow_nan=False)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 101, 10**6])
def test_thinned(count):
    chosen = list(thin_indices(count, 100))
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= 101
    if count:
        assert (chosen[0], chosen[-1]) == (0, count - 1)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, 1.0], [0.0, None, 2.0]])
def test_span_is_a_range(values):
    low, high = padded_range(values, 0)
    assert low < high
