"""`playground check`: validate scenarios without running them."""

from __future__ import annotations

import typer

from playground.cli.common_options import Memory, Overrides, ScenarioPaths, Seed
from playground.cli.context import echo, exit_on_errors, load_plugins, parse_memory, print_note, split_pairs
from playground.cli.github import show_on_github
from playground.errors import ExitCode
from playground.result import Batch


def check(
    context: typer.Context,
    paths: ScenarioPaths,
    overrides: Overrides = None,
    seed: Seed = None,
    memory: Memory = None,
) -> None:
    """Validate scenarios without running them.

    Checks the YAML, then names and structure, then builds every component once.
    """
    from playground.runner.batch.file_result import check_file
    from playground.runner.loading.overrides import Changes
    from playground.runner.loading.scenario_files import find_scenarios

    plugins = load_plugins(context)
    with exit_on_errors(context):
        changes = Changes(split_pairs(overrides or [], "--set"), seed, memory=parse_memory(memory))
    files, faults = find_scenarios(paths)
    for file in files:
        answer = check_file(file, plugins, changes)
        faults += answer.errors
        if not answer.errors:
            echo(f"{file}: valid")
        for warning in answer.warnings:
            print_note(warning)
        if context.obj.debug and answer.traceback:
            print_note(answer.traceback)
    for fault in faults:
        print_note(str(fault))
    show_on_github(Batch((), tuple(faults)))
    raise typer.Exit(ExitCode.INVALID if faults else ExitCode.PASSED)
