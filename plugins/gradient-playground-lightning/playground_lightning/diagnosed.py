"""What a training showed, as text and as an exception; without Lightning and torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from playground.plugin_api import PlaygroundError


class DiagnosedTrainingError(PlaygroundError):
    """The training has mistakes; the message has one line for each, and one for its remedy.

    :param diagnoses: what `playground.watch` found.
    """

    def __init__(self, diagnoses: Iterable[Any]) -> None:
        self.diagnoses = tuple(diagnoses)
        super().__init__(*format_diagnoses(self.diagnoses))


def format_diagnoses(diagnoses: Iterable[Any]) -> list[str]:
    """Return two lines for each diagnosis: its place, sentence and name, and its remedy."""
    return [f"{each}\n    {each.remedy}" for each in diagnoses]
