"""The verdict on derivatives of objects in hand, for people who program: a line, a table, HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from playground.figures.notebook import FRAGMENT_STYLE, SCROLL_STYLE
from playground.figures.numbers import format_short
from playground.figures.text import make_printable
from playground.result import Expectation, ResultTable

if TYPE_CHECKING:
    from playground.core.derivatives_in_hand import CheckedDerivatives

ROUTE_NAMES: Final = {"forward": "forward mode", "complex": "complex step"}

MAX_HTML_ROWS = 20
"""Rows of the table that a notebook shows."""


@dataclass(frozen=True, kw_only=True)
class DerivativeFinding:
    """What is wrong with one derivative.

    :param place: which one, in words: `by weight[0, 1]`.
    :param cause: `wrong_backward`, `kink`, `random`, `float32_noise`, …
    :param words: the cause as a phrase.
    :param routes: the derivative by every route.
    """

    place: str
    cause: str
    words: str
    routes: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, repr=False)
class DerivativeVerdict:
    """Whether derivatives are right, and if not, which one is wrong and why.

    `assert verdict.passed, verdict` shows the one-line cause.

    :param name: what was checked.
    :param expectations: what every check expects, judged: each route agrees, and there is no kink, jump or pole.
    :param findings: what is wrong, one for each derivative; empty if the check passed.
    :param values: every derivative by every route.
    :param notes: what was not checked one by one, and what was multiplied by what, as sentences.
    """

    name: str
    expectations: tuple[Expectation, ...]
    findings: tuple[DerivativeFinding, ...]
    values: ResultTable
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def __str__(self) -> str:
        """Return the cause on one line: the first derivative that is wrong, by how much, and why."""
        if self.passed:
            count = len(self.values.rows)
            many = "1 derivative is" if count == 1 else f"{count} derivatives are"
            return make_printable(f"{self.name}: {many} right, by {', '.join(self.values.columns[1:])}")
        note = next((each.note for each in self.expectations if not each.passed and each.note), "")
        first = self.findings[0]
        return make_printable(f"{self.name}: {note or f'{first.place}: {first.words}'}")

    def __repr__(self) -> str:
        return f"<DerivativeVerdict {'passed' if self.passed else 'failed'}: {self}>"

    def table(self) -> str:
        """Return every derivative by every route, as aligned text."""
        rows = [self.values.columns, *(tuple(map(_format_cell, row)) for row in self.values.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def text(self) -> str:
        """Return the line, the table, what was expected and the notes."""
        signs = {True: "✔", False: "✘"}
        judged = [f"{signs[each.passed]} {each.what}" for each in self.expectations]
        notes = [f"{note.rstrip('.')}." for note in self.notes]
        return "\n".join([str(self), "", self.table(), "", *judged, *notes])

    def _repr_html_(self) -> str:
        """Return the line and the table as HTML, for a notebook."""
        style = "text-align:right;padding:1px 10px 1px 0;white-space:nowrap"
        wrong = {each.place for each in self.findings}
        heads = "".join(f'<th style="{style}">{escape(head)}</th>' for head in self.values.columns)
        rows = sorted(self.values.rows, key=lambda row: row[0] not in wrong)[:MAX_HTML_ROWS]
        body = "".join(
            f'<tr style="font-weight:{"bold" if row[0] in wrong else "normal"}">'
            + "".join(f'<td style="{style}">{escape(make_printable(_format_cell(cell)))}</td>' for cell in row)
            + "</tr>"
            for row in rows
        )
        hidden = len(self.values.rows) - len(rows)
        more = [f"{hidden} more derivatives"] * bool(hidden) + list(self.notes)
        sign = "✔ passed" if self.passed else "✘ failed"
        return (
            f'<div style="{FRAGMENT_STYLE}"><div><b>{sign}</b>&ensp;{escape(str(self))}</div>'
            f'<div style="{SCROLL_STYLE}"><table style="font-size:inherit">'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<div style="opacity:.65">{"<br>".join(map(escape, map(make_printable, more)))}</div></div>'
        )


def make_verdict(name: str, checked: CheckedDerivatives) -> DerivativeVerdict:
    """Return judged derivatives as plain data.

    :param name: what was checked.
    """
    from playground.core.derivatives import judge_derivatives, list_routes

    routes = ("autograd", *list_routes([each.entry for each in checked.judged]))
    rows = [(each.place, *(each.entry.routes.get(route, "") for route in routes)) for each in checked.judged]
    findings = [
        DerivativeFinding(
            place=each.place, cause=str(each.finding.cause), words=each.finding.words, routes=dict(each.entry.routes)
        )
        for each in checked.judged
        if each.finding is not None
    ]
    return DerivativeVerdict(
        name=name,
        expectations=tuple(judge_derivatives(checked.judged)),
        findings=tuple(findings),
        values=ResultTable(("derivative", *routes), tuple(rows)),
        notes=tuple(_list_notes(checked)),
    )


def _list_notes(checked: CheckedDerivatives) -> Iterator[str]:
    """Yield what was not checked one by one, what the output was multiplied by, and which routes are missing."""
    if checked.checked < checked.numbers:
        many = f"{checked.checked} of {checked.numbers:,} numbers"
        yield f"{many} were checked one by one, chosen at random, and all together along a random direction"
    if checked.outputs > 1:
        also = "; each of them was checked by itself as well" if checked.rows else ""
        many = f"the {checked.outputs:,} numbers of the output"
        yield f"v is a fixed random direction that {many} are multiplied by{also}"
    for route, reason in checked.unavailable.items():
        yield f"no {ROUTE_NAMES[route]}: {reason}"


def _format_cell(cell: object) -> str:
    return format_short(cell, 10) if isinstance(cell, float) else str(cell)
