"""Writes an explanation as a self-contained page, or as a part of another page: no script, no network access.

Numbers that a page can compute anew carry their index: `data-tensor`, `data-text`, `data-update`, `data-setting`. What
it cannot compute anew has the class `recorded`, and the page hides it at other settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from playground.explanation import (
    ExplainedOperation,
    ExplainedParameter,
    Explanation,
    FollowingTensor,
    FollowingText,
    GradientShare,
    LiveExplanation,
    TensorSummary,
)
from playground.figures.numbers import nested_shape
from playground.figures.text import make_printable
from playground.report.explanation.formatting import (
    count_uses,
    describe_tensor,
    format_number,
    format_sentence,
    format_tensor,
    heading_parts,
    relative_deviation,
)
from playground.report.explanation.graph import MAX_PHONE_BOXES, graph_svg
from playground.report.explanation.language import Translate

SIDE, LINES = 8, 4
"""Maximum number of rows or columns of a tensor, and of lines of arithmetic, that are shown without a click."""

PAGE_STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--dim:#5b6673;--paper:#fff;--card:#f5f7fa;--line:#d5dce4}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e4e9ef;--dim:#98a4b3;--paper:#12171d;--card:#1b222b;
--line:#36414e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}
h1,p{overflow-wrap:anywhere}
p{margin:.3rem 0}.dim{color:var(--dim)}.card{background:var(--card);border-radius:8px;padding:.6rem .9rem}
"""

BODY_STYLE = """
.explanation{--value:#0b62b8;--slope:#b3411a}
@media screen and (prefers-color-scheme:dark){.explanation{--value:#79b8ff;--slope:#ff9d76}}
.explanation section{min-width:0}.explanation .card{margin:.5rem 0;overflow-x:auto}
.explanation .formula{font:600 1rem/1.6 ui-monospace,monospace;padding-left:1.5rem;text-indent:-1.5rem;
overflow-wrap:anywhere}
.explanation .written{font:.85rem/1.6 ui-monospace,monospace;color:var(--dim)}
.explanation table{border-collapse:collapse;font:.85rem/1.5 ui-monospace,monospace;margin:.2rem 0}
.explanation :is(td,th){padding:0 .5rem;text-align:right;white-space:nowrap}
.explanation th{text-align:left;font-weight:400;color:var(--dim)}
.explanation .symbols :is(td,th){text-align:left;vertical-align:top;padding:0 .8rem 0 0}
.explanation :is(.symbols th,.changes td){white-space:normal}
.entries td{border-left:1px solid var(--line)}.entries td:last-child{border-right:1px solid var(--line)}
.explanation :is(div,summary):is(.value,.slope){font:.85rem/1.6 ui-monospace,monospace}
.explanation summary{cursor:pointer}
.explanation .value{color:var(--value)}.explanation .slope{color:var(--slope)}
.given{display:flex;flex-wrap:wrap;gap:.5rem}.explanation .given .card{margin:0}
.graph{font:12px ui-monospace,monospace;display:block;margin:auto}.drawn{overflow-x:auto}
.graph rect{fill:var(--card);stroke:var(--line)}.graph text{fill:var(--ink)}.graph .name{font-weight:600}
.graph .value{fill:var(--value)}.graph .slope{fill:var(--slope)}
.graph .parameter rect{stroke:var(--slope)}.graph .loss rect{stroke:var(--value);stroke-width:2}
.graph.narrow{display:none}@media screen and (max-width:600px){.graph{display:none}
.graph.narrow{display:block;max-width:100%;height:auto}}
.edge{fill:none;stroke:var(--dim);stroke-opacity:.6}
@media print{.explanation details::details-content{content-visibility:visible;block-size:auto}
.graph{max-width:100%;height:auto}.explanation .card{overflow:visible;break-inside:avoid}
.explanation td{white-space:normal}}
"""
"""The style of the explanation itself; the surrounding page defines --ink, --dim, --card and --line."""


def explanation_page(explanation: Explanation, translate: Translate, language: str, note: str = "") -> str:
    """Return the complete page.

    :param note: a sentence above the explanation.
    """
    title = escape_html(" · ".join(heading_parts(explanation, translate)))
    return (
        f'<!doctype html><html lang="{escape_html(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{PAGE_STYLE}{BODY_STYLE}</style></head><body><h1>{title}</h1>"
        f'<p class="dim">{escape_html(explanation.summary)}</p>{_note(note) if note else ""}'
        f'<div class="explanation">{explanation_body(explanation, translate)}</div></body></html>'
    )


def explanation_body(explanation: Explanation, translate: Translate, level: int = 2) -> str:
    """Return the explanation, a section for each part, for an element of class `explanation`.

    :param level: level of the sections' headings.
    """
    _ = translate
    label = escape_html(_("Graph"))
    drawn = graph_svg(explanation) + graph_svg(explanation, MAX_PHONE_BOXES)
    parts = (
        ("words", _("In words"), "".join(_words(explanation, _))),
        ("forward", _("Forward"), "".join(_forward(explanation, _))),
        ("backward", _("Backward"), "".join(_backward(explanation, _))),
        ("update", _("Update"), "".join(_update(explanation, _))),
        ("picture", _("Graph"), f'<div class="drawn" tabindex="0" aria-label="{label}">{drawn}</div>'),
    )
    return "".join(
        f'<section class="{kind}"><h{level}>{escape_html(title)}</h{level}>{part}</section>'
        for kind, title, part in parts
        if part
    )


def _words(explanation: Explanation, _: Translate) -> Iterator[str]:
    """Yield the sentences; those that depend on the numbers are of the recorded step, and a page may say others."""
    notes = explanation.notes if isinstance(explanation, LiveExplanation) else len(explanation.words)
    for place, each in enumerate(explanation.words):
        kind = "" if place < notes else ' class="recorded"'
        yield f"<p{kind}>{escape_html(format_sentence(each, _))}</p>"
    if isinstance(explanation, LiveExplanation):
        yield '<p class="loss-change" hidden></p>'


def _forward(explanation: Explanation, _: Translate) -> Iterator[str]:
    digits = explanation.digits
    nodes = {node.name: node for node in explanation.nodes}
    given = [node for node in explanation.nodes if node.kind in ("data", "parameter", "constant")]
    cards = "".join(_card(node.name, _tensor(node.value, digits, "value")) for node in given)
    yield f'<div class="given">{cards}</div>'
    for operation in explanation.operations:
        head = f"{', '.join(operation.outputs)} = {operation.formula or _call(operation)}"
        note = "" if operation.formula else _note(_("nothing more is known of this operation"))
        written = _arithmetic(explanation, [("", line) for line in operation.written], _)
        values = "".join(_tensor(nodes[name].value, digits, "value") for name in operation.outputs)
        yield _card(head, note + written + values)


def _backward(explanation: Explanation, _: Translate) -> Iterator[str]:
    digits = explanation.digits
    nodes, counts = {node.name: node for node in explanation.nodes}, count_uses(explanation)
    for operation in reversed(explanation.operations):
        for name in operation.outputs:
            total = nodes[name].gradient
            if counts.get(name, 0) > 1 and total is not None:
                yield _card(f"dL/d{name}", _note(_("the sum of its parts")) + _tensor(total, digits, "slope"))
        for share in operation.shares:
            yield _share(explanation, operation, share, "+=" if counts[share.to] > 1 else "=", _)
    for index, moved in enumerate(explanation.parameters):
        yield _ending(explanation, index, moved, _)


def _share(
    explanation: Explanation, operation: ExplainedOperation, share: GradientShare, sign: str, _: Translate
) -> str:
    digits = explanation.digits
    value = _tensor(share.value, digits, "slope")
    if not share.rule:
        note = _note(f"{_call(operation)}: {_('as autograd gives it')}")
        return _card(f"dL/d{share.to} {sign} …", note + value)
    written = _line(explanation, "= ", share.written) if share.written else ""
    lines = [(f"dL/d{share.to}{place} {sign} ", arithmetic) for place, arithmetic in share.entries]
    written += _arithmetic(explanation, lines, _)
    return _card(f"dL/d{share.to} {sign} {share.rule}", written + value)


def _line(explanation: Explanation, head: str, text: str) -> str:
    """Return a line of arithmetic."""
    shown = escape_html(text)
    if isinstance(text, FollowingText):
        return f'<div class="written">{escape_html(head)}<span data-text="{text.number}">{shown}</span></div>'
    kind = "written recorded" if isinstance(explanation, LiveExplanation) else "written"
    return f'<div class="{kind}">{escape_html(head)}{shown}</div>'


def _arithmetic(explanation: Explanation, lines: Sequence[tuple[str, str]], _: Translate) -> str:
    """Return the arithmetic of single entries; if there are many lines, all but the first ones are folded.

    :param lines: what stands before the arithmetic, and the arithmetic.
    """
    written = [_line(explanation, head, text) for head, text in lines]
    if len(written) <= LINES:
        return "".join(written)
    more = escape_html(_("… {count} more like this").format(count=len(written) - 1))
    summary = f'<summary class="written">{more}</summary>'
    return f"{written[0]}<details>{summary}{''.join(written[1:])}</details>"


def _note(text: str) -> str:
    return f'<p class="dim">{escape_html(text)}</p>'


def _ending(explanation: Explanation, index: int, moved: ExplainedParameter, _: Translate) -> str:
    digits = explanation.digits
    if moved.gradient is None:
        return _card(f"dL/d{moved.name}", escape_html(_("the loss does not depend on it")))
    inside = _tensor(moved.gradient, digits, "slope")
    off = relative_deviation(explanation, index)
    if off is not None and moved.central is not None:
        check = f"{_('central differences')}: {format_tensor(moved.central, digits, 60)} ({_('deviation')} {off:.0e})"
        inside += _line(explanation, "", check)
    if moved.used is not None:
        clipped = f"<p>{escape_html(_('after clipping'))}</p>{_tensor(moved.used, digits, 'slope')}"
        if isinstance(explanation, LiveExplanation):
            hidden = " hidden" if _numbers(moved.used) == _numbers(moved.gradient) else ""
            clipped = f'<div class="clipped" data-parameter="{index}"{hidden}>{clipped}</div>'
        inside += clipped
    return _card(f"dL/d{moved.name}", inside)


def _update(explanation: Explanation, _: Translate) -> Iterator[str]:
    digits = explanation.digits
    update = explanation.update
    if update is None:
        yield f"<p>{escape_html(_('Nothing moves: there is no step left to make.'))}</p>"
        return
    rule = "".join(f'<div class="formula">{escape_html(line)}</div>' for line in update.formula)
    used = [key for key in update.symbols if re.search(rf"\b{re.escape(key)}\b", " ".join(update.formula))]
    settings = explanation.settings if isinstance(explanation, LiveExplanation) else ()
    rows = "".join(
        f"<tr><td>{escape_html(key)}</td><td>{_setting(key, str(update.settings.get(key, '')), settings)}</td>"
        f"<th>{escape_html(_(update.symbols[key]))}</th></tr>"
        for key in used
    )
    head = _optimizer(update.optimizer, settings)
    if update.lr is not None:
        head += f", lr = {_setting('rate', f'{update.lr:g}', ('rate',) if 'lr' in settings else ())}"
    rule = f'<div class="rule">{rule}</div>' if settings else rule
    yield f'<div class="card"><div class="formula">{head}</div>{rule}<table class="symbols">{rows}</table></div>'
    for index, moved in enumerate(explanation.parameters):
        if moved.after is None:
            continue
        states = ((key, moved.state_before.get(key), after) for key, after in moved.state_after.items())
        changes = "".join(_change(*change, digits) for change in ((moved.name, moved.before, moved.after), *states))
        written = "".join(f'<div class="written">{escape_html(line)}</div>' for line in moved.written)
        written = _note(f"{_('its first entry')}, t = {explanation.step + 1}:") + written if written else ""
        if isinstance(explanation, LiveExplanation) and written:
            kind = f'data-update="{index}"' if explanation.updates[index] else 'class="recorded"'
            written = f"<div {kind}>{written}</div>"
        yield f'<div class="card"><table class="changes">{changes}</table>{written}</div>'
    if explanation.loss_after is not None:
        before, after = format_number(explanation.loss, digits), format_number(explanation.loss_after, digits)
        if isinstance(explanation, LiveExplanation):
            before, after = f'<span data-loss="0">{before}</span>', f'<span data-loss="1">{after}</span>'
        yield f"<p>L: {before} → {after} ({escape_html(_('on the same data'))})</p>"


def _change(name: str, before: TensorSummary | None, after: TensorSummary, digits: int) -> str:
    old = "<td>–</td>" if before is None else f"<td{_follow(before, 80)}>{format_tensor(before, digits, 80)}</td>"
    new = f"<td{_follow(after, 80)}>{format_tensor(after, digits, 80)}</td>"
    return f"<tr><th>{escape_html(name)}</th>{old}<td>→</td>{new}</tr>"


def _numbers(shown: TensorSummary) -> tuple[Any, ...]:
    return shown.mean, shown.low, shown.high, shown.values


def _follow(shown: TensorSummary, room: int = 0) -> str:
    """Return the attributes of an element that shows a tensor.

    :param room: characters in which all entries are shown on one line; 0 for shape and range.
    """
    return f' data-tensor="{shown.index}" data-room="{room}"' if isinstance(shown, FollowingTensor) else ""


def _setting(name: str, text: str, settings: Sequence[str]) -> str:
    """Return a number of the optimizer, as an element if a page changes it."""
    shown = escape_html(text)
    return f'<span data-setting="{escape_html(name)}">{shown}</span>' if text and name in settings else shown


def _optimizer(label: str, settings: Sequence[str]) -> str:
    """Return the name of an optimizer with its numbers, each an element if a page changes it."""
    parts = re.split(r"(?<=[(, ])([A-Za-z_]\w*)=([^,()\[\]]+)(?=[,)])", label)
    shown = escape_html(parts[0])
    for name, value, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        shown += f"{escape_html(name)}={_setting(name, value, settings)}{escape_html(rest)}"
    return shown


def escape_html(text: str) -> str:
    """Return text as HTML that shows it literally, on one line, in an element or an attribute."""
    return escape(make_printable(text))


def _card(head: str, inside: str) -> str:
    return f'<div class="card"><div class="formula">{escape_html(head)}</div>{inside}</div>'


def _tensor(shown: TensorSummary, digits: int, kind: str) -> str:
    described = escape_html(describe_tensor(shown, digits))
    if shown.values is None or len(nested_shape(shown.values)) > 2:
        return f'<div class="{kind}"{_follow(shown)}>{described}</div>'
    rows = shown.values if len(nested_shape(shown.values)) == 2 else [shown.values]
    rows = [row if isinstance(row, list) else [row] for row in rows]
    cells = "".join(
        "<tr>" + "".join(f"<td>{format_number(entry, digits)}</td>" for entry in row) + "</tr>" for row in rows
    )
    table = f'<table class="entries {kind}"{_follow(shown)}>{cells}</table>'
    if max(len(rows), *map(len, rows)) <= SIDE:
        return table
    return f'<details><summary class="{kind}"{_follow(shown)}>{described}</summary>{table}</details>'


def _call(operation: ExplainedOperation) -> str:
    return f"{operation.name}({', '.join(operation.inputs)})"
