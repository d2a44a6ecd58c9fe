"""The command line: one module per command; each of them only reads options, prints and exits."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command `playground`."""
    try:
        from playground.cli.app import app
        from playground.cli.completion import join_bash_words
        from playground.cli.context import use_ascii_words

        use_ascii_words()
        with join_bash_words(os.environ):
            app(prog_name="playground")
    except KeyboardInterrupt:  # before or after the command itself, which reports the runs that had finished
        sys.exit(130)
