"""The reporter `html`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from playground.comparison import Comparison
from playground.errors import PlaygroundError
from playground.report.html.comparison_part import comparison_part
from playground.report.html.page import html_page
from playground.report.html.run_part import run_part
from playground.report.html.sweep_part import sweep_part
from playground.result import Batch, Verdict

REQUIRED_MODULES = ("jinja2", "plotly")


class Html:
    """Writes results as one page.

    :ivar record: the number of steps to record.
    :ivar explanations: request explanations of some of these steps.
    :ivar live: request the program of the descent.
    """

    record: ClassVar[int] = 120
    explanations: ClassVar[bool] = True
    live: ClassVar[bool] = True

    def __init__(self) -> None:
        missing = [name for name in REQUIRED_MODULES if find_spec(name) is None]
        if missing:
            needs = f"an HTML report needs {' and '.join(missing)}"
            raise PlaygroundError(f"{needs}; install with: pip install 'gradient-playground[html]'")

    def __call__(self, results: Batch, path: Path) -> None:
        """Write the page."""
        parts = [run_part(f"part{index}", run) for index, run in enumerate(results.runs)]
        parts += [sweep_part(f"part{index}", sweep) for index, sweep in enumerate(results.sweeps, len(parts))]
        parts += [comparison_part(f"part{index}", each) for index, each in enumerate(results.comparisons, len(parts))]
        examples = [
            run_part(f"part{index}", sweep.example, f"{sweep.scenario}, a run at the best setting")
            for index, sweep in enumerate(results.sweeps, len(parts))
            if sweep.example is not None
        ]
        path.write_text(html_page([*parts, *examples], _index(results, parts)), encoding="utf-8")


def write_comparison_page(comparison: Comparison, path: Path) -> None:
    """Write the page of one comparison.

    :raises PlaygroundError: jinja2 or plotly is not installed.
    """
    Html()(Batch((), interrupted=comparison.interrupted, comparisons=(comparison,)), path)


def _index(batch: Batch, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the overview above the parts: a line for each if there are several, and the faults.

    :param parts: those with a line.
    """
    counts = [(verdict, sum(each.verdict is verdict for each in batch.judged)) for verdict in Verdict]
    tally = [f"{count} {'not judged' if verdict is Verdict.NONE else verdict}" for verdict, count in counts if count]
    tally += [f"{len(batch.invalid)} invalid"] if batch.errors else []
    alone = len(parts) == 1 and not batch.errors
    return {
        "title": parts[0]["title"] if alone else f"{len(parts)} scenarios: {', '.join(tally)}" if parts else "No runs",
        "alone": alone,
        "listed": parts,
        "errors": [str(error) for error in batch.errors],
        "interrupted": batch.interrupted,
    }
