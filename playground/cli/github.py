"""Annotations and the job summary, if the command runs on GitHub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from playground.cli.context import print_github_command, print_note

if TYPE_CHECKING:
    from playground.result import Batch


def show_on_github(batch: Batch) -> None:
    """Print annotations to standard error, and add a table to the job summary."""
    if os.environ.get("GITHUB_ACTIONS"):
        from playground.report.github import commands

        for line in commands(batch):
            print_github_command(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and (batch.judged or batch.errors):
        from playground.report.github import step_summary

        try:
            with Path(summary).open("a", encoding="utf-8") as file:  # other commands of the same step write there, too
                file.write(step_summary(batch))
        except OSError as error:
            print_note(f"{summary}: cannot write the job summary: {(error.strerror or str(error)).lower()}")
