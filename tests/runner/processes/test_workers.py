"""Workers elsewhere are compared with this process before they compute anything."""

import json

import pytest

from playground.builtin.executors import InlineExecutor
from playground.errors import ComponentError
from playground.plugins.manager import load_plugins
from playground.runner.processes.workers import check_workers, software_versions
from playground.runner.sweeping.sweep import SweepOptions, run_sweep
from playground.scenario.model import load_scenario

SWEEP = """
    task: minimize
    function: x**2
    start: {x: 1}
    optimizer: sgd
    steps: 3
    sweep: {over: {optimizer.lr: [0.1, 0.2, 0.3, 0.4]}}
"""


class Elsewhere(InlineExecutor):
    """An executor with one worker, which answers what it is told to."""

    def __init__(self, answer=None):
        self.answer = answer

    def everywhere(self, function, *arguments):
        return {"there": self.answer or function(*arguments)}


@pytest.fixture
def plugins():
    return load_plugins(autoload=False)


def test_workers_with_the_same_software_pass(plugins):
    check_workers(Elsewhere(), plugins)


def test_executors_in_this_installation_are_not_asked(plugins):
    check_workers(InlineExecutor(), plugins)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"torch": "1.0"}, "worker there: torch is 1.0, here"),
        ({"plugin extra": "2.0 (abc)"}, r"plugin extra is 2.0 \(abc\), here not there"),
        (ModuleNotFoundError("No module\nnamed 'playground'"), "ModuleNotFoundError: No module named 'playground'$"),
    ],
)
def test_a_worker_that_differs_is_told_in_one_line(plugins, answer, told):
    if isinstance(answer, dict):
        answer = software_versions(plugins) | answer
    with pytest.raises(ComponentError, match=told) as caught:
        check_workers(Elsewhere(answer), plugins)
    assert len(caught.value.faults) == 1
    assert "\n" not in str(caught.value)


EXECUTOR = """
from contextlib import contextmanager
from pathlib import Path

from playground import hookimpl
from playground.builtin.executors import InlineExecutor

@contextmanager
def mine(workers: int = 1):
    Path(__file__).with_name("workers.txt").write_text(str(workers))
    yield InlineExecutor()

@hookimpl
def playground_executors():
    return {"mine": mine}
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("jobs", "given", "workers", "at_once"), [(3, {}, 3, 3), (1, {"workers": 2}, 2, 2), (4, {"workers": 2}, 2, 4)]
)
def test_an_executor_that_names_workers_gets_jobs_unless_it_is_told(write, tmp_path, jobs, given, workers, at_once):
    plugins = load_plugins(specs=[str(write("mine.py", EXECUTOR))], folder=tmp_path, autoload=False)
    options = SweepOptions(executor="mine", executor_options=given, jobs=jobs)
    assert options.at_once == at_once
    found = run_sweep(load_scenario(write("s.yaml", SWEEP)), plugins, options, folder=tmp_path)
    assert found.computed == 4
    assert (tmp_path / "workers.txt").read_text() == str(workers)


def test_a_worker_that_comes_later_refuses_a_chunk_from_a_process_with_other_plugins(plugins):
    from playground.runner.sweeping.sweep import _compute_in_worker

    with pytest.raises(ComponentError, match="other plugins"):
        _compute_in_worker(json.dumps(plugins.recipe), "another fingerprint", 0, "a sweep", None)
