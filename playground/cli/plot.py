"""`playground plot`: draw a figure into a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.choices import choose, picture_kinds
from playground.cli.common_options import Memory, Overrides, Seed, Steps
from playground.cli.completion import complete_scenario
from playground.cli.context import exit_on_errors, load_plugins, parse_memory, print_note, split_pairs
from playground.errors import PlaygroundError
from playground.figures.text import make_printable
from playground.report.writing import write_whole

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.result import Run
    from playground.runner.loading.overrides import Changes
    from playground.views import Ensemble

MAX_RECORDED_STEPS = 60
"""Recorded steps of a run, and so frames of an animation."""


def plot(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO|QUERY",
            help="A scenario file, the id of a stored sweep, or a scenario's name for its newest sweep.",
            autocompletion=complete_scenario,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Write to this file; the suffix selects the format: png, svg, pdf, gif, apng.",
        ),
    ],
    kind: Annotated[
        str | None,
        choose(
            "--kind",
            accepted=picture_kinds,
            metavar="KIND",
            help="Draw this figure: boundary, fit, path, function, surface or loss of a run; lr or loss of a sweep. "
            "By default, the first that the result offers.",
        ),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="AXIS=LOW:HIGH", help="Set the range of an axis: x=-10:4."),
    ] = None,
    overrides: Overrides = None,
    seed: Seed = None,
    steps: Steps = None,
    width: Annotated[
        float, typer.Option("--width", metavar="INCHES", min=2, max=40, help="Set the width of the figure.")
    ] = 5.0,
    memory: Memory = None,
) -> None:
    """Draw a run or a sweep for a paper or a slide.

    GIF and APNG files are animated. The metadata of the file contains the command that draws it again. Needs
    matplotlib: pip install 'gradient-playground[plot]'.
    """
    from playground.report.plotting.needed import require
    from playground.runner.loading.overrides import Changes
    from playground.runner.single.memory import limit_memory

    with exit_on_errors(context):
        require()
        from playground.report.plotting.figure import missing_letters
        from playground.report.plotting.formats import choose_format, write
        from playground.report.plotting.kinds import drawing

        form = choose_format(out)
        changes = Changes(split_pairs(overrides or [], "--set"), seed, steps, parse_memory(memory))
        spans = dict(map(parse_range, ranges or []))
    plugins = load_plugins(context)
    with exit_on_errors(context):
        with limit_memory(changes.memory):
            drawn = drawing(_load_subject(subject, changes, spans, plugins), kind, width)
        form.check(drawn)
        command = _command(subject, out, kind, ranges or [], changes, width)
        write_whole(out, lambda beside: write(drawn, form, command, beside))
        if letters := missing_letters(drawn.figure):
            print_note(f"{out}: the font has no {letters}; these letters are drawn as boxes")


def parse_range(text: str) -> tuple[str, tuple[float, float]]:
    """Parse `AXIS=LOW:HIGH`.

    :raises PlaygroundError: the text has another form, or LOW and HIGH are not finite numbers in this order.
    """
    from math import isfinite

    ((name, span),) = split_pairs([text], "--range")
    low, _, high = span.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise PlaygroundError(f"--range {text}: expected AXIS=LOW:HIGH, such as x=-10:4") from None
    if not (isfinite(ends[0]) and isfinite(ends[1]) and ends[0] < ends[1]):
        raise PlaygroundError(f"--range {text}: expected two finite numbers, the low one first")
    return name, ends


def _load_subject(
    subject: str, changes: Changes, ranges: dict[str, tuple[float, float]], plugins: Plugins
) -> Run | Ensemble:
    """Run the scenario to draw, or read the sweep to draw from the store."""
    from playground.runner.loading.overrides import load_with_changes
    from playground.runner.single.record_options import RecordOptions
    from playground.runner.single.running import run_one

    path = Path(subject)
    if path.exists() or path.suffix:
        loaded = load_with_changes(path, changes, plugins)
        if loaded.scenario.sweep is None:
            return run_one(loaded, plugins, record=RecordOptions(MAX_RECORDED_STEPS, ranges=ranges))
        from playground.runner.sweeping.ensemble import read_ensemble
        from playground.runner.sweeping.sweep import run_sweep

        _refuse_unused_options(range=ranges)
        found = run_sweep(loaded, plugins)
        return read_ensemble(Path(), found.id)
    from playground.runner.sweeping.ensemble import read_ensemble

    _refuse_unused_options(range=ranges, set=changes.overrides, seed=changes.seed, steps=changes.steps)
    return read_ensemble(Path(), subject)


def _refuse_unused_options(**given: object) -> None:
    """Refuse options that have no effect on a sweep."""
    for option, value in given.items():
        if value not in (None, (), {}):
            raise PlaygroundError(f"--{option} has no effect on a sweep: its runs are drawn as they are")


def _command(subject: str, out: Path, kind: str | None, ranges: list[str], changes: Changes, width: float) -> str:
    """Return the command line that draws the figure again."""
    parts = ["playground", "plot", subject, "--out", out.name]
    parts += ["--kind", kind] if kind else []
    for option, texts in (("--range", ranges), ("--set", [f"{key}={text}" for key, text in changes.overrides])):
        parts += [part for text in texts for part in (option, text)]
    for option, value in (("--seed", changes.seed), ("--steps", changes.steps)):
        parts += [option, str(value)] if value is not None else []
    return make_printable(shlex.join([*parts, "--width", f"{width:g}"]))
