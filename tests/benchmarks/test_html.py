"""What a page costs: to write, in bytes, until a browser has it, for each step shown. Prints; gates nothing.

Run with `pytest tests/benchmarks/test_html.py -m benchmark -s`; what a browser measures needs playwright and Chromium.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from playground.cli.run import choose_recorded, find_writers
from playground.plugins.manager import load_plugins
from playground.result import Batch
from playground.runner.loading.overrides import Changes, load_with_changes
from playground.runner.single.running import run_one
from playground.runner.sweeping.sweep import run_sweep
from playground.scenario.grid import with_axes

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SCENARIOS = Path(__file__).parents[2] / "scenarios"
RATES = {"optimizer.lr": {"log": [1e-3, 10], "points": 20}}

SCRUB = """async () => {
  const slider = document.querySelector("input[type=range]"), last = Number(slider.max), start = performance.now();
  for (let k = 0; k <= last; k++) {
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
  }
  return (last + 1) / (performance.now() - start) * 1000;
}"""
"""One frame for each step, which is drawn in it; a browser makes at most 60 a second."""


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


def written(plugins, path, make):
    """Write a page; print how long that took and how large it is."""
    writers = find_writers(plugins, None, html=path)
    batch = make(choose_recorded(writers))
    start = time.perf_counter()
    for write, where in writers:
        write(batch, where)
    return time.perf_counter() - start


@pytest.mark.parametrize("name", ["and_gate", "two_moons", "bowl", "himmelblau", "xor_gate"])
def test_a_run(plugins, tmp_path, capsys, name):
    loaded = load_with_changes(SCENARIOS / f"{name}.yaml", Changes(steps=1000), plugins)
    run_one(loaded, plugins)  # so that nothing is imported below
    times = []

    def make(record):
        for what in (None, record):
            start = time.perf_counter()
            run = run_one(loaded, plugins, **({"record": what} if what else {}))
            times.append(time.perf_counter() - start)
        return Batch((run,))

    path = tmp_path / "page.html"
    took = written(plugins, path, make)
    with capsys.disabled():
        beyond = times[1] - times[0] + took
        print(f"\n{name}: 1,000 steps {times[0]:.2f} s, beyond it {beyond:.2f} s (page {took:.2f} s), {size(path)}")
        print(f"  {measured(path, SCRUB)}")


def test_a_sweep(plugins, tmp_path, capsys):
    loaded = with_axes(load_with_changes(SCENARIOS / "and_gate.yaml", Changes(), plugins), RATES, 500)
    found = run_sweep(loaded, plugins, folder=tmp_path)
    path = tmp_path / "page.html"
    took = written(plugins, path, lambda record: Batch((), sweeps=(found,)))
    with capsys.disabled():
        print(f"\nsweep of {found.runs:,} runs: page {took:.2f} s, {size(path)}\n  {measured(path)}")


def size(path):
    return f"{path.stat().st_size / 1e6:.2f} MB"


def measured(path, script=None):
    """Return when a browser has the page, and how many steps a second it shows."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return "no browser to measure with"
    with sync_playwright() as started:
        page = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector(".js-plotly-plot")
        ready = time.perf_counter() - start
        page.wait_for_timeout(1000)
        rate = page.evaluate(script) if script else None
    return f"interactive after {ready:.2f} s" + (f", {rate:.0f} steps a second scrubbed" if rate else "")
