"""What a page is given of a scenario: decoded from its JSON, it repeats the runs of Python."""

import base64
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import playground
from playground.live import Dial, Layout, NoModule, WasmArray
from playground.plugins.manager import load_plugins
from playground.report.html.live_data import live_data
from playground.report.html.page import as_json
from playground.runner.loading.calls import ScenarioCall
from playground.runner.single import live
from playground.runner.single.live import make_live, make_scenario_live
from playground.runner.single.preparing import prepare
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one

MAX_BYTES = 300_000
"""The most that a live page may add to the page of a scenario that ships."""

SCENARIOS = {
    "and_gate": (0, 7),
    "bowl_diverges": (0,),
    "himmelblau": (3, 0, 31),
    "line": (4,),
    "polynomial_fit": (6,),
}
SLOW_SCENARIOS = {
    "and_gate_handwritten": (1,),
    "bowl": (2,),
    "or_gate": (5,),
    "rosenbrock": (1,),
    "two_moons": (0, 1),
    "xor_gate": (0,),
}
"""The scenarios that ship and descend, each with seeds whose runs are repeated."""


@pytest.fixture(scope="module")
def shared():
    """What the tests of WebAssembly share."""
    path = Path(__file__).parents[2] / "core" / "compiled" / "wasm" / "conftest.py"
    spec = importlib.util.spec_from_file_location("shared_by_wasm", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plugins():
    """The plugins that are installed."""
    return load_plugins()


def decode(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def read_program(content, program):
    """Return a program of the JSON as `LivePage` takes it."""
    arrays = [
        WasmArray(name, element, count, lanes, tuple(rows), role)
        for name, element, count, lanes, rows, role in program["arrays"]
    ]
    phases = program["phases"]
    return SimpleNamespace(
        code=base64.b64decode(program["code"]),
        layout=Layout(program["width"], tuple(arrays), program["reserved"]),
        steps=content["most"],
        dials=[Dial(name, value) for name, value, *_ in program["dials"]],
        varying=[Dial(name, value) for name, value, *_ in program["varying"]],
        factors=content["factors"] or [1.0] * content["most"],
        phases=phases + [0] * (content["most"] - len(phases)),
        counts=program["counts"],
        data=program["data"],
        batch=program["batch"],
        ends=program["ends"],
        statuses=program["statuses"],
    )


def open_page(shared, content, seed, place=0):
    """Return a page that runs a program of the JSON, and the start of a seed."""
    live, row = read_program(content, content["programs"][place]), content["seeds"].index(seed)
    data = [decode(each["values"], "<f8").reshape(each["shape"]) for each in content["data"]]
    orders = None
    if content["orders"]:
        indices = decode(content["orders"], {1: "u1", 2: "<u2", 4: "<i4"}[content["orderBytes"]])
        orders = indices.reshape(len(content["seeds"]), content["most"], live.batch)[row : row + 1]
    page = shared.LivePage(live, data=[SimpleNamespace(numpy=lambda each=each: each) for each in data], orders=orders)
    return page, decode(content["starts"], "<f8").reshape(len(content["seeds"]), -1)[row : row + 1]


def write_live(path, plugins, **changes):
    """Return what a page is given of a scenario, through its JSON, and the run."""
    run = run_one(playground.load_scenario(path, changes), plugins, record=RecordOptions(steps=40, live=True))
    return json.loads(as_json(live_data(run.live_data, run))), run


def write_keys(plugins, **keys):
    """Return what a page is given of a scenario in keywords, through its JSON."""
    run = run_one(playground.load_scenario(plugins=plugins, **keys), plugins, record=RecordOptions(40, live=True))
    return json.loads(as_json(live_data(run.live_data, run)))


def run_seed(path, plugins, seed, **changes):
    """Return a run of Python with another seed."""
    loaded = playground.load_scenario(path, {"seed": seed, **changes})
    return run_one(loaded, plugins, record=RecordOptions(40, views=False))


def descend(shared, content, seed, steps, place=0):
    """Return the losses of a run in a page, its gradient norms, and how it ended."""
    page, start = open_page(shared, content, seed, place)
    page.put("starts", start)
    page["losses"][:] = np.nan
    page.call("uniform", 0, steps)
    assert page.call("begin", 0, page.tiles) == page.tiles
    page.call("descend", 0, page.tiles, 0, steps)
    page.call("conclude", 0, page.tiles)
    losses = page.losses()[0].astype(float)
    end, step = page.ends()[0]
    status = dict(zip(page.live.ends, page.live.statuses, strict=True))[end]
    return losses, page.kept("norms")[0].astype(float), status, steps if end == "going" else step


@pytest.mark.parametrize("name", [*SCENARIOS, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW_SCENARIOS)])
def test_the_runs_of_a_scenario(root, shared, plugins, name) -> None:
    """The scenario's own seed and others: losses, gradient norms, how it ends, and the recorded losses."""
    path = root / "scenarios" / f"{name}.yaml"
    content, own = write_live(path, plugins)
    grown, programs = len(as_json(content)), content["programs"]
    print(f"\n{name}: {grown:,} bytes, {len(programs)} programs, {len(content['seeds'])} seeds")
    assert grown <= MAX_BYTES
    exact = content["programs"][0]["dtype"] == "float64"
    # The logarithm of a probability near 1 has the rounding of that probability, 6e-8, however small it is.
    tolerance = {"rtol": 1e-12, "atol": 1e-14} if exact else {"rtol": 1e-5, "atol": 1e-7}
    for seed in (SCENARIOS | SLOW_SCENARIOS)[name]:
        run = own if seed == own.seed else run_seed(path, plugins, seed)
        losses, norms, status, steps = descend(shared, content, seed, content["steps"])
        np.testing.assert_allclose(losses[: len(run.trace.loss)], run.trace.loss, **tolerance)
        assert (status, steps) == (run.status, run.steps)
        recording = run.trace.recording
        for step, norm in zip(recording.steps, recording.gradient_norms, strict=True):
            if norm is not None and step < steps:
                assert norms[step] == pytest.approx(norm, rel=1e-12 if exact else 1e-4, abs=1e-14 if exact else 1e-6)
    steps = decode(content["losses"]["steps"], "<i4")
    np.testing.assert_array_equal(decode(content["losses"]["values"], "<f8"), np.array(own.trace.loss)[steps])
    assert content["last"] == own.loss.last


def test_other_optimizers_on_the_same_problem(root, shared, plugins) -> None:
    """Each is the run of that optimizer with its defaults."""
    path = root / "scenarios" / "himmelblau.yaml"
    content, _ = write_live(path, plugins, steps=60)
    names = [program["name"] for program in content["programs"]]
    assert names[0] == "sgd"
    assert len(names) == len(set(names)) == 11
    for place, name in enumerate(names[1:], 1):
        dials = content["programs"][place]["dials"] + content["programs"][place]["varying"]
        defaults = {"name": name, **{each: value for each, value, *_ in dials}}
        run = run_seed(path, plugins, 3, steps=60, optimizer=defaults)
        losses, _, status, steps = descend(shared, content, 3, 60, place)
        np.testing.assert_allclose(losses[: len(run.trace.loss)], run.trace.loss, rtol=1e-5, err_msg=name)
        assert (status, steps) == (run.status, run.steps)


def test_mini_batches_and_a_schedule(shared, plugins) -> None:
    """The order of the samples is that of each seed, also beyond the scenario's steps."""
    keys = {
        "task": "classification",
        "dataset": {"name": "moons", "samples": 10},
        "model": "perceptron",
        "loss": "bce_with_logits",
        "optimizer": {"name": "sgd", "lr": 0.5},
        "schedule": {"name": "exponential", "gamma": 0.99},
        "batch_size": 4,
    }
    content = write_keys(plugins, **keys, steps=60, seed=2)
    for steps, seed in ((60, 2), (120, 30)):
        run = playground.run(**keys, steps=steps, seed=seed, plugins=plugins)
        losses, _, _, _ = descend(shared, content, seed, steps)
        np.testing.assert_allclose(losses[:steps], run.trace.loss, rtol=1e-5)
    assert content["orderBytes"] == 1
    assert content["most"] == 120


class Noisy(torch.nn.Module):
    """A model whose steps draw random numbers."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = torch.nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.linear(x) + torch.randn(())


class Shy(Noisy):
    """A model that raises where it is recorded, but not where it runs."""

    def forward(self, x):
        if type(self.linear(x)) is not torch.Tensor:
            raise KeyError("only a plain tensor, please")
        return self.linear(x)


LINE = {"task": "regression", "dataset": {"name": "line", "samples": 8}, "model": "linear", "loss": "mse", "steps": 20}
WHY_NOT = {
    "random numbers": (LINE | {"model": Noisy}, "random numbers"),
    "a component that raises": (LINE | {"model": Shy}, "only a plain tensor, please"),
    "too many steps": (LINE | {"steps": 30_000}, "30,000 steps are more than the 20,000 that a page takes"),
    "large data": (LINE | {"dataset": {"name": "line", "samples": 30_000}}, "60,000 numbers in the data are more than"),
    "long orders": (
        LINE | {"dataset": {"name": "line", "samples": 100}, "batch_size": 50, "steps": 15_000},
        "750,000 samples in mini-batches are more than",
    ),
    "line search": (LINE | {"optimizer": "torch.LBFGS"}, "a step evaluates the loss again and again"),
}

SLOW_CASE = pytest.param("line search", marks=pytest.mark.slow)


@pytest.mark.parametrize("case", [each for each in WHY_NOT if each != "line search"] + [SLOW_CASE])
def test_why_a_page_has_no_program(plugins, case) -> None:
    keys, words = WHY_NOT[case]
    call = ScenarioCall(name="run()", path=None, keys={"optimizer": "sgd", **keys}, changes={}).load(plugins)
    found = make_scenario_live(call.loaded, call.plugins)
    assert isinstance(found, NoModule)
    assert words in found.reason
    assert "\n" not in found.reason


def test_a_reason_costs_no_run(plugins) -> None:
    keys = WHY_NOT["a component that raises"][0] | {"optimizer": "sgd"}
    call = ScenarioCall(name="run()", path=None, keys=keys, changes={}).load(plugins)
    run = run_one(call.loaded, call.plugins, record=RecordOptions(10, live=True))
    assert run.status == "budget"
    assert list(live_data(run.live_data, run)) == ["reason"]
    assert run.trace.loss == playground.run(**keys, plugins=plugins).trace.loss


def test_a_task_without_a_descent(root, plugins) -> None:
    loaded = playground.load_scenario(root / "scenarios" / "square_derivative.yaml")
    assert make_scenario_live(loaded, plugins) == NoModule("task 'derivative' has no descent")
    assert run_one(loaded, plugins, record=RecordOptions(live=True)).live_data is None


def test_nothing_changes_what_is_prepared(plugins, shared) -> None:
    """Neither the parameters nor the random streams, and the run is the same as without."""
    keys = LINE | {"dataset": {"name": "line", "samples": 9}, "batch_size": 3, "optimizer": "adam", "validation": 0.3}
    loaded = playground.load_scenario(**keys)
    with prepare(loaded, plugins) as ready:
        before, stream = shared.flatten(ready.problem), torch.get_rng_state()
        make_live(ready, plugins)
        np.testing.assert_array_equal(shared.flatten(ready.problem), before)
        assert torch.equal(torch.get_rng_state(), stream)
    runs = [run_one(loaded, plugins, record=RecordOptions(0, live=each)) for each in (False, True)]
    assert runs[0].trace == runs[1].trace
    assert runs[0].metrics == runs[1].metrics


def test_a_schedule_that_ends_with_the_scenario(plugins) -> None:
    """A program makes no more steps than the schedule knows."""
    factors = [1.0 / (1 + step) for step in range(30)]
    keys = LINE | {"optimizer": "sgd", "schedule": lambda step: factors[step], "steps": 30}
    call = ScenarioCall(name="run()", path=None, keys=keys, changes={}).load(plugins)
    found = make_scenario_live(call.loaded, call.plugins)
    assert (found.steps, found.most, found.factors) == (30, 30, tuple(factors))


def test_fewer_seeds_for_large_models(plugins, monkeypatch) -> None:
    """The scenario's own is always there."""
    monkeypatch.setattr(live, "MAX_START_BYTES", 1_000)
    monkeypatch.setattr(live, "MAX_ALTERNATIVES", 0)
    counts = {}
    for hidden in (1, 10, 50):
        model = {"name": "mlp", "hidden": [hidden], "activation": "tanh"}
        keys = LINE | {"model": model, "optimizer": "sgd", "seed": 50, "dataset": {"name": "line", "samples": 2}}
        found = make_scenario_live(playground.load_scenario(**keys), plugins)
        assert found.seeds == (*range(len(found.seeds) - 1), 50)
        counts[hidden] = len(found.seeds)
    assert counts == {1: 31, 10: 4, 50: 1}


def test_seeds_that_differ_in_more_than_their_start(plugins) -> None:
    class Offset(torch.nn.Module):
        """Draws a number that is no parameter."""

        def __init__(self, inputs, outputs):
            super().__init__()
            self.linear = torch.nn.Linear(inputs, outputs)
            self.register_buffer("offset", torch.randn(()))

        def forward(self, x):
            return self.linear(x) + self.offset

    call = ScenarioCall(name="run()", path=None, keys=LINE | {"model": Offset, "optimizer": "sgd"}, changes={})
    loaded = call.load(plugins)
    assert make_scenario_live(loaded.loaded, loaded.plugins).seeds == (0,)


EXPECTED = {
    "loss": {"below": 0.05, "above": 0},
    "steps": {"equals": 20},
    "status": {"equals": "budget"},
    "weight": {"near": [[2]], "within": 0.1},
    "bias": {"rounded": [-1]},
    "r2": {"at_least": 0.5},
    "predictions": {"near": [[0.0]] * 8, "within": 100},
}


def test_expectations_that_a_page_can_judge(plugins) -> None:
    found = write_keys(plugins, **LINE, optimizer="sgd", expect=EXPECTED)["expectations"]
    assert [each and (each["quantity"], each["condition"]) for each in found] == [
        ("loss", ["below", 0.05]),
        ("loss", ["above", 0.0]),
        ("steps", ["equals", 20, 4 * 2.0**-23]),
        ("status", ["equals", "budget", 4 * 2.0**-23]),
        ("weight", ["near", [[2]], 0.1]),
        ("bias", ["rounded", [-1]]),
        ("r2", ["at_least", 0.5]),
        ("predictions", ["near", [[0.0]] * 8, 100.0]),
    ]
    assert found[0]["what"] == "loss below 0.05"
