"""What tests of WebAssembly share: modules in wasmtime, and a page that runs one."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from playground.core.compiled.orders import SampleOrders
from playground.core.compiled.wasm.live_module import LiveTerms, NoModule, make_live_module
from playground.core.compiled.wasm.tiles import INTEGER_RECORDS, RECORDS
from playground.core.movers import make_mover
from playground.core.setting import one_thread
from playground.core.steppers import make_stepper

ELEMENTS = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}


class WasmInstance:
    """A module in wasmtime, which validates it."""

    def __init__(self, code):
        wasmtime = pytest.importorskip("wasmtime")
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        module = wasmtime.Module(engine, code)
        self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)

    def reserve(self, size):
        """Let the memory have at least so many bytes; return them as an array."""
        memory = self._exports["memory"]
        if (missing := size - memory.data_len(self._store)) > 0:
            memory.grow(self._store, -(-missing // 65_536))
        return np.frombuffer(memory.get_buffer_ptr(self._store), dtype=np.uint8)

    def call(self, name, *arguments):
        return self._exports[name](self._store, *arguments)


class LivePage:
    """Does what a page does: fills the memory of a module, and calls its functions."""

    def __init__(self, live, runs=1, *, data=(), orders=None, kept=None):
        self.live, self.runs, self.steps = live, runs, live.steps
        kept = range(self.steps) if kept is None else kept
        self.tiles = -(-runs // live.layout.width)
        streams, span = (1, self.steps) if orders is None else orders.shape[:2]
        self.sizes = {"tiles": self.tiles, "steps": self.steps, "kept": len(kept), "streams": streams, "span": span}
        self.sizes["points"] = self.tiles
        samples = [tensor.numpy() for tensor in data]
        self.sizes["samples"] = len(samples[0]) if samples else 0
        self.sizes["batch"] = 0 if orders is None else orders.shape[2]
        self.addresses, end = live.layout.place(self.sizes)
        self._instance = WasmInstance(live.code)
        self._memory = self._instance.reserve(end)
        sizes = {name: self.sizes[name] for name in ("kept", "span", "samples", "batch")}
        for name, number in {"ordered": 0, **sizes, **self.addresses}.items():
            at = live.layout.address_of(name)
            self._memory[at : at + 4].view(np.int32)[0] = number
        self["dials"][:] = [dial.value for dial in live.dials]
        self["factors"][:, 0] = live.factors
        self["phases"][:, 0] = live.phases
        self["columns"][:] = -1
        self["columns"][list(kept), 0] = np.arange(len(kept))
        if live.counts:
            self["counts"][:] = np.transpose(live.counts)
        for place, dial in enumerate(live.varying):
            self["varying"][:, place] = dial.value
        for place, numbers in enumerate(samples if live.data else ()):
            self[f"data{place}"].reshape(-1)[:] = numbers.reshape(-1)
        if orders is not None:
            self["order"][:] = orders.reshape(self["order"].shape)
            self["streams"][:] = 0

    def __getitem__(self, name):
        array = self.live.layout[name]
        begin = self.addresses[name]
        content = self._memory[begin : begin + array.count_bytes(self.sizes)].view(ELEMENTS[array.element])
        shape = [*(self.sizes[each] for each in array.rows), array.count, *([array.lanes] if array.lanes > 1 else [])]
        return content.reshape(shape)

    def leave_out(self, name):
        """Say that an output is not wanted."""
        at = self.live.layout.address_of(name)
        self._memory[at : at + 4] = 0

    def call(self, name, *arguments):
        return self._instance.call(name, *arguments)

    def put(self, name, rows):
        """Write a row for each run."""
        width, content = self.live.layout[name].lanes, self[name]
        rows = np.asarray(rows)
        full = np.concatenate([rows, np.repeat(rows[-1:], len(content) * width - len(rows), axis=0)])
        content[:] = full.reshape(len(content), width, -1).transpose(0, 2, 1).reshape(content.shape)

    def rows(self, name):
        """Return a row for each run."""
        content, width = self[name], self.live.layout[name].lanes
        found = content.reshape(len(content), -1, width).transpose(0, 2, 1).reshape(len(content) * width, -1)
        return found[: self.runs].copy()

    def record(self, name):
        """Return a record of each run."""
        array, names = ("integers", INTEGER_RECORDS) if name in INTEGER_RECORDS else ("numbers", RECORDS)
        return self.rows(array)[:, names.index(name)]

    def ends(self):
        """Return how each run ended and at which step."""
        return [
            (self.live.ends[end], int(step))
            for end, step in zip(self.record("status"), self.record("steps"), strict=True)
        ]

    def losses(self):
        """Return the kept losses, a row for each run."""
        return self.kept("losses")

    def kept(self, name):
        """Return one number for each kept step, a row for each run."""
        found = self[name].reshape(self.tiles, self.sizes["kept"], -1).transpose(0, 2, 1)
        return found.reshape(-1, self.sizes["kept"])[: self.runs].copy()

    def run(self, starts, part=None):
        """Make all steps, in parts; return the losses."""
        self.put("starts", starts)
        self["losses"][:] = np.nan
        self.call("uniform", 0, self.steps)
        self.fitting = self.call("begin", 0, self.tiles)
        for step in range(0, self.steps, part or self.steps):
            self.call("descend", 0, self.tiles, step, min(step + (part or self.steps), self.steps))
        self.call("conclude", 0, self.tiles)
        return self.losses()


def flatten(problem):
    return np.concatenate([each.detach().numpy().reshape(-1) for each in problem.parameters.values()])


def run_alone(problem, optimizer, steps, schedule=None, clip=None):
    """Make a run in plain PyTorch; return its losses, the last one, and the final parameters."""
    before = {name: each.detach().clone() for name, each in problem.parameters.items()}
    stepper = make_stepper(problem, optimizer, schedule, clip)
    losses = []
    with one_thread():
        for step in range(steps):
            losses.append(stepper.evaluate(step))
            stepper.update(step)
        last, final = stepper.finish(), flatten(problem)
    with torch.no_grad():
        for name, each in problem.parameters.items():
            each.copy_(before[name])
    return np.array(losses), last, final


class LiveDescent:
    """A descent as a module and in plain PyTorch."""

    def __init__(self, problem, optimizer, steps=200, schedule=None, clip=None, **terms):
        self.problem, self.optimizer, self.steps = problem, optimizer, steps
        self.options = {"schedule": schedule, "clip": clip}
        factors = None if schedule is None else [schedule(step) for step in range(steps)]
        mover = make_mover([optimizer])
        self.terms = LiveTerms(problem=problem, mover=mover, steps=steps, factors=factors, clip=clip, **terms)
        self.live = make_live_module(self.terms)

    def page(self, runs=1, **options):
        assert not isinstance(self.live, NoModule), self.live.reason
        batches = self.problem.batches
        orders = None
        if batches.size:
            spans = SampleOrders(batches, [0]).spans(self.steps)
            orders = np.concatenate([order.numpy() for _, _, order in spans], axis=1)
        return LivePage(self.live, runs, **{"data": batches.data, "orders": orders, **options})

    def alone(self, optimizer=None):
        return run_alone(self.problem, optimizer or self.optimizer, self.steps, **self.options)

    def tolerance(self):
        """How far losses may lie apart, relative to 1 and the loss; more where rounding the start moves the run."""
        dtype = next(iter(self.problem.parameters.values())).dtype
        return 1e-12 if dtype is torch.float64 else 1e-5


@pytest.fixture(scope="session")
def instance_of():
    """A module in wasmtime."""
    return WasmInstance


@pytest.fixture(scope="session")
def descent_of():
    """A descent as a module and in plain PyTorch."""
    return LiveDescent


@pytest.fixture(scope="session")
def start_of():
    """The parameters of a problem as one row."""
    return flatten


@pytest.fixture(scope="session")
def load_beside():
    """Load a module of the tests of the compiled engine by its name."""
    loaded = {}

    def load(name):
        if name not in loaded:
            spec = importlib.util.spec_from_file_location(f"beside_{name}", Path(__file__).parents[1] / f"{name}.py")
            sys.modules[spec.name] = loaded[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded[name])
        return loaded[name]

    yield load
    for module in loaded.values():
        del sys.modules[module.__name__]


@pytest.fixture(scope="session")
def coverage(load_beside):
    """The tables of `test_coverage.py`: what ships with the package."""
    return load_beside("test_coverage")
