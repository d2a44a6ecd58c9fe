"""How long a page waits after a save: for the program, for the whole run, in a browser. Prints; gates nothing.

Run with `pytest tests/benchmarks/test_live.py -m benchmark -s`; what a browser measures needs playwright and Chromium.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from playground.cli.run import choose_recorded
from playground.report.html.reporter import Html
from playground.runner.loading.overrides import Changes
from playground.serving.feed import Feed
from playground.serving.following import ScenarioFollower
from playground.serving.messages import RecordingOrder
from playground.serving.recorder import Recorder

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = ["bowl", "himmelblau", "rosenbrock", "and_gate", "xor_gate", "two_moons"]
SAVES = 3
PARTS = ("plugins", "scenario", "the first steps and views", "the program, a step and views", "the whole run")


class Saves:
    """Saves a scenario under another name, and waits until the feed has it."""

    def __init__(self, path, feed):
        self.path, self.feed, self.seen, self.count = path, feed, 0, 0
        self.text = path.read_text(encoding="utf-8")

    def wait_for(self, accept):
        while True:
            for number, kind, text in self.feed.wait_for_newer(self.seen, 60):
                self.seen = number
                if accept(kind, json.loads(text)):
                    return time.perf_counter()

    def measure(self):
        """Return the seconds from a save to the first content, and to the whole run."""
        self.count += 1
        name = f"save{self.count}"
        start = time.perf_counter()
        self.path.write_text(re.sub("(?m)^name: .*$", f"name: {name}", self.text), encoding="utf-8")
        first = self.wait_for(lambda kind, message: kind == "content" and message["title"] == name)
        whole = self.wait_for(lambda kind, message: kind == "state" and message["state"] == "following")
        return first - start, whole - start


@pytest.fixture(scope="module")
def record():
    return replace(choose_recorded([(Html(), Path("page.html"))]), explanations=False)


@pytest.mark.parametrize("name", NAMES)
def test_from_a_save_to_the_feed(tmp_path, capsys, monkeypatch, record, name):
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copy(SCENARIOS / f"{name}.yaml", tmp_path))
    feed = Feed()
    order = RecordingOrder(file=path.name, changes=Changes(), record=record)
    follower = ScenarioFollower(order, Recorder(600), feed, lambda *_: None)
    threading.Thread(target=follower.follow, daemon=True).start()
    saves = Saves(path, feed)
    saves.wait_for(lambda kind, message: kind == "state" and message["state"] == "following")
    first, whole = zip(*(saves.measure() for _ in range(SAVES)), strict=True)
    with capsys.disabled():
        print(f"\n{name}: program after {describe(first)}, whole run after {describe(whole)}")


def describe(seconds):
    return f"{1e3 * median(seconds):.0f} ms ({1e3 * min(seconds):.0f} to {1e3 * max(seconds):.0f})"


def measure_pages(order):
    """Return the seconds until the page of the first steps, and until that of the whole run."""
    from playground.serving.recording import record_page

    start, until = time.process_time(), []
    record_page(order, lambda page: until.append(time.process_time() - start))
    return [*until, time.process_time() - start]


def test_where_the_time_goes(tmp_path, capsys, monkeypatch, record):
    """Times of the processor, which do not depend on what else the machine does."""
    from playground.plugins.manager import load_plugins
    from playground.runner.loading.overrides import load_with_changes
    from playground.runner.single.running import run_beginning, run_one
    from playground.serving.recording import BEGINNING_STEPS
    from playground.serving.warm_process import warm_up

    monkeypatch.chdir(tmp_path)
    warm_up()
    for name in NAMES:
        path = Path(shutil.copy(SCENARIOS / f"{name}.yaml", tmp_path))
        until = measure_pages(RecordingOrder(file=path.name, changes=Changes(), record=record))
        times = [time.process_time()]
        plugins = load_plugins(folder=tmp_path)
        times.append(time.process_time())
        loaded = load_with_changes(path, Changes(), plugins)
        times.append(time.process_time())
        run_beginning(loaded, plugins, replace(record, live=False), BEGINNING_STEPS)
        times.append(time.process_time())
        run_beginning(loaded, plugins, record, 1)
        times.append(time.process_time())
        run_one(loaded, plugins, record=replace(record, live=False))
        times.append(time.process_time())
        seconds = [later - before for before, later in pairwise(times)]
        with capsys.disabled():
            shown = ", ".join(f"{part} {1e3 * each:.0f}" for part, each in zip(PARTS, seconds, strict=True))
            print(f"\n{name}: program after {1e3 * until[0]:.0f} ms, all after {1e3 * until[-1]:.0f} ms; {shown}")


def test_in_a_browser(tmp_path, capsys):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("no Chromium")
    path = Path(shutil.copy(SCENARIOS / "bowl.yaml", tmp_path))
    text = path.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "playground", "live", path.name, "--no-browser"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().split()[0]
    times = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".follow.following")
        for count in range(SAVES):
            start = time.perf_counter()
            path.write_text(text.replace("name: bowl", f"name: save{count}"), encoding="utf-8")
            page.wait_for_selector(f"h1:has-text('save{count}')")
            times.append(time.perf_counter() - start)
            page.wait_for_selector(".follow.following")
            time.sleep(1)
        browser.close()
    process.terminate()
    process.communicate()
    with capsys.disabled():
        print(f"\nbowl in a browser: a save is shown after {describe(times)}")
