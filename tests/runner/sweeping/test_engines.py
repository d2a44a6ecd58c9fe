"""An engine is one class in `ENGINES`: a fourth one is listed, chosen, noted and used like the three we ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import playground as api
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE, load_plugins
from playground.runner.store import Store
from playground.runner.sweeping import engines
from playground.runner.sweeping.sweep import SweepOptions

FOURTH = """
from playground import hookimpl
from playground.runner.sweeping import engines
from playground.runner.sweeping.sequential import run_sequentially

class FourthEngine:
    name = "fourth"

    def examine(self, trial):
        with trial.prepare() as ready:
            steps = ready.loaded.scenario.steps
        if steps > 60:
            raise engines.CannotComputeError("more than 60 steps")
        return "by hand"

    def chunk_size(self, trial, memory):
        return 2

    def compute(self, chunk, cache, watch):
        if len(chunk.members) < 2:
            raise engines.CannotComputeError("a run without company")
        yield from run_sequentially(chunk, cache.plugins)

if "fourth" not in engines.engine_names():
    engines.ENGINES = (*engines.ENGINES[:PLACE], FourthEngine(), *engines.ENGINES[PLACE:])

@hookimpl
def playground_losses():
    return {}
"""
"""An engine that takes short runs, two at a time; a plugin, because worker processes import it as well."""

RATES = [0.01, 0.02, 0.03, 0.04]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.setattr(engines, "ENGINES", engines.ENGINES)  # whatever a plugin does to it ends with the test
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def swept(root, here, write):
    def swept(place, steps, engine="auto", rates=RATES):
        plugin = str(write("fourth.py", f"PLACE = {place}\n{FOURTH}"))
        path, over = root / "scenarios/and_gate.yaml", {"optimizer.lr": rates}
        return api.sweep(path, over, None, {"steps": steps}, plugins=[plugin], options=SweepOptions(engine=engine))

    return swept


def rows_of(sweep):
    with Store.open(Path.cwd(), create=False) as store:
        return [row for _, row in store.rows(sweep.id)]


@pytest.mark.slow
def test_a_fourth_engine_is_chosen_noted_and_stored(swept):
    sweep = swept(0, 50)
    assert (sweep.engines, sweep.notes) == ({"fourth": 4}, ("fourth: by hand",))
    rows, plain = rows_of(sweep), rows_of(swept(0, 50, "plain"))
    assert {row.engine for row in rows} == {"fourth"}
    assert [(row.last, row.parameters) for row in rows] == [(row.last, row.parameters) for row in plain]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("place", "after"), [(0, "batched"), (2, "plain")])
def test_the_next_engine_computes_what_it_refuses_and_says_why(swept, place, after):
    sweep = swept(place, 70, "fourth" if after == "plain" else "auto")
    assert (sweep.engines, sweep.notes) == ({after: 4}, (f"{after}: more than 60 steps",))


def test_what_it_refuses_after_all_the_next_one_computes(swept):
    """Five runs in chunks of two: the last is by itself."""
    sweep = swept(1, 50, "fourth", [*RATES, 0.05])
    assert sweep.engines == {"fourth": 4, "batched": 1}
    assert sweep.notes == ("fourth: by hand", "batched: a run without company")


def test_the_command_line_asks_for_it_by_name_and_worker_processes_use_it(here, write, root, playground):
    plugin = str(write("fourth.py", f"PLACE = 2\n{FOURTH}"))
    command = ("-p", plugin, "sweep", str(root / "scenarios/and_gate.yaml"), "--seeds", "4", "--set", "steps=50")
    load_plugins(specs=[plugin], autoload=False)  # `--engine` is read before plugins are: engines are no plugins' part
    result = playground(*command, "--engine", "fourth", "-j", "2", "--json")
    assert {run["engine"] for run in json.loads(result.stdout)["runs"]} == {"fourth"}, result.stderr
    result = playground(*command, "--engine", "forth")
    assert result.stderr.startswith("--engine forth: unknown; did you mean 'fourth'?")


def test_the_engines_that_we_ship_are_what_can_be_asked_for(here):
    assert engines.engine_names() == ("auto", "compiled", "batched", "plain")
    assert [engine.name for engine in engines.engines_from("batched")] == ["batched", "plain"]
    assert engines.next_engine("plain") is None
