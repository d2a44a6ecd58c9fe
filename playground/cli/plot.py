"""`playground plot`: one figure in a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.context import Memory, exit_on_errors, load_plugins, parse_memory, print_note, split_pairs
from playground.cli.writing import write_whole
from playground.errors import PlaygroundError
from playground.figures.text import make_printable

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.result import Run
    from playground.runner.loading.overrides import Changes
    from playground.views import Ensemble

MAX_RECORDED_STEPS = 60
"""Steps of a run that are recorded for its picture, and frames of one that moves."""


def plot(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO|QUERY",
            help="A scenario file; or the id of a stored sweep, or its scenario's name for the newest.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write it; the suffix says what: png, svg, pdf, gif, apng.")
    ],
    kind: Annotated[
        str | None,
        typer.Option(help="path, surface, function, boundary, fit, loss, or of a sweep lr, loss; the best by default."),
    ] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", metavar="AXIS=LOW:HIGH", help="The range of an axis: x=-10:4.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the scenario: optimizer.lr=0.1.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Run from this seed.")] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Make at most this many steps.")] = None,
    width: Annotated[float, typer.Option(min=2, max=40, help="Width in inches.")] = 5.0,
    memory: Memory = None,
) -> None:
    """Draw a run or a sweep, for a paper or a slide; a GIF moves.

    The figure says how it was made, and its metadata which command makes it again. Needs matplotlib:
    pip install 'gradient-playground[plot]'.
    """
    from playground.report.plotting.needed import require
    from playground.runner.loading.overrides import Changes
    from playground.runner.single.memory import limit_memory

    with exit_on_errors(context):
        require()
        from playground.report.plotting.figure import missing_letters
        from playground.report.plotting.formats import choose_format, write
        from playground.report.plotting.kinds import check_kind, drawing

        form = choose_format(out)
        check_kind(kind)
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
            print_note(f"{out}: the font has no {letters}; boxes stand in place of these letters")


def parse_range(text: str) -> tuple[str, tuple[float, float]]:
    """Read `AXIS=LOW:HIGH`.

    :raises PlaygroundError: it is not of this form, or the ends are no finite numbers, the low one first.
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
    """Run what is to be drawn, or read it from the store."""
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
    """Refuse options that a sweep takes no notice of."""
    for option, value in given.items():
        if value not in (None, (), {}):
            raise PlaygroundError(f"--{option} changes a run, and this draws the runs of a sweep as they are")


def _command(subject: str, out: Path, kind: str | None, ranges: list[str], changes: Changes, width: float) -> str:
    """Return the command line that makes the figure again."""
    parts = ["playground", "plot", subject, "--out", out.name]
    parts += ["--kind", kind] if kind else []
    for option, texts in (("--range", ranges), ("--set", [f"{key}={text}" for key, text in changes.overrides])):
        parts += [part for text in texts for part in (option, text)]
    for option, value in (("--seed", changes.seed), ("--steps", changes.steps)):
        parts += [option, str(value)] if value is not None else []
    return make_printable(shlex.join([*parts, "--width", f"{width:g}"]))
