"""Refuses to overwrite what somebody may have edited."""

from __future__ import annotations

from pathlib import Path

from playground.errors import PlaygroundError

SOURCE_SUFFIXES = (".py", ".ipynb", ".yaml", ".yml", ".tex")
"""Suffixes of files that people edit. Pictures, reports and data are overwritten without asking."""


def require_free(path: Path | None, force: bool | None = None) -> None:
    """Refuse to overwrite a file that somebody may have edited; call this before anything is computed.

    :param path: the file to write; None stands for standard output.
    :param force: whether `--force` was given; None for commands without this option.
    :raises PlaygroundError: the file exists and has a suffix of `SOURCE_SUFFIXES`.
    """
    if (
        path is not None
        and not force
        and path.suffix.lower() in SOURCE_SUFFIXES
        and (path.exists() or path.is_symlink())
    ):
        way = "" if force is None else ", or overwrite it with --force"
        raise PlaygroundError(f"{path}: exists already and is not overwritten; choose another file{way}")
