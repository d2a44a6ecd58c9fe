"""Annotations that GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from playground.figures.numbers import short
from playground.result import Batch, Run, Sweep, Verdict


def commands(batch: Batch) -> Iterator[str]:
    """Yield one workflow command for each fault, failure and vacuous expectation."""
    for error in batch.errors:
        if error.line:
            yield _command("error", error.message, error.where or error.file, error.line, error.column)
        else:  # a part of the command line is no file
            told = f"{error.where}: {error.message}" if error.where else error.message
            yield _command("error", told, error.file)
    for run in batch.results:
        for level, message, line in _remarks(run):
            yield _command(level, f"{run.scenario}: {message}", run.file, line)


def _remarks(run: Run | Sweep) -> Iterator[tuple[str, str, int]]:
    """Yield the level, the message and the line of what a reviewer must know about a run."""
    for expectation in run.expectations:
        measured = f"{expectation.what}, measured {short(expectation.value, 6)}"
        told = f"{measured}: {expectation.note}" if expectation.note else measured
        if not expectation.passed:
            yield "error", told, expectation.line
        elif expectation.vacuous:
            yield "warning", told, expectation.line
    if isinstance(run, Run) and run.verdict is Verdict.FAILED and run.reason:
        yield "error", run.reason, 0
    if isinstance(run, Run) and run.verdict is Verdict.FAILED:
        for diagnosis in run.diagnoses:
            yield "error", f"{diagnosis.name}: {diagnosis.sentence} {diagnosis.remedy}", 0


def _command(level: str, message: str, file: str, line: int = 0, column: int = 0) -> str:
    """Return `::error file=…,line=…,col=…::message`; what came from Python has no file."""
    fields = {"file": file, "line": line or 1} if file else {}
    if column:
        fields["col"] = column
    told = ",".join(f"{name}={_field(str(value))}" for name, value in fields.items())
    return f"::{level} {told}::{_data(message)}" if told else f"::{level}::{_data(message)}"


def _data(text: str) -> str:
    """Escape what would end a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _field(text: str) -> str:
    """Escape what would end a field."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
