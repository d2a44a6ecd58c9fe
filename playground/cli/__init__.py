"""The command line: one command per module, each of which prints and exits and does nothing else."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command `playground`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a chart on a terminal without Unicode is better than none
            stream.reconfigure(errors="replace")
    try:
        from playground.cli.app import app

        app()
    except KeyboardInterrupt:  # before or after the command itself, which reports what had finished
        sys.exit(130)
