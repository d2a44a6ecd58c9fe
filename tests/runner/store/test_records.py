import json
import math
import sqlite3
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.runner.store.arrays import read_parameters, read_trace
from playground.runner.store.records import ParameterLayout, Row, Tally, compact_json

ROW = Row(
    key="k-0",
    point=0,
    seed=0,
    status="budget",
    verdict="passed",
    first=0.3,
    last=0.1,
    best=0.1,
    steps=10,
    evaluations=11,
    seconds=0.5,
    engine="batched",
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.slow
@settings(deadline=None)
@given(PLAIN)
def test_compact_is_json_that_reads_back_the_same(value):
    assert json.loads(compact_json(value)) == value


@pytest.mark.parametrize("value", [0.1, -1e-300, math.inf, -math.inf, 7, "text", "[8]", True])
def test_compact_is_json_to_sqlite_too(value):
    connection = sqlite3.connect(":memory:")
    found = connection.execute("SELECT json_extract(?, '$.\"a.b é\"')", (compact_json({"a.b é": value}),)).fetchone()[0]
    connection.close()
    assert found == value


def test_compact_writes_a_nan_as_null_wherever_it_stands():
    assert compact_json({"a": [math.nan, {"b": -math.inf}]}) == '{"a":[null,{"b":-9e999}]}'


def test_shares_count_runs_that_have_a_verdict():
    assert Tally(10, {}, {"passed": 3, "failed": 1, "none": 6}).passed == 0.75
    assert Tally(6, {}, {"none": 6}).passed is None


def test_parameters_by_name_and_shape():
    layout = ParameterLayout((("weight", (2, 3)), ("bias", ()), ("none", (0, 2))))
    row = replace(ROW, parameters=struct.pack("<7d", *range(7)), layout=layout)
    assert read_parameters(row) == {"weight": [[0, 1, 2], [3, 4, 5]], "bias": 6, "none": []}
    assert read_parameters(ROW) == {}


def test_trace_by_step():
    row = replace(ROW, trace=struct.pack("<2f", 0.5, math.inf), layout=ParameterLayout((), (0, 9)))
    assert read_trace(row) == [(0, 0.5), (9, math.inf)]
    assert read_trace(ROW) == []


def test_a_layout_that_does_not_fit_is_a_mistake_of_the_writer():
    with pytest.raises(ValueError, match="needs 2 numbers, but 1 are stored"):
        read_parameters(replace(ROW, parameters=struct.pack("<d", 1), layout=ParameterLayout((("w", (2,)),))))
    with pytest.raises(ValueError):
        read_trace(replace(ROW, trace=struct.pack("<f", 1), layout=ParameterLayout((), (0, 1))))
