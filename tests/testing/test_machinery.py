"""Specimens of reporters, executors and tasks: each rule catches the one that breaks just this rule."""

import contextlib
import json
import os
import shutil
import time
from concurrent.futures import Executor, Future

import pytest
import torch

from playground.core.problem import Problem
from playground.core.task import DescentTask, DirectTask, Outcome
from playground.testing import ExecutorContract, ReporterContract, TaskContract


def plain(results, path):
    """Write names and statuses, cleaned of what is no text."""
    names = (f"{run.scenario} {run.status} {run.loss}" for run in results.runs)
    path.write_text("\n".join("".join(filter(str.isprintable, name)) for name in names), encoding="utf-8")


def needs_a_loss(results, path):
    plain(results, path)
    path.write_text(f"{path.read_text()} {sum(run.loss.first for run in results.runs)}")


def needs_a_run(results, path):
    plain(results, path)
    path.write_text(f"{path.read_text()} {results.runs[0].seed}")


def anonymous(results, path):
    path.write_text(" ".join(run.id for run in results.runs))


def finite_only(results, path):
    plain(results, path)
    path.write_text(
        path.read_text() + json.dumps([vars(run.loss) if run.loss else None for run in results.runs], allow_nan=False)
    )


def unescaped(results, path):
    plain(results, path)
    path.write_text(f"<p>{path.read_text()}</p>")


def appends(results, path):
    before = path.read_text() if path.exists() else ""
    plain(results, path)
    path.write_text(before + path.read_text())


def beside(results, path):
    """Write a second file for each name that has dots."""
    plain(results, path)
    if any(".." in run.scenario for run in results.runs):
        path.with_suffix(".log").write_text("also")


def in_a_folder(results, path):
    path.mkdir(exist_ok=True)
    for run in results.runs:
        name = "".join(filter(str.isalnum, f"{run.scenario}{run.status}"))
        (path / f"{name}.txt").write_text(f"{run.scenario}")


def empties_the_folder(results, path):
    shutil.rmtree(path, ignore_errors=True)
    in_a_folder(results, path)


def follows_names(results, path):
    in_a_folder(results, path)
    for run in results.runs:
        place = path / f"{''.join(filter(str.isprintable, run.scenario))}.log"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("also")


REPORTERS = {
    "test_writes_nowhere_else": (beside, ".txt"),
    "test_every_status": (needs_a_loss, ".txt"),
    "test_no_run_and_many": (needs_a_run, ".txt"),
    "test_says_what_ran": (anonymous, ".txt"),
    "test_not_finite": (finite_only, ".txt"),
    "test_escapes": (unescaped, ".html"),
    "test_replaces_the_file": (appends, ".txt"),
}


@pytest.mark.parametrize("rule", REPORTERS)
def test_a_reporter(broken_rules, rule):
    specimen, suffix = REPORTERS[rule]
    broken = broken_rules(ReporterContract, lambda: specimen, suffix=suffix)
    assert set(broken) == {rule}, broken
    assert "\n  why it matters: " in broken[rule]


def test_a_reporter_whose_file_is_not_what_it_is_called(broken_rules):
    broken = broken_rules(ReporterContract, lambda: plain, suffix=".json")
    assert "cannot be read as .json" in broken["test_every_status"]
    broken = broken_rules(ReporterContract, lambda: unescaped, suffix=".xml")
    assert "cannot be read as .xml" in broken["test_escapes"]


@pytest.mark.parametrize(
    ("specimen", "rule"),
    [
        (empties_the_folder, "test_adds_to_the_folder"),
        (follows_names, "test_writes_nowhere_else"),
        (lambda results, path: path.mkdir(exist_ok=True), "test_says_what_ran"),
    ],
)
def test_a_reporter_of_folders(broken_rules, specimen, rule):
    broken = broken_rules(ReporterContract, lambda: specimen, folder=True)
    assert set(broken) == {rule}, broken


def test_a_reporter_that_writes_a_file_where_a_folder_is_declared(broken_rules):
    broken = broken_rules(ReporterContract, lambda: plain, folder=True)
    assert "no folder was written" in broken["test_every_status"]


class Here(Executor):
    """Computes in this thread; a call that would end the process is one whose process ended."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(self.call(fn, args, kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def call(self, fn, args, kwargs):
        assert fn is not os._exit
        return fn(*args, **kwargs)


class DropsKeywords(Here):
    def call(self, fn, args, kwargs):
        return super().call(fn, args, {})


class Raises(Here):
    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class NeverEnds(Here):
    def submit(self, fn, /, *args, **kwargs):
        return Future() if fn is time.sleep else super().submit(fn, *args, **kwargs)


class HidesDeath(Here):
    """Tells of a dead worker as of any exception."""


@contextlib.contextmanager
def swallowing():
    """Swallow what is raised in the middle, and nothing else."""
    with contextlib.suppress(KeyError):
        yield Here()


EXECUTORS = {
    "test_results": (DropsKeywords, False),
    "test_exceptions": (Raises, False),
    "test_cancellation": (NeverEnds, False),
    "test_leaving_in_the_middle": (swallowing, False),
    "test_a_worker_that_dies": (HidesDeath, True),
}


@pytest.mark.parametrize("rule", EXECUTORS)
def test_an_executor(broken_rules, rule):
    specimen, elsewhere = EXECUTORS[rule]
    broken = broken_rules(ExecutorContract, specimen, elsewhere=elsewhere, patience=0.3)
    assert set(broken) == {rule}, broken
    assert "\n  why it matters: " in broken[rule]


class Fit(DescentTask):
    """Make the weights of a layer small."""

    metrics = ("largest",)

    def problem(self, setting):
        layer = torch.nn.Linear(2, 1).to(setting.dtype)
        return Problem(layer, lambda module, batch: module(torch.ones(3, 2, dtype=setting.dtype)).square().mean())

    def measure(self, problem, parameters):
        return {"largest": parameters["weight"].abs().max()}


class ManyLosses(Fit):
    def problem(self, setting):
        problem = super().problem(setting)
        return Problem(problem.module, lambda module, batch: problem.loss(module, batch)[None])


class OneDtype(Fit):
    def problem(self, setting):
        problem = super().problem(setting)
        problem.module.float()
        return Problem(problem.module, lambda module, batch: module(torch.ones(3, 2)).square().mean())


class Unseeded(Fit):
    def problem(self, setting):
        torch.manual_seed(next(self.seeds))
        return super().problem(setting)

    seeds = iter(range(1000))


class Undeclared(Fit):
    def measure(self, problem, parameters):
        return {"smallest": parameters["weight"].abs().min()}


class OneAtATime(Fit):
    def measure(self, problem, parameters):
        return super().measure(problem, parameters) if parameters["weight"].sum() < 100 else {}


class Answers(DirectTask):
    metrics = ("answer",)

    def answer(self, setting):
        return Outcome({"answer": 42})


class Silent(Answers):
    def answer(self, setting):
        return Outcome()


TASKS = {
    "test_problem": ManyLosses,
    "test_problem_has_the_dtype_of_the_setting": OneDtype,
    "test_problem_starts_from_the_seed": Unseeded,
    "test_measures_what_it_declares": Undeclared,
    "test_measures_many_runs_as_one": OneAtATime,
    "test_returns_what_it_declares": Silent,
}


@pytest.mark.parametrize("rule", TASKS)
def test_a_task(broken_rules, rule):
    broken = broken_rules(TaskContract, TASKS[rule])
    assert set(broken) == {rule}, broken
    assert "\n  why it matters: " in broken[rule]


@pytest.mark.parametrize(
    ("contract", "specimens"), [(ReporterContract, REPORTERS), (ExecutorContract, EXECUTORS), (TaskContract, TASKS)]
)
def test_every_rule_has_a_specimen(rules, contract, specimens):
    elsewhere = ["test_adds_to_the_folder"] if contract is ReporterContract else []
    assert sorted([*specimens, *elsewhere]) == rules(contract)


def test_what_is_whole_breaks_no_rule(broken_rules):
    assert broken_rules(ReporterContract, lambda: plain) == {}
    assert broken_rules(ReporterContract, lambda: in_a_folder, folder=True) == {}
    assert broken_rules(ExecutorContract, Here, elsewhere=False) == {}
    assert broken_rules(TaskContract, Fit) == {}
    assert broken_rules(TaskContract, Answers) == {}
    assert broken_rules(TaskContract, OneAtATime, maps=False) == {}
