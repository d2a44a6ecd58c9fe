"""What is stored reads back bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from playground.runner.store.encoding import TRACE_DIFFERENCES, decode_array, encode_array

RANDOM = np.random.default_rng(0)
SINGLE = RANDOM.standard_normal(1000).astype(np.float32)

CASES = {
    "seeds": (np.tile(np.arange(500), 20), 1),
    "extreme integers": (np.array([2**63 - 1, 0, 5, -(2**63), 1]), 1),
    "codes": (RANDOM.integers(0, 3, 100).astype(np.uint8), 0),
    "float64": (RANDOM.standard_normal(1000), 0),
    "float32 in float64": (SINGLE.astype(np.float64), 0),
    "not finite": (np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-310, 1e300]), 0),
    "another NaN": (np.array([0x7FF8000000000001, 0x7FF0000000000001]).view(np.float64), 0),
    "traces": (RANDOM.standard_normal((100, 52)).astype(np.float32), TRACE_DIFFERENCES),
    "one run": (RANDOM.standard_normal((1, 52)).astype(np.float32), TRACE_DIFFERENCES),
    "one step": (RANDOM.standard_normal((7, 1)).astype(np.float32), TRACE_DIFFERENCES),
    "parameters": (RANDOM.standard_normal((7, 3)), 0),
    "nothing": (np.zeros(0), 0),
    "no runs": (np.zeros((0, 5), np.float32), TRACE_DIFFERENCES),
}


@pytest.mark.parametrize("name", CASES)
def test_every_bit_comes_back(name):
    values, differences = CASES[name]
    found = decode_array(encode_array(values, differences))
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert found.tobytes() == values.tobytes()


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64))
    | arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(width=32))
    | arrays.arrays(np.int64, st.integers(0, 20), elements=st.integers(-(2**63), 2**63 - 1)),
    st.integers(0, 1),
)
def test_whatever_it_is(values, differences):
    assert decode_array(encode_array(values, differences)).tobytes() == values.tobytes()


def test_smooth_columns_take_few_bytes():
    runs = 20_000
    assert len(encode_array(np.arange(runs), 1)) < 100
    assert len(encode_array(SINGLE.astype(np.float64).repeat(20), 0)) < 4 * 20 * len(SINGLE)
    rates = RANDOM.uniform(0.01, 0.1, (1000, 1))
    curves = np.exp(-rates * np.arange(52)).astype(np.float32)
    assert len(encode_array(curves, TRACE_DIFFERENCES)) < 0.7 * curves.nbytes


@pytest.mark.parametrize("data", [b"", b"\n", b"f8 f8 8 0 0\nno zstd", b"f8 f8 8\n"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError):
        decode_array(data)
