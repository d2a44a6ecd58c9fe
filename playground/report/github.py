"""Annotations that GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from playground.report.numbers import short
from playground.result import Batch, Run, Verdict


def annotations(batch: Batch) -> Iterator[str]:
    """Yield one workflow command for each fault, failure and vacuous expectation."""
    for error in batch.errors:
        yield _command("error", error.file, error.message, error.line, error.column)
    for run in batch.runs:
        for expectation in run.expectations:
            measured = f"{run.scenario}: {expectation.what}, measured {short(expectation.value, 6)}"
            if not expectation.passed:
                yield _command("error", run.file, measured)
            elif expectation.vacuous:
                yield _command("warning", run.file, f"{measured}: {expectation.note}")
        if _failed_without_expectation(run):
            yield _command("error", run.file, f"{run.scenario}: {run.reason}")


def _failed_without_expectation(run: Run) -> bool:
    return run.verdict is Verdict.FAILED and all(expectation.passed for expectation in run.expectations)


def _command(level: str, file: str, message: str, line: int = 0, column: int = 0) -> str:
    """Return `::error file=…,line=…,col=…::message` with the characters escaped that would end a field."""
    fields = [f"file={_field(file)}", f"line={line or 1}"]
    if column:
        fields.append(f"col={column}")
    return f"::{level} {','.join(fields)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _field(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
