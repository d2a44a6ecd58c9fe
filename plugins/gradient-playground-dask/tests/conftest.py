"""Fixtures: sweeps, and clusters in separate processes."""

import json
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

import playground
from playground import SweepOptions
from playground.plugin_api import Store, SweepProgress, load_plugins

SCENARIO = """
    name: gate
    task: classification
    dataset: and_gate
    model: perceptron
    loss: bce
    optimizer: {name: adam, lr: 0.05}
    steps: 400
    expect: {accuracy: {at_least: 1}}
    sweep:
      over: {optimizer.lr: [0.01, 0.1], seed: {count: COUNT}}
"""


class Sweeper:
    """Computes one sweep in several ways, each with its own store."""

    def __init__(self, folder):
        self.folder = folder
        self.progress = SweepProgress()
        self.plugins = load_plugins(folder=folder)

    def __call__(self, store, count=20, **options):
        file = self.folder / "gate.yaml"
        file.write_text(textwrap.dedent(SCENARIO).strip().replace("COUNT", str(count)) + "\n", encoding="utf-8")
        self.progress = SweepProgress()
        below = self.folder / store
        below.mkdir(exist_ok=True)
        chosen = SweepOptions(**options)
        return playground.sweep(file, plugins=self.plugins, options=chosen, folder=below, progress=self.progress)

    def rows(self, store):
        """Everything that is stored of every run, except its duration."""
        with Store.open(self.folder / store, create=False) as opened:
            return [replace(row, seconds=0.0) for _, row in opened.rows()]


@pytest.fixture
def sweep(tmp_path):
    return Sweeper(tmp_path)


class Cluster:
    """A scheduler and workers, each a process; `address` is the scheduler's."""

    def __init__(self, folder, tls=()):
        self.folder = folder
        self.tls = list(tls)
        self.processes = []
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))
        self.address = self._address()
        self.workers = []

    def _start(self, what, *arguments, environment=None):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--host", "127.0.0.1", *arguments, *self.tls]
        with (self.folder / f"{what}{len(self.processes)}.log").open("w") as log:
            self.processes.append(
                subprocess.Popen(
                    command, cwd=self.folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
                )
            )
        return self.processes[-1]

    def _address(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.file.exists() and self.file.read_text():
                return json.loads(self.file.read_text())["address"]
            time.sleep(0.05)
        raise TimeoutError((self.folder / "scheduler0.log").read_text())

    def start_worker(self, **environment):
        arguments = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")
        self.workers.append(self._start("worker", self.address, *arguments, environment=environment))

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def start_cluster(tmp_path):
    """Start a scheduler without workers; `--tls-...` options may be given."""
    clusters = []

    def start(tls=()):
        folder = Path(tmp_path, f"cluster{len(clusters)}")
        folder.mkdir()
        clusters.append(Cluster(folder, tls))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.close()


@pytest.fixture
def cluster(start_cluster):
    """A scheduler and two workers."""
    started = start_cluster()
    started.start_worker()
    started.start_worker()
    return started
