"""Options that accept a closed set of values: help lists them, shells complete them, and messages name them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import typer

from playground.cli.context import exit_on_errors
from playground.errors import PlaygroundError, suggest_correction

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins


def choose(*names: str, accepted: Callable[[], Sequence[str]], metavar: str, help: str) -> Any:
    """Return a Typer option that accepts a closed set of values.

    :param names: the option, such as `--engine`.
    :param accepted: returns the values; called for a command that needs them, because their modules import slowly.
    :param metavar: what help shows as the value; a test compares the values in help with `accepted`.
    """

    def check(context: typer.Context, value: Any) -> Any:
        if value is not None and not context.resilient_parsing:
            with exit_on_errors(context):
                check_choice(names[-1], value, accepted())
        return value

    def complete() -> list[str]:
        return list(accepted())

    return typer.Option(*names, metavar=metavar, help=help, callback=check, autocompletion=complete)


def check_choice(option: str, word: str, accepted: Collection[str]) -> None:
    """Refuse a word that is not accepted.

    :raises PlaygroundError: the message lists the accepted words, and first the nearest one.
    """
    if word not in accepted:
        near = suggest_correction(word, accepted)
        raise PlaygroundError(f"{option} {word}: unknown{near} (accepted: {', '.join(accepted)})")


def check_component(option: str, kind: str, word: str, plugins: Plugins) -> None:
    """Refuse a word that is not the name of a component of this kind.

    :raises PlaygroundError: the message lists the names that plugins provide.
    """
    check_choice(option, word, plugins.names(kind))


def engine_names() -> Sequence[str]:
    """Return what `--engine` accepts."""
    from playground.runner.sweeping.engines import engine_names

    return engine_names()


def explanation_formats() -> Sequence[str]:
    """Return what `explain --format` accepts."""
    from playground.report.explanation.rendering import EXPLANATION_FORMATS

    return EXPLANATION_FORMATS


def languages() -> Sequence[str]:
    """Return what `explain --language` accepts."""
    from playground.report.explanation.language import LANGUAGES

    return LANGUAGES


def program_forms() -> Sequence[str]:
    """Return what `eject --as` accepts."""
    from playground.runner.ejecting.rendering import PROGRAM_FORMS

    return tuple(PROGRAM_FORMS)


def picture_kinds() -> Sequence[str]:
    """Return what `plot --kind` accepts; imports matplotlib, which may be missing."""
    from playground.report.plotting.needed import require

    require()
    from playground.report.plotting.kinds import PICTURE_KINDS

    return PICTURE_KINDS
