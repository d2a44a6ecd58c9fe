from __future__ import annotations

import io

import pytest
from rich.console import Console

from playground.result import Expectation, Loss, ResultTable, Run, RunTrace, Status, Verdict

HOSTILE = "[bold red]x[/] <b>&'\" ]]> \x1b[31m\x07\x00\r\n\u202e\ufffe 漢字"
"""Markup of every kind that we write, a terminal's commands, what XML cannot hold, double width."""


@pytest.fixture
def hostile():
    return HOSTILE


@pytest.fixture
def make_run():
    """Return a maker of runs, a passed one of an AND gate unless told otherwise."""

    def make(scenario="and_gate", **changes):
        losses = tuple(0.2 * 0.991**step for step in range(300))
        fields = {
            "id": "0123456789ab",
            "seed": 0,
            "status": Status.BUDGET,
            "verdict": Verdict.PASSED,
            "steps": 300,
            "file": f"scenarios/{scenario}.yaml",
            "task": "classification",
            "summary": "One neuron learns.",
            "setup": {"model": "perceptron", "optimizer": "adam(lr=0.01)"},
            "evaluations": 301,
            "loss": Loss(0.2, 0.0125, 0.0125),
            "parameters": {"weight": [[3.766, 3.829]], "bias": [-5.725]},
            "predictions": [[0.8664], [0.1236]],
            "metrics": {"accuracy": 1.0},
            "expectations": (Expectation("loss below 0.05", 0.0125, passed=True),),
            "table": ResultTable(
                ("a", "b", "target", "prediction"), ((1.0, 1.0, 1.0, 0.8664), (1.0, 0.0, 0.0, 0.1236))
            ),
            "seconds": 0.2,
            "trace": RunTrace(losses),
        }
        return Run(scenario=scenario, **{**fields, **changes})

    return make


@pytest.fixture
def make_failed(make_run):
    """Return a maker of failed runs."""

    def make(scenario="and_gate", **changes):
        expectations = (Expectation("loss below 0.001", 0.0125432109, passed=False),)
        return make_run(scenario, **{"verdict": Verdict.FAILED, "expectations": expectations, **changes})

    return make


@pytest.fixture
def every_status(make_run):
    """Return a run for each status, with the verdict that it has when no status is expected."""
    verdicts = dict.fromkeys(Status, Verdict.PASSED)
    verdicts |= dict.fromkeys((Status.DIVERGED, Status.NONFINITE, Status.ERROR), Verdict.FAILED)
    verdicts[Status.INTERRUPTED] = Verdict.NONE
    runs = []
    for status, verdict in verdicts.items():
        passed = verdict is not Verdict.FAILED
        expectations = (Expectation(f"status is not {status}", str(status), passed=passed),)
        runs.append(make_run(status, status=status, verdict=verdict, expectations=expectations, reason=f"why {status}"))
    return runs


@pytest.fixture
def terminal():
    """Return a maker of consoles that write into memory."""

    def make(width=80, **options):
        return Console(file=io.StringIO(), width=width, highlight=False, **options)

    return make


@pytest.fixture
def lines(terminal):
    """Return what a function of a console prints, line by line, without colours."""

    def print_with(function, width=80):
        console = terminal(width, force_terminal=False)
        function(console)
        return console.file.getvalue().splitlines()

    return print_with
