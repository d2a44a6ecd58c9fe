"""The command line: one command per module, each of which prints and exits and does nothing else."""

from __future__ import annotations


def main() -> None:
    """Run the command `playground`."""
    from playground.cli.app import app

    app()
