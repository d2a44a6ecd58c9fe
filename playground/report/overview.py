"""Many runs, a line for each, and below them what a reader must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from playground.figures.numbers import duration, short
from playground.figures.text import cut
from playground.report.layout import lined_up, rule, styled
from playground.report.one_run import COLOURS
from playground.result import Batch, Run, Sweep, Verdict

if TYPE_CHECKING:
    from rich.text import Text

MEASURED = 60
"""Characters of a measured value that are shown."""

INVALID = "not valid"
"""In place of a verdict."""

HEAD = ("scenario", "verdict", "status", "steps", "loss", "", "", "time")


def table(batch: Batch, width: int) -> list[Text]:
    """Return one line for each run, each sweep and each file that is not valid, under a head; long names are cut."""
    rows = [
        [styled((name, "dim")) for name in HEAD],
        *map(_cells, batch.runs),
        *map(_sweep_cells, batch.sweeps),
        *map(_invalid_cells, batch.invalid),
    ]
    head, *lines = lined_up(rows, right={3, 4, 7}, give=0, width=width)
    return [head, rule(head, *lines), *lines]


def _cells(run: Run) -> list[Text]:
    loss = (short(run.loss.first, 3), "→", short(run.loss.last, 3)) if run.loss else ("", "", "")
    steps = str(run.steps) if run.loss else ""
    verdict = (str(run.verdict), COLOURS[run.verdict])
    return [styled(part) for part in (run.scenario, verdict, str(run.status), steps, *loss, duration(run.seconds))]


def _sweep_cells(sweep: Sweep) -> list[Text]:
    verdict = (str(sweep.verdict), COLOURS[sweep.verdict])
    parts = (sweep.scenario, verdict, f"{sweep.runs:,} runs", "", "", "", "", duration(sweep.seconds))
    return [styled(part) for part in parts]


def _invalid_cells(file: str) -> list[Text]:
    return [styled(PurePath(file).stem), styled((INVALID, "red")), *(styled("") for _ in HEAD[2:])]


def remarks(run: Run | Sweep) -> Iterator[Text]:
    """Yield what failed and why, and what shows nothing."""
    for expectation in run.expectations:
        if not expectation.passed or expectation.vacuous:
            mark = styled(("vacuous  ", "yellow") if expectation.passed else ("failed   ", "red"))
            measured = cut(short(expectation.value, 6), MEASURED)
            note = f" ({expectation.note})" if expectation.note else ""
            yield mark + styled(f"{run.scenario}: {expectation.what}, measured {measured}{note}")
    if isinstance(run, Run) and run.reason and run.verdict is Verdict.FAILED:
        yield styled(("reason   ", "dim"), f"{run.scenario}: {run.reason}")
    if isinstance(run, Run) and run.verdict is Verdict.FAILED:
        for diagnosis in run.diagnoses:
            told = f"{run.scenario}: {diagnosis.name}: {diagnosis.sentence} {diagnosis.remedy}"
            yield styled(("diagnosis", "yellow"), f" {told}")


def summary(batch: Batch) -> Text:
    """Return how many passed, failed, expected nothing, or were not valid."""
    count = Counter(each.verdict for each in batch.results)
    tallies = [
        (count[Verdict.PASSED], "passed", "green"),
        (count[Verdict.FAILED], "failed", "red"),
        (count[Verdict.NONE], "not judged", "yellow"),
        (len(batch.invalid), INVALID, "red"),
    ]
    parts = [(f"{number} {word}", f"bold {colour}") for number, word, colour in tallies if number]
    if batch.interrupted:
        parts.append(("interrupted", "bold yellow"))
    told = styled(", ").join(map(styled, parts)) if parts else styled("nothing ran")
    return told + styled((f"  {duration(batch.seconds)}", "dim"))
