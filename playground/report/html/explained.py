"""The explained steps of a run as parts of the page; the page shows the one at the current step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playground.explanation import Explanation, UnexplainedStep
from playground.report.explanation.language import translator
from playground.report.explanation.page import BODY_STYLE, explanation_body

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BODY_STYLE", "explanation_parts"]


def explanation_parts(steps: Sequence[Explanation | UnexplainedStep]) -> list[dict[str, Any]]:
    """Return what the template shows of each step."""
    return [_unexplained_part(each) if isinstance(each, UnexplainedStep) else _explained_part(each) for each in steps]


def _explained_part(explanation: Explanation) -> dict[str, Any]:
    from markupsafe import Markup

    # a mark such as @@INLINE-DATA@@ is only allowed in the template
    shown = explanation_body(explanation, translator("en"), level=4).replace("@@", "@\u200b@")
    samples = f" on {explanation.samples} samples" if explanation.samples else ""
    what = f"Step {explanation.step}{samples}, in its own numbers:"
    return {
        "step": explanation.step,
        "what": what,
        "html": Markup(shown),
    }


def _unexplained_part(step: UnexplainedStep) -> dict[str, Any]:
    return {"step": step.step, "what": f"Not explained from step {step.step} on: {step.reason}", "html": ""}
