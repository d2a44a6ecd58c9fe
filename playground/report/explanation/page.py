"""Writes an explanation as a self-contained page, or as a part of another page: no script, no network access."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from playground.explanation import ExplainedOperation, ExplainedParameter, Explanation, GradientShare, TensorSummary
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


def explanation_page(explanation: Explanation, translate: Translate, language: str) -> str:
    """Return the complete page."""
    title = escape_html(" · ".join(heading_parts(explanation, translate)))
    return (
        f'<!doctype html><html lang="{escape_html(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{PAGE_STYLE}{BODY_STYLE}</style></head><body><h1>{title}</h1>"
        f'<p class="dim">{escape_html(explanation.summary)}</p>'
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
        (
            "words",
            _("In words"),
            "".join(f"<p>{escape_html(format_sentence(each, _))}</p>" for each in explanation.words),
        ),
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


def _forward(explanation: Explanation, _: Translate) -> Iterator[str]:
    digits = explanation.digits
    nodes = {node.name: node for node in explanation.nodes}
    given = [node for node in explanation.nodes if node.kind in ("data", "parameter", "constant")]
    cards = "".join(_card(node.name, _tensor(node.value, digits, "value")) for node in given)
    yield f'<div class="given">{cards}</div>'
    for operation in explanation.operations:
        head = f"{', '.join(operation.outputs)} = {operation.formula or _call(operation)}"
        note = "" if operation.formula else _note(_("nothing more is known of this operation"))
        written = _arithmetic(operation.written, _)
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
    written = f'<div class="written">= {escape_html(share.written)}</div>' if share.written else ""
    written += _arithmetic([f"dL/d{share.to}{place} {sign} {arithmetic}" for place, arithmetic in share.entries], _)
    return _card(f"dL/d{share.to} {sign} {share.rule}", written + value)


def _arithmetic(lines: Sequence[str], _: Translate) -> str:
    """Return the arithmetic of single entries; if there are many lines, all but the first ones are folded."""
    written = [f'<div class="written">{escape_html(line)}</div>' for line in lines]
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
        inside += f'<div class="written">{escape_html(check)}</div>'
    if moved.used is not None:
        inside += f"<p>{escape_html(_('after clipping'))}</p>{_tensor(moved.used, digits, 'slope')}"
    return _card(f"dL/d{moved.name}", inside)


def _update(explanation: Explanation, _: Translate) -> Iterator[str]:
    digits = explanation.digits
    update = explanation.update
    if update is None:
        yield f"<p>{escape_html(_('Nothing moves: there is no step left to make.'))}</p>"
        return
    rule = "".join(f'<div class="formula">{escape_html(line)}</div>' for line in update.formula)
    used = [key for key in update.symbols if re.search(rf"\b{re.escape(key)}\b", " ".join(update.formula))]
    rows = "".join(
        f"<tr><td>{escape_html(key)}</td><td>{escape_html(str(update.settings.get(key, '')))}</td>"
        f"<th>{escape_html(_(update.symbols[key]))}</th></tr>"
        for key in used
    )
    rate = "" if update.lr is None else f", lr = {update.lr:g}"
    yield _card(update.optimizer + rate, f'{rule}<table class="symbols">{rows}</table>')
    for moved in explanation.parameters:
        if moved.after is None:
            continue
        states = ((key, moved.state_before.get(key), after) for key, after in moved.state_after.items())
        changes = "".join(_change(*change, digits) for change in ((moved.name, moved.before, moved.after), *states))
        written = "".join(f'<div class="written">{escape_html(line)}</div>' for line in moved.written)
        head = _note(f"{_('its first entry')}, t = {explanation.step + 1}:") if written else ""
        yield f'<div class="card"><table class="changes">{changes}</table>{head}{written}</div>'
    if explanation.loss_after is not None:
        before, after = format_number(explanation.loss, digits), format_number(explanation.loss_after, digits)
        yield f"<p>L: {before} → {after} ({escape_html(_('on the same data'))})</p>"


def _change(name: str, before: TensorSummary | None, after: TensorSummary, digits: int) -> str:
    old = "–" if before is None else format_tensor(before, digits, 80)
    return f"<tr><th>{escape_html(name)}</th><td>{old}</td><td>→</td><td>{format_tensor(after, digits, 80)}</td></tr>"


def escape_html(text: str) -> str:
    """Return text as HTML that shows it literally, on one line, in an element or an attribute."""
    return escape(make_printable(text))


def _card(head: str, inside: str) -> str:
    return f'<div class="card"><div class="formula">{escape_html(head)}</div>{inside}</div>'


def _tensor(shown: TensorSummary, digits: int, kind: str) -> str:
    if shown.values is None or len(nested_shape(shown.values)) > 2:
        return f'<div class="{kind}">{escape_html(describe_tensor(shown, digits))}</div>'
    rows = shown.values if len(nested_shape(shown.values)) == 2 else [shown.values]
    rows = [row if isinstance(row, list) else [row] for row in rows]
    cells = "".join(
        "<tr>" + "".join(f"<td>{format_number(entry, digits)}</td>" for entry in row) + "</tr>" for row in rows
    )
    table = f'<table class="entries {kind}">{cells}</table>'
    if max(len(rows), *map(len, rows)) <= SIDE:
        return table
    return f'<details><summary class="{kind}">{escape_html(describe_tensor(shown, digits))}</summary>{table}</details>'


def _call(operation: ExplainedOperation) -> str:
    return f"{operation.name}({', '.join(operation.inputs)})"
