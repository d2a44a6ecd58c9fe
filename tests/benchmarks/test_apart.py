"""What steps cost that are taken apart: modules in V8 (node) where it is installed, and compiled sweeps. Gates nothing.

Run with `pytest tests/benchmarks/test_apart.py -m benchmark -s`.
"""

import importlib.util
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from playground.builtin import losses, models
from playground.builtin.optimizers import Adam
from playground.core.compiled import CompiledReplicas, compiled_program
from playground.core.compiled.loop_layout import LoopProgram
from playground.core.compiled.wasm.live_module import NoModule
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem
from playground.core.replicas import RuleReplicas
from playground.core.setting import one_thread
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SHARED = Path(__file__).parents[1] / "core" / "compiled" / "wasm" / "conftest.py"
STEPS, MODULE_REPEATS, KERNEL_REPEATS = 500, 8, 4
MOONS = "two moons 2-16-16-1"

NODE = """
const fs = require("fs"), [folder, steps, repeats] = process.argv.slice(1);
const began = process.hrtime.bigint();
const module = new WebAssembly.Module(fs.readFileSync(`${folder}/module.wasm`));
const compiled = Number(process.hrtime.bigint() - began) / 1e6, image = fs.readFileSync(`${folder}/memory`);
const { memory, descend } = new WebAssembly.Instance(module).exports;
const missing = image.length - memory.buffer.byteLength;
if (missing > 0) memory.grow(Math.ceil(missing / 65536));
const found = [];
for (let i = 0; i < repeats; i++) {
  new Uint8Array(memory.buffer).set(image);
  const start = process.hrtime.bigint();
  descend(0, 1, 0, +steps);
  found.push(Number(process.hrtime.bigint() - start) / 1e3 / steps);
}
console.log(JSON.stringify({ compiled, first: found[0], best: Math.min(...found) }));
"""


@pytest.fixture(scope="module")
def shared():
    spec = importlib.util.spec_from_file_location("shared_by_benchmark", SHARED)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_problem(hidden, samples, size=None, dtype=torch.float32):
    torch.manual_seed(0)
    inputs = torch.randn(samples, 2, dtype=dtype)
    targets = (inputs[:, :1] * inputs[:, 1:] > 0).to(dtype)
    module = (models.mlp(2, 1, hidden=hidden) if hidden else models.Perceptron(2, 1)).to(dtype)
    loss = losses.bce_with_logits if hidden else losses.mse
    return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches((inputs, targets), size))


MODULES = {
    "gate": ((), 4, None),
    "gate, 50 samples": ((), 50, None),
    "2-8-1, 4 samples": ((8,), 4, None),
    "2-16-1, 200 samples": ((16,), 200, None),
    f"{MOONS}, 200 samples": ((16, 16), 200, None),
    f"{MOONS}, batches of 32": ((16, 16), 200, 32),
}


def test_modules(shared, tmp_path) -> None:
    """The bytes of each module, and the time of a step of one run."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    print(f"\n{'case':36} {'':10} {'bytes':>8} {'made':>7} {'V8':>8} {'first':>9} {'best':>9} {'a run of many':>14}")
    for name, sizes in MODULES.items():
        for dtype in (torch.float32, torch.float64):
            for apart in (True, False):
                problem = make_problem(*sizes, dtype)
                began = time.process_time()
                descent = shared.LiveDescent(problem, Adam(lr=0.01), steps=STEPS, apart=apart)
                made = time.process_time() - began
                kind = f"{str(dtype)[6:]}, {'apart' if apart else 'whole'}"
                if isinstance(descent.live, NoModule):
                    print(f"{name:28} {kind:18} {descent.live.reason}")
                    continue
                page = descent.page()
                page.put("starts", shared.flatten(problem)[None])
                page.call("uniform", 0, STEPS)
                page.call("begin", 0, page.tiles)
                (tmp_path / "module.wasm").write_bytes(descent.live.code)
                page._memory.tofile(tmp_path / "memory")
                command = ["node", "-e", NODE, str(tmp_path), str(STEPS), str(MODULE_REPEATS)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                each = found["best"] / descent.live.layout.width
                print(
                    f"{name:28} {kind:18} {len(descent.live.code):8,} {made:5.2f} s {found['compiled']:5.1f} ms", end=""
                )
                print(f" {found['first']:6.2f} µs {found['best']:6.2f} µs {each:11.2f} µs")


SWEEPS = {
    "2-8-1, 4 samples": ((8,), 4, None),
    "2-8-1, 16 samples": ((8,), 16, None),
    "2-16-1, 32 samples": ((16,), 32, None),
    "2-16-1, 200 in batches of 32": ((16,), 200, 32),
    f"{MOONS}, 200 samples": ((16, 16), 200, None),
    f"{MOONS}, batches of 32": ((16, 16), 200, 32),
}


def prepare(problem, runs):
    """Return the starts of runs, and their rule."""
    torch.manual_seed(0)
    starts = {name: torch.rand(runs, *each.shape) * 2 - 1 for name, each in problem.parameters.items()}
    return starts, Adam(lr=torch.logspace(-3, -1, runs, dtype=torch.float64))


def descend_compiled(problem, runs, steps):
    """Return the seconds to compile, the nanoseconds of a step of a run, and whether it is loops."""
    starts, rule = prepare(problem, runs)
    began = time.process_time()
    stepper = CompiledReplicas(problem, starts, list(range(runs)), make_mover([rule]), steps, StopRules())
    seconds, best = time.process_time() - began, float("inf")
    for _ in range(KERNEL_REPEATS):
        stepper.arrays, traces = stepper.fresh(starts), ReplicaTraces(stepper, steps, StopRules(), runs)
        began = time.process_time()
        stepper.descend(traces)
        best = min(best, time.process_time() - began)
    return seconds, best / runs / steps * 1e9, isinstance(stepper.kernel_program, LoopProgram)


def descend_batch(problem, runs, steps):
    """Return the nanoseconds of a step of a run in a batch of tensors."""
    starts, rule = prepare(problem, runs)
    stepper = RuleReplicas(problem, starts, list(range(runs)), rule)
    stepper.evaluate(0)
    stepper.update(0)
    began = time.process_time()
    for step in range(steps):
        stepper.evaluate(step)
        stepper.update(step)
    return (time.process_time() - began) / runs / steps * 1e9


def test_sweeps(monkeypatch) -> None:
    """Processor time to compile and of a step of a run: as one program, as loops, and as a batch of tensors."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PLAYGROUND_CACHE_DIR", "")
    print(f"\n{'case':34} {'':8} {'compiled in':>11} {'a step of a run':>16}")
    with one_thread():
        for name, sizes in SWEEPS.items():
            print(f"{name:34} batch   {'':11} {descend_batch(make_problem(*sizes), 512, 20):13,.0f} ns")
            for kind, products in {"whole": 10**9, "loops": 0}.items():
                monkeypatch.setattr(compiled_program, "MAX_UNROLLED_PRODUCTS", products)
                compiled_program._compile_text.cache_clear()
                seconds, each, is_loop = descend_compiled(make_problem(*sizes), 512, 100)
                refused = kind == "whole" and is_loop
                print(f"{name:34} {kind:8}" + ("refused" if refused else f"{seconds:9.2f} s {each:13,.0f} ns"))
