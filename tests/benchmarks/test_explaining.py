"""What an explanation costs beyond the step that it explains.

Run with `pytest tests/benchmarks/test_explaining.py -m benchmark -s`.
"""

import time

import pytest

from playground.plugins.manager import load_plugins
from playground.report.explanation.rendering import renderer
from playground.runner.explaining.step import explain
from playground.runner.single.preparing import prepare
from playground.scenario.model import load_scenario

LARGE = """
task: classification
dataset: {name: blobs, samples: 64}
model: {name: mlp, hidden: [3100, 3100]}
loss: cross_entropy
optimizer: {name: adam, lr: 0.001}
steps: 1
"""


@pytest.mark.benchmark
def test_ten_million_parameters(tmp_path):
    (tmp_path / "large.yaml").write_text(LARGE)
    loaded, plugins = load_scenario(tmp_path / "large.yaml"), load_plugins(autoload=False)
    with prepare(loaded, plugins) as ready:
        parameters = sum(tensor.numel() for tensor in ready.stepper.parameters)
        start = time.perf_counter()
        ready.stepper.evaluate(0)
        alone = time.perf_counter() - start
    start = time.perf_counter()
    told = explain(loaded, plugins)
    explained = time.perf_counter() - start
    print(f"\n{parameters:,} parameters: forward and backward {alone:.2f} s, explained {explained:.2f} s")
    for form in ("text", "html", "latex", "json"):
        start = time.perf_counter()
        written = renderer(form, "en", 100)(told)
        print(f"  {form:<5} {len(written):>7,} characters, {time.perf_counter() - start:.3f} s")
