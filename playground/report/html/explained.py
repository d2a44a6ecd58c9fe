"""Some steps of a run, explained: each a piece of the page that is shown when the scrubber is at its step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playground.explanation import Explanation, UnexplainedStep
from playground.report.explanation.language import translator
from playground.report.explanation.page import BODY_STYLE, body

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BODY_STYLE", "explanation_parts"]


def explanation_parts(told: Sequence[Explanation | UnexplainedStep]) -> list[dict[str, Any]]:
    """Return what the template shows of each step."""
    return [_unexplained_part(each) if isinstance(each, UnexplainedStep) else _explained_part(each) for each in told]


def _explained_part(told: Explanation) -> dict[str, Any]:
    from markupsafe import Markup

    shown = body(told, translator("en"), level=4).replace("@@", "@\u200b@")  # which only the template may have
    batch = f" on {told.samples} samples" if told.samples else ""
    return {"step": told.step, "what": f"Step {told.step}{batch}, in its own numbers:", "html": Markup(shown)}


def _unexplained_part(told: UnexplainedStep) -> dict[str, Any]:
    return {"step": told.step, "what": f"Not explained from step {told.step} on: {told.reason}", "html": ""}
