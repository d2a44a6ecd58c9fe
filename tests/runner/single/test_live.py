"""What a page is given of a scenario: decoded from its JSON, it repeats the runs of Python."""

import base64
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import playground
from playground.live import Dial, Layout, WasmArray
from playground.plugins.manager import load_plugins
from playground.report.html.live_data import live_data
from playground.report.html.page import as_json
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one

MAX_BYTES = 300_000
"""The most that a live page may add to its scenario's page."""

SCENARIOS = {
    "and_gate": (0, 7),
    "and_gate_handwritten": (1,),
    "bowl": (2,),
    "bowl_diverges": (0,),
    "himmelblau": (3, 0, 31),
    "line": (4,),
    "or_gate": (5,),
    "polynomial_fit": (6,),
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


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_runs_of_a_scenario(root, shared, plugins, name) -> None:
    """The scenario's own seed and others: losses, gradient norms, how it ends, and the recorded losses."""
    path = root / "scenarios" / f"{name}.yaml"
    content, own = write_live(path, plugins)
    print(f"\n{name}: {len(as_json(content)):,} bytes, {len(content['programs'])} programs")
    exact = content["programs"][0]["dtype"] == "float64"
    # The logarithm of a probability near 1 has the rounding of that probability, 6e-8, however small it is.
    tolerance = {"rtol": 1e-12, "atol": 1e-14} if exact else {"rtol": 1e-5, "atol": 1e-7}
    for seed in SCENARIOS[name]:
        run = own if seed == own.seed else playground.run(path, seed=seed, record=40, plugins=plugins)
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
