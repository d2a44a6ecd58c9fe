"""The module of a scenario gives the losses of the run, from its file."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import playground
from playground.plugins.manager import load_plugins
from playground.runner.single.live import make_scenario_module
from playground.runner.single.preparing import prepare


@pytest.fixture(scope="module")
def shared():
    """What the tests of WebAssembly share."""
    path = Path(__file__).parents[2] / "core" / "compiled" / "wasm" / "conftest.py"
    spec = importlib.util.spec_from_file_location("shared_by_wasm", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "end"),
    [("and_gate", "going"), ("bowl_diverges", "diverged"), ("line", "gradient"), ("rosenbrock", "loss")],
)
def test_losses_of_a_scenario(root, shared, name, end) -> None:
    path, plugins = root / "scenarios" / f"{name}.yaml", load_plugins()
    with prepare(playground.load_scenario(path), plugins) as ready:
        live = make_scenario_module(ready, plugins)
        start = shared.flatten(ready.problem)
        page = shared.LivePage(live, data=ready.problem.batches.data)
        found = page.run(start[None])[0].astype(float)
        np.testing.assert_array_equal(shared.flatten(ready.problem), start)
    run = playground.run(path)
    wanted = np.array(run.trace.loss)
    np.testing.assert_allclose(found[: len(wanted)], wanted, rtol=1e-5, atol=1e-8)
    assert page.ends()[0] == (end, 0 if end == "going" else run.steps)
    assert all(dial.range.low <= dial.value <= dial.range.high for dial in (*live.varying, *live.dials))
