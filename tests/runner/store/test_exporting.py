import csv
import io
import json
import math
import struct
from dataclasses import replace

import pytest

from playground.errors import StoreError
from playground.runner.store import ParameterLayout, Row, SeedSet, Store, SweepRecord, Tally, exporting, tabulate_rows
from playground.runner.store.exporting import RunTable, write_csv, write_json, write_parquet

SWEEP = SweepRecord(
    id="aa",
    created="2026-11-23T22:00:00Z",
    scenario="s",
    file="s.yaml",
    command="",
    spec={"limit": math.inf},
    axes=["optimizer.lr", "model.hidden", "steps", "model.bias"],
    points=[
        {"optimizer.lr": 1e-4, "model.hidden": [4], "steps": 5, "model.bias": True},
        {"optimizer.lr": 1, "model.hidden": "none", "steps": 2**40},
    ],
    seeds=1,
    engine="batched",
    versions={},
    keys=["k0", "k1"],
    seed_set=SeedSet.of([0]),
)
OTHER = replace(
    SWEEP, id="bb", keys=["k2"], axes=["optimizer.lr", "loss.delta"], points=[{"optimizer.lr": 7, "loss.delta": "a,b"}]
)
ROW = Row(
    key="k0-0",
    point=0,
    seed=0,
    status="budget",
    verdict="passed",
    first=0.1 + 0.2,
    last=1e-300,
    best=1e-300,
    steps=10,
    evaluations=11,
    seconds=0.5,
    engine="batched",
)
RUNS = [
    (
        SWEEP,
        replace(
            ROW,
            metrics={"accuracy": 0.75},
            parameters=struct.pack("<3d", 1, 2, 3),
            trace=struct.pack("<2f", 0.5, math.inf),
            layout=ParameterLayout((("weight", (1, 2)), ("bias", (1,))), (0, 9)),
        ),
    ),
    (SWEEP, replace(ROW, key="k1-0", point=1, last=math.nan, best=math.inf, reason='at "9", in w')),
    (OTHER, replace(ROW, key="k2-0", metrics={"last": None})),
]
TABLE = RunTable([SWEEP, OTHER], ["accuracy", "last"])


@pytest.fixture
def stored(tmp_path):
    """Return these runs as they are read from a store."""
    with Store.open(tmp_path) as store:
        for sweep in (SWEEP, OTHER):
            store.begin(sweep)
            store.add(sweep.id, tabulate_rows([row for owner, row in RUNS if owner is sweep]))
        yield store.select()


def test_columns_have_the_type_that_holds_all_their_values():
    kinds = {name: kind.__name__ for name, kind in TABLE.columns.items()}
    assert list(kinds)[:8] == [
        *("sweep", "scenario", "point", "optimizer.lr", "model.hidden", "axis.steps", "model.bias", "loss.delta")
    ]
    assert (kinds["optimizer.lr"], kinds["model.hidden"], kinds["axis.steps"]) == ("float", "str", "int")
    assert (kinds["model.bias"], kinds["metric.last"], kinds["steps"]) == ("bool", "float", "int")


def test_csv_reads_back(stored):
    stream = io.StringIO()
    write_csv(stream, TABLE, stored)
    first, second, third = csv.DictReader(io.StringIO(stream.getvalue()))
    assert list(first) == list(TABLE.columns)
    assert float(first["first"]) == 0.1 + 0.2
    assert (first["optimizer.lr"], first["model.hidden"], first["model.bias"]) == ("0.0001", "[4]", "true")
    assert (first["steps"], first["axis.steps"], first["accuracy"], first["loss.delta"]) == ("10", "5", "0.75", "")
    assert (second["last"], second["best"]) == ("nan", "inf")
    assert (second["reason"], second["model.hidden"], second["model.bias"]) == ('at "9", in w', "none", "")
    assert (third["sweep"], third["loss.delta"], third["metric.last"]) == ("bb", "a,b", "")


def test_json_is_one_document_without_nan():
    stream = io.StringIO()
    write_json(stream, [(SWEEP, Tally(2, {"budget": 2}, {"passed": 2}))], RUNS)
    document = json.loads(stream.getvalue(), parse_constant=pytest.fail)
    (sweep,) = document["sweeps"]
    assert (sweep["id"], sweep["points"], sweep["runs"], sweep["passed"]) == ("aa", SWEEP.points, 2, 1.0)
    first, second, third = document["runs"]
    assert first["parameters"] == {"weight": [[1, 2]], "bias": [3]}
    assert first["trace"] == {"steps": [0, 9], "loss": [0.5, None]}
    assert first["axes"] == SWEEP.points[0]
    assert second["loss"] == {"first": 0.1 + 0.2, "last": None, "best": None}
    assert third["sweep"] == "bb"


@pytest.mark.parametrize("runs", [[], RUNS[:1]])
def test_json_of_few_runs_is_a_document_too(runs):
    stream = io.StringIO()
    write_json(stream, [], runs)
    assert len(json.loads(stream.getvalue())["runs"]) == len(runs)


@pytest.mark.parametrize("in_order", [False, True])
def test_parquet_reads_back(tmp_path, stored, in_order):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(tmp_path / "runs.parquet", TABLE, stored, traces=True, in_order=in_order)
    table = parquet.read_table(tmp_path / "runs.parquet")
    assert table.column_names == [*TABLE.columns, "parameters.weight", "parameters.bias", "trace.steps", "trace.loss"]
    first, second, third = sorted(table.to_pylist(), key=lambda run: run["key"])
    assert (first["optimizer.lr"], first["axis.steps"], first["model.bias"]) == (1e-4, 5, True)
    assert (first["parameters.weight"], first["parameters.bias"]) == ([1, 2], [3])
    assert second["parameters.weight"] == []
    assert (first["trace.steps"], first["trace.loss"]) == ([0, 9], [0.5, math.inf])
    assert math.isnan(second["last"])
    assert second["axis.steps"] == 2**40
    assert second["loss.delta"] is None
    assert third["optimizer.lr"] == 7.0


def test_without_pyarrow_parquet_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(StoreError, match=r"Parquet needs pyarrow; .*pip install 'gradient-playground\[parquet\]'"):
        exporting.require_parquet()
