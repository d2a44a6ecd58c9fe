"""Exit codes for results, for plugins that failed to load, and for an examined plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from playground.errors import ExitCode
from playground.result import Batch, Verdict

if TYPE_CHECKING:
    from playground.plugins.manager import LoadFailure


def choose_exit_code(batch: Batch) -> ExitCode:
    """Return the exit code for results: interrupted before invalid, invalid before failed."""
    if batch.interrupted:
        return ExitCode.INTERRUPTED
    if batch.errors:
        return ExitCode.INVALID
    failed = any(each.verdict is Verdict.FAILED for each in batch.judged)
    return ExitCode.FAILED if failed else ExitCode.PASSED


def choose_plugin_exit_code(failures: Iterable[LoadFailure], strict: bool) -> ExitCode:
    """Return the exit code for plugins that failed: 3 when `strict`, 2 when `-p` requested one of them, otherwise 0.

    :param strict: whether `--strict-plugins` was given.
    """
    failures = tuple(failures)
    if failures and strict:
        return ExitCode.PLUGIN
    return ExitCode.INVALID if any(failure.requested for failure in failures) else ExitCode.PASSED


def choose_doctor_exit_code(healthy: bool, strict: bool) -> ExitCode:
    """Return the exit code for an examined plugin: 3 under `--strict-plugins`, otherwise 2, when it has a problem."""
    if healthy:
        return ExitCode.PASSED
    return ExitCode.PLUGIN if strict else ExitCode.INVALID
