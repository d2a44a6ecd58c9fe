"""Writes what GitHub shows of a batch: annotations on the lines of a pull request, and a summary of the step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from playground.comparison import Comparison
from playground.figures.factors import count_things
from playground.figures.numbers import format_duration, format_short
from playground.figures.text import escape_markdown, escape_unprintable
from playground.report.overview import INVALID_LABEL
from playground.result import Batch, Expectation, Run, ScenarioFault, Status, Sweep, Verdict

BAD_STATUSES = (Status.DIVERGED, Status.NONFINITE, Status.ERROR)
"""Statuses that alone explain why all expectations failed."""

MAX_SUMMARY_ROWS = 200
"""Maximum number of rows of a summary, which GitHub limits to a mebibyte; failures come first."""

MAX_MESSAGE_CHARACTERS = 500
"""Maximum number of characters of a cell or of a line of a summary."""


def repository_root() -> Path:
    """Return the folder that annotations are relative to: the job's workspace, or the root of the repository."""
    if workspace := os.environ.get("GITHUB_WORKSPACE"):
        return Path(workspace)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def commands(batch: Batch, root: Path | None = None) -> Iterator[str]:
    """Yield one workflow command for each fault, each cause of a failure, and each vacuous expectation.

    :param root: the folder that file names are relative to; None for the repository's root.
    """
    root = root or repository_root()
    for error in batch.errors:
        yield fault_command(error, root)
    for run in batch.judged:
        for level, message, line in _remarks(run):
            yield _command(level, f"{run.scenario}: {message}", _relative_path(run.file, root), line)


def fault_command(error: ScenarioFault, root: Path | None = None) -> str:
    """Return the workflow command for a fault of a scenario."""
    root = root or repository_root()
    if error.line:
        return _command(
            "error", error.message, _relative_path(error.where or error.file, root), error.line, error.column
        )
    message = f"{error.where}: {error.message}" if error.where else error.message  # `where` is no file
    return _command("error", message, _relative_path(error.file, root))


def step_summary(batch: Batch, root: Path | None = None) -> str:
    """Return a batch in Markdown: a table, followed by the failures and faults."""
    root = root or repository_root()
    results = sorted(batch.judged, key=lambda each: each.verdict is not Verdict.FAILED)
    rows = [*(_invalid_row(file, root) for file in batch.invalid), *(_row(each, root) for each in results)]
    lines = ["| scenario | verdict | how it ended | loss | time |", "|---|---|---|---|---|", *rows[:MAX_SUMMARY_ROWS]]
    if len(rows) > MAX_SUMMARY_ROWS:
        lines += ["", f"and {len(rows) - MAX_SUMMARY_ROWS} more"]
    items = [f"- {_cell(str(replace(error, file=_relative_path(error.file, root))))}" for error in batch.errors]
    for run in results:
        name = f"{run.scenario} ({_relative_path(run.file, root)})" if run.file else run.scenario
        items += [f"- {'<br>'.join(map(_cell, f'{name}: {message}'.splitlines()))}" for _, message, _ in _remarks(run)]
    return "\n".join([*lines, "", *items[:MAX_SUMMARY_ROWS], *([""] if items else [])]) + "\n"


def _row(result: Run | Sweep | Comparison, root: Path) -> str:
    if isinstance(result, Comparison):
        how, loss, seconds = count_things(len(result.optimizers), "optimizer"), "", result.duration
    elif isinstance(result, Run):
        how = result.ending[0]
        loss = f"{format_short(result.loss.first)} → {format_short(result.loss.last)}" if result.loss else ""
        seconds = result.seconds
    else:
        how, loss, seconds = f"{result.runs:,} of {result.size:,} runs", "", result.seconds
    name = result.scenario if not result.file else f"{result.scenario} ({_relative_path(result.file, root)})"
    verdict = {Verdict.PASSED: "✔ passed", Verdict.FAILED: "✘ failed"}.get(result.verdict, "not judged")
    return _join_cells(name, verdict, how, loss, format_duration(seconds))


def _invalid_row(file: str, root: Path) -> str:
    return _join_cells(_relative_path(file, root), f"✘ {INVALID_LABEL}", "", "", "")


def _join_cells(*cells: str) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return escape_markdown(text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]}…")


def _remarks(run: Run | Sweep | Comparison) -> Iterator[tuple[str, str, int]]:
    """Yield level, message and line of each remark on a run for a reviewer."""
    failed = [each for each in run.expectations if not each.passed]
    lines = list(map(_format_measured, failed))
    cause = list(_find_causes(run))
    if cause:
        place = next((each.line for each in failed if each.line), 0)
        yield "error", "\n".join([*cause, *lines]), place
    else:
        yield from (("error", line, each.line) for line, each in zip(lines, failed, strict=True))
    for each in run.expectations:
        if each.passed and each.vacuous:
            yield "warning", _format_measured(each), each.line


def _format_measured(expectation: Expectation) -> str:
    measured = f"{expectation.what}, measured {format_short(expectation.value, 6)}"
    return f"{measured}: {expectation.note}" if expectation.note else measured


def _find_causes(run: Run | Sweep | Comparison) -> Iterator[str]:
    """Yield the causes that made all expectations of a failed run fail, if they are known."""
    if not isinstance(run, Run) or run.verdict is not Verdict.FAILED:
        return
    if run.reason and (run.status in BAD_STATUSES or run.diagnoses or all(each.passed for each in run.expectations)):
        yield run.reason
    for diagnosis in run.diagnoses:
        yield f"{diagnosis.name}: {diagnosis.sentence} {diagnosis.remedy}"


def _relative_path(file: str, root: Path) -> str:
    """Return a file's path relative to the repository; a path outside it is unchanged."""
    with suppress(ValueError):  # a NUL in the name
        for follow in (os.path.abspath, os.path.realpath):
            path, top = Path(follow(file)), Path(follow(root))
            if file and path.is_relative_to(top):
                return path.relative_to(top).as_posix()
    return file


def _command(level: str, message: str, file: str, line: int = 0, column: int = 0) -> str:
    """Return `::error file=…,line=…,col=…::message`; a result that came from Python has no file."""
    fields = {"file": file, "line": line or 1} if file else {}
    if column:
        fields["col"] = column
    written = ",".join(f"{name}={_escape_field(str(value))}" for name, value in fields.items())
    return f"::{level} {written}::{_escape_data(message)}" if written else f"::{level}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    """Escape characters that would end a message or affect the terminal of a reader of the log."""
    lines = text.replace("%", "%25").replace("\r", "%0D").split("\n")
    return "%0A".join(map(escape_unprintable, lines))


def _escape_field(text: str) -> str:
    """Escape characters that would end a field."""
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
