"""The command line: one command per module, each of which prints and exits and does nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command `playground`."""
    try:
        from playground.cli.app import app
        from playground.cli.context import use_ascii_words

        use_ascii_words()

        app()
    except KeyboardInterrupt:  # before or after the command itself, which reports what had finished
        sys.exit(130)
