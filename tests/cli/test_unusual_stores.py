"""Every command that reads the store, against stores that nobody wishes for: one line or a right table."""

import json
import math
import re
import sqlite3
from dataclasses import replace

import pytest

from playground.plugins.manager import load_plugins
from playground.runner.store import ParameterLayout, Row, Store, tabulate_rows
from playground.runner.store.opening import store_path
from playground.runner.sweeping.identity import Identities
from playground.runner.sweeping.sweep import SweepOptions, _make_record
from playground.scenario.grid import expand
from playground.scenario.model import load_scenario

BOWL = """\
name: bowl
task: minimize
function: (x - 3)**2
start: {x: 0}
optimizer: {name: sgd, lr: 0.1}
steps: 5
expect: {x: {near: 3, within: 2}}
sweep: {over: {optimizer.lr: [0.1, 0.2], seed: [0, 1]}, expect: {passed: {at_least: 0.5}}}
"""

ROW = Row(
    key="",
    point=0,
    seed=0,
    status="budget",
    verdict="passed",
    first=9.0,
    last=0.5,
    best=0.5,
    steps=5,
    evaluations=6,
    seconds=0.1,
    engine="plain",
    parameters=b"\0" * 8,
    trace=b"\0" * 20,
)
LAYOUT = ParameterLayout((("x", ()),), (0, 1, 2, 3, 4))
NAN = math.nan
FAILED = replace(
    ROW, status="error", verdict="failed", first=NAN, last=NAN, best=NAN, steps=0, parameters=None, trace=None
)
NONFINITE = replace(ROW, status="nonfinite", verdict="failed", last=NAN, best=NAN, trace=None)
PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]

KINDS = {
    "no runs": [],
    "one run": [(ROW, PLACES[:1])],
    "a point without runs": [(ROW, PLACES[:2])],
    "all failed": [(FAILED, PLACES)],
    "some failed": [(FAILED, PLACES[:3])],
    "all nonfinite": [(NONFINITE, PLACES)],
    "a trace and no end": [(replace(ROW, last=NAN), PLACES)],
}
"""What is stored of a sweep of four runs."""

READERS = {
    "results": ("results",),
    "results --json": ("results", "--json"),
    "results show": ("results", "show", "ID"),
    "results show --json": ("results", "show", "ID", "--json"),
    "export": ("export",),
    "export --format json": ("export", "ID", "--format", "json"),
    "report --html": ("report", "--html", "page.html"),
    "report QUERY": ("report", "bowl", "--report", "junit=junit.xml"),
    "plot --kind lr": ("plot", "bowl", "--out", "figure.svg", "--kind", "lr"),
    "plot --kind loss": ("plot", "bowl", "--out", "figure.svg", "--kind", "loss"),
}
"""Commands; ID stands for the sweep's id."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bowl.yaml").write_text(BOWL, encoding="utf-8")
    return tmp_path


def store(folder, *stored):
    """Store some of the runs of the sweep under the keys that they would have; return its id."""
    plugins = load_plugins(autoload=False, folder=folder)
    loaded = load_scenario("bowl.yaml")
    grid, options = expand(loaded), SweepOptions()
    identities = Identities(plugins)
    keys = {point.index: identities.key(point.loaded, options.engine) for point in grid.points}
    record = _make_record(loaded, grid, keys, {}, options)
    with Store.open(folder) as file:
        file.begin(record)
        for row, places in stored:
            layout = LAYOUT if row.trace else replace(LAYOUT, trace_steps=())
            layout = layout if row.parameters else replace(layout, parameters=())
            rows = [
                replace(row, key=f"{keys[point]}-{seed}", point=point, seed=seed, layout=layout)
                for point, seed in places
            ]
            file.add(record.id, tabulate_rows(rows))
    return record.id


def lines_of(result):
    return [line for line in result.stderr.splitlines() if line]


@pytest.mark.product(20)
@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", READERS)
def test_whatever_is_stored_of_a_sweep(playground, folder, kind, command):
    sweep_id = store(folder, *KINDS[kind])
    result = playground(*(sweep_id if each == "ID" else each for each in READERS[command]))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(lines_of(result)) <= 1
    assert result.exit_code == (2 if lines_of(result) else 0)
    assert "Traceback" not in result.output
    if kind not in ("all nonfinite", "a trace and no end"):  # whose loss is NaN
        assert command.startswith("export") or not re.search(r"\bnan\b", result.stdout)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_goes_on_from_whatever_is_stored(playground, folder, kind):
    store(folder, *KINDS[kind])
    there = sum(len(places) for _, places in KINDS[kind])
    result = playground("sweep", "bowl.yaml")
    assert result.exit_code in (0, 1), result.output
    assert "Traceback" not in result.output
    assert f"{4 - there} runs computed" in result.stdout or "1 run computed" in result.stdout or there == 4
    assert "4 of 4" in result.stdout


def empty(path):
    path.write_bytes(b"")


def newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")


def text(path):
    path.write_text("no store at all, but a text that is longer than a header", encoding="utf-8")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unknown(path):
    """The scenario of a version that knew other keys."""
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE sweeps SET spec = '{"name": "bowl", "task": "gone", "steeps": 5}'""")


def broken_json(path):
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE sweeps SET spec = '{"name": '""")


DAMAGES = {
    "broken JSON": broken_json,
    "missing": None,
    "empty": empty,
    "newer": newer,
    "text": text,
    "half": half,
    "unknown scenario": unknown,
}


@pytest.mark.product(20)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", READERS)
def test_whatever_the_file_is(playground, folder, damage, command):
    sweep_id = store(folder, (ROW, PLACES))
    path = store_path(folder)
    for beside in path.parent.glob("*-*"):
        beside.unlink()
    path.unlink() if DAMAGES[damage] is None else DAMAGES[damage](path)
    result = playground(*(sweep_id if each == "ID" else each for each in READERS[command]))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert len(lines_of(result)) <= 1, result.stderr
    assert result.stdout or lines_of(result) or damage == "unknown scenario"


SPECS = {
    "a number out of range": '{"name": "old", "task": "minimize", "steps": -5}',
    "no task": '{"name": "old"}',
    "no mapping": "[1, 2]",
    "nothing": "null",
    "a sweep of another form": '{"name": "old", "task": "minimize", "sweep": 3}',
}
"""Scenarios that were stored once, and that this version refuses."""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("spec", SPECS)
def test_a_sweep_that_is_refused_leaves_the_others_their_report(playground, folder, spec):
    store(folder, (ROW, PLACES))
    with sqlite3.connect(store_path(folder)) as connection:
        columns = "created, file, command, axes, seeds, engine, versions, seed_ranges, warnings"
        connection.execute(
            f"INSERT INTO sweeps (id, scenario, spec, {columns}) SELECT 'f00d', 'old', ?, {columns} FROM sweeps",
            (SPECS[spec],),
        )
    connection.close()
    result = playground("report", "--report", "json=report.json")
    assert result.exit_code == 0
    (line,) = lines_of(result)
    assert line.startswith("sweep f00d of old is skipped: this version refuses its scenario: bowl.yaml: ")
    (sweep,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))["sweeps"]
    assert (sweep["scenario"], sweep["runs"]) == ("bowl", 4)
    alone = playground("report", "f00d", "--report", "json=alone.json")
    assert (alone.exit_code, lines_of(alone), (folder / "alone.json").exists()) == (2, [line], False)
    listed = playground("results")
    assert (listed.exit_code, lines_of(listed)) == (0, [])
    assert len(re.findall(r"bowl|old", listed.stdout)) == 2
    assert playground("export").exit_code == 0
