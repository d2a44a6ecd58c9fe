"""The page of one explained step whose numbers follow live controls, and what its script reads of the step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from playground.explanation import Explanation, FollowingTensor, LiveExplanation
from playground.live import Live, NoModule
from playground.report.explanation.formatting import heading_parts
from playground.report.explanation.graph import BOX_CHARACTERS, GRADIENT_SIGN
from playground.report.explanation.language import translator
from playground.report.explanation.page import explanation_body, explanation_page
from playground.report.html.live_data import live_data
from playground.report.html.page import html_page, index_of_one
from playground.result import json_value


def explained_page(explanation: Explanation, live: Live | NoModule, language: str = "en") -> str:
    """Return a self-contained page of a step.

    :param explanation: a `LiveExplanation` if its numbers follow the controls; the page has no script for any other.
    :param live: the program of its descent, or why there is none, which the page then says.
    :param language: `en` or `id`.
    """
    from markupsafe import Markup

    translate = translator(language)
    if not isinstance(explanation, LiveExplanation) or isinstance(live, NoModule):
        note = f"Not live: {live.reason}. The page shows what Python computed." if isinstance(live, NoModule) else ""
        return explanation_page(explanation, translate, language, note)
    # a mark such as @@INLINE-DATA@@ is only allowed in the template
    body = explanation_body(explanation, translate).replace("@@", "@\u200b@")
    title = " · ".join(heading_parts(explanation, translate))
    part: dict[str, Any] = {
        "id": "step",
        "template": "explained.html",
        "title": title,
        "summary": explanation.summary,
        "live": live,
        "html": Markup(body),
        "data": {"live": live_data(live), "following": following_data(explanation, live, language)},
    }
    return html_page([part], index_of_one(part), has_charts=False, language=language)


def following_data(explanation: LiveExplanation, live: Live, language: str = "en") -> dict[str, Any]:
    """Return what the script needs to show the numbers of a step anew."""
    translate = translator(language)
    tensors = sorted(_find_tensors(explanation), key=lambda each: each.index)
    factor = 1.0 if live.factors is None else live.factors[explanation.step]
    given = [node.value for node in explanation.nodes if node.kind == "data"]
    content = {
        "step": explanation.step,
        "digits": explanation.digits,
        "factor": factor,
        "room": BOX_CHARACTERS,
        "sign": GRADIENT_SIGN,
        "tensors": [[each.shape, each.places] for each in tensors],
        "texts": [[each.head, each.pieces, each.result, each.ends, each.of_data] for each in explanation.texts],
        "updates": [
            each and {"numbers": each.numbers, "lines": each.lines, "gives": each.gives} for each in explanation.updates
        ],
        "parameters": [
            [_index(each.before), _index(each.gradient), _index(each.after), _index(each.used)]
            for each in explanation.parameters
        ],
        "data": [_index(each) for each in given[: len(live.data)]],
        "losses": explanation.losses,
        "changes": {kind: translate(text) for kind, text in explanation.loss_changes.items()},
        "leftOut": explanation.left_out,
    }
    return dict(json_value(content))


def _index(shown: Any) -> int | None:
    return shown.index if isinstance(shown, FollowingTensor) else None


def _find_tensors(item: Any) -> Iterator[FollowingTensor]:
    if isinstance(item, FollowingTensor):
        yield item
    elif is_dataclass(item):
        for each in fields(item):
            yield from _find_tensors(getattr(item, each.name))
    elif isinstance(item, Mapping):
        for each in item.values():
            yield from _find_tensors(each)
    elif isinstance(item, tuple | list):
        for each in item:
            yield from _find_tensors(each)
