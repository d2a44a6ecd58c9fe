"""Formats many runs, one line for each, followed by remarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from playground.comparison import Comparison
from playground.figures.factors import count_things
from playground.figures.numbers import format_duration, format_short
from playground.figures.text import cut_text
from playground.report.layout import columns, style_text
from playground.report.one_run import VERDICT_COLOURS
from playground.result import Batch, Run, Sweep, Verdict

if TYPE_CHECKING:
    from rich.text import Text

MAX_MEASURED_CHARACTERS = 60
"""Maximum number of characters of a measured value."""

INVALID_LABEL = "not valid"
"""Shown instead of a verdict."""

Label = Callable[[str, str], str]
"""Returns a scenario's label, given its name and its file."""

TABLE_HEAD = ("scenario", "verdict", "status", "steps", "loss", "", "", "time")


def overview_table(batch: Batch, width: int) -> list[Text]:
    """Return a header and one line for each run, sweep and file that is not valid; long names are cut."""
    label = labeler(batch)
    rows = [
        *(_cells(run, label) for run in batch.runs),
        *(_sweep_cells(sweep, label) for sweep in batch.sweeps),
        *(_comparison_cells(comparison, label) for comparison in batch.comparisons),
        *(_invalid_cells(file, label) for file in batch.invalid),
    ]
    return columns(TABLE_HEAD, rows, {3, 4, 7}, width)


def labeler(batch: Batch) -> Label:
    """Return a function that labels scenarios: by name, or by file if several have the same name."""
    names = [*(each.scenario for each in batch.judged), *map(_stem, batch.invalid)]
    count = Counter(names)
    return lambda name, file: file if file and count[name] > 1 else name


def _stem(file: str) -> str:
    return PurePath(file).stem


def _cells(run: Run, label: Label) -> list[Text]:
    loss = (format_short(run.loss.first, 3), "→", format_short(run.loss.last, 3)) if run.loss else ("", "", "")
    steps = str(run.steps) if run.loss else ""
    verdict = (str(run.verdict), VERDICT_COLOURS[run.verdict])
    name = label(run.scenario, run.file)
    return [style_text(part) for part in (name, verdict, str(run.status), steps, *loss, format_duration(run.seconds))]


def _sweep_cells(sweep: Sweep, label: Label) -> list[Text]:
    verdict = (str(sweep.verdict), VERDICT_COLOURS[sweep.verdict])
    name = label(sweep.scenario, sweep.file)
    parts = (name, verdict, f"{sweep.runs:,} runs", "", "", "", "", format_duration(sweep.seconds))
    return [style_text(part) for part in parts]


def _comparison_cells(comparison: Comparison, label: Label) -> list[Text]:
    verdict = (str(comparison.verdict), VERDICT_COLOURS[comparison.verdict])
    name = label(comparison.scenario, comparison.file)
    what = count_things(len(comparison.optimizers), "optimizer")
    return [style_text(part) for part in (name, verdict, what, "", "", "", "", format_duration(comparison.duration))]


def _invalid_cells(file: str, label: Label) -> list[Text]:
    return [
        style_text(label(_stem(file), file)),
        style_text((INVALID_LABEL, "red")),
        *(style_text("") for _ in TABLE_HEAD[2:]),
    ]


def overview_remarks(run: Run | Sweep | Comparison, name: str = "") -> Iterator[Text]:
    """Yield failures with their reasons, and vacuous expectations.

    :param name: the label of the run; by default its scenario's name.
    """
    name = name or run.scenario
    for expectation in run.expectations:
        if not expectation.passed or expectation.vacuous:
            mark = style_text(("vacuous  ", "yellow") if expectation.passed else ("failed   ", "red"))
            measured = cut_text(format_short(expectation.value, 6), MAX_MEASURED_CHARACTERS)
            note = f" ({expectation.note})" if expectation.note else ""
            yield mark + style_text(f"{name}: {expectation.what}, measured {measured}{note}")
    if isinstance(run, Run) and run.reason and run.verdict is Verdict.FAILED:
        yield style_text(("reason   ", "dim"), f"{name}: {run.reason}")
    if isinstance(run, Run) and run.verdict is Verdict.FAILED:
        for diagnosis in run.diagnoses:
            text = f"{name}: {diagnosis.name}: {diagnosis.sentence} {diagnosis.remedy}"
            yield style_text(("diagnosis", "yellow"), f" {text}")


def count_verdicts(batch: Batch) -> Text:
    """Return how many results passed, failed, had no expectations, or were not valid."""
    count = Counter(each.verdict for each in batch.judged)
    tallies = [
        (count[Verdict.PASSED], "passed", "green"),
        (count[Verdict.FAILED], "failed", "red"),
        (count[Verdict.NONE], "not judged", "yellow"),
        (len(batch.invalid), INVALID_LABEL, "red"),
    ]
    parts = [(f"{number} {word}", f"bold {colour}") for number, word, colour in tallies if number]
    if batch.interrupted:
        parts.append(("interrupted", "bold yellow"))
    counted = style_text(", ").join(map(style_text, parts)) if parts else style_text("nothing ran")
    return counted + style_text((f"  {format_duration(batch.seconds)}", "dim"))
