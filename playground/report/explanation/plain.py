"""Writes an explanation as plain lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from playground.explanation import ExplainedOperation, ExplainedParameter, Explanation, GradientShare, TensorSummary
from playground.figures.text import make_printable
from playground.report.explanation.formatting import (
    count_uses,
    format_number,
    format_sentence,
    format_tensor,
    heading_parts,
    relative_deviation,
    span,
    tensor_lines,
)
from playground.report.explanation.language import Translate

GUTTER = "    "


MAX_FULL_LINES = 120
"""An explanation with more lines than this is shortened unless the full one is requested."""

ROWS, ENTRIES = 4, 2
"""Maximum number of lines of a tensor, and of one operation's arithmetic, in a shortened explanation."""


def explanation_lines(
    explanation: Explanation, translate: Translate, width: int, full: bool = True, option: str = "--full"
) -> Iterator[str]:
    """Yield the explanation line by line, at most `width` characters where formulas allow.

    :param full: show a long explanation in full; otherwise it is shortened, with a hint how to see all of it.
    :param option: what the hint names.
    """
    whole = [make_printable(line) for line in _sections(_Page(explanation, translate, width))]
    if full or len(whole) <= MAX_FULL_LINES:
        yield from whole
        return
    yield from map(make_printable, _sections(_Page(explanation, translate, width, brief=True)))
    said = translate("Summed up; all {count} lines are shown with {option}.").format(count=len(whole), option=option)
    yield from ("", *textwrap.wrap(said, width))


def _sections(page: _Page) -> Iterator[str]:
    yield from page.head()
    translate = page.translate
    for title, part in (
        (translate("Forward"), page.forward()),
        (translate("Backward"), page.backward()),
        (translate("Update"), page.update()),
        (translate("In words"), page.words()),
        (translate("Graph"), page.graph()),
    ):
        if shown := list(part):
            yield from ("", title, "─" * len(title), *shown)


class _Page:
    """The sections of an explanation as lines.

    :param brief: shorten large tensors and long arithmetic.
    """

    def __init__(self, explanation: Explanation, translate: Translate, width: int, brief: bool = False) -> None:
        self._explanation = explanation
        self.translate = self._ = translate
        self._width = width
        self._brief = brief
        self._digits = explanation.digits
        self._nodes = {node.name: node for node in explanation.nodes}
        self._uses = count_uses(explanation)

    def head(self) -> Iterator[str]:
        explanation = self._explanation
        yield " · ".join(heading_parts(explanation, self._))
        yield from textwrap.wrap(make_printable(explanation.summary), self._width)

    def forward(self) -> Iterator[str]:
        for node in self._explanation.nodes:
            if node.kind in ("data", "parameter", "constant"):
                yield from self._named(node.name, node.value)
        for operation in self._explanation.operations:
            yield ""
            yield f"  {_format_left_side(operation)} = {operation.formula or _format_call(operation)}"
            if not operation.formula:
                yield GUTTER + self._("nothing more is known of this operation")
            yield from self._entries(operation.written)
            for name in operation.outputs:
                yield from self._tensor(self._nodes[name].value)

    def backward(self) -> Iterator[str]:
        loss = next((node.name for node in self._explanation.nodes if node.kind == "loss"), "L")
        yield f"  dL/d{loss} = 1"
        for operation in reversed(self._explanation.operations):
            for name in operation.outputs:
                yield from self._total(name)
            for share in operation.shares:
                yield from self._share(operation, share)
        yield ""
        for index, moved in enumerate(self._explanation.parameters):
            yield from self._gradient(index, moved)

    def _share(self, operation: ExplainedOperation, share: GradientShare) -> Iterator[str]:
        yield ""
        # The gradient of a value that several operations use is a sum of parts, one from each operation.
        sign = "+=" if self._uses.get(share.to, 0) > 1 else "="
        if share.rule:
            equals = f" = {share.written}" if share.written and share.written != share.rule else ""
            yield f"  dL/d{share.to} {sign} {share.rule}{equals}"
        else:
            yield f"  dL/d{share.to} {sign} …  ({_format_call(operation)}: {self._('as autograd gives it')})"
        yield from self._entries([f"dL/d{share.to}{place} {sign} {arithmetic}" for place, arithmetic in share.entries])
        yield from self._tensor(share.value)

    def _total(self, name: str) -> Iterator[str]:
        """Yield the sum of a value's gradient parts; the operation that made the value uses this sum."""
        gradient = self._nodes[name].gradient
        if self._uses.get(name, 0) > 1 and gradient is not None:
            yield ""
            yield f"  dL/d{name}: {self._('the sum of its parts')}"
            yield from self._tensor(gradient)

    def _gradient(self, index: int, moved: ExplainedParameter) -> Iterator[str]:
        if moved.gradient is None:
            yield f"  dL/d{moved.name}: {self._('the loss does not depend on it')}"
            return
        if not self._brief or moved.used is not None:
            yield from self._named(f"dL/d{moved.name}", moved.gradient)
        off = relative_deviation(self._explanation, index)
        if off is not None and moved.central is not None:
            room = self._width - len(self._("central differences")) - 30
            values = "" if self._brief else f": {format_tensor(moved.central, self._digits, room)}"
            check = f"{f'dL/d{moved.name}: ' if self._brief else ''}{self._('central differences')}{values}"
            yield from self._wrapped(f"{check}  ({self._('deviation')} {off:.0e})")
        if moved.used is not None:
            yield from self._named(f"{GUTTER}{self._('after clipping')}", moved.used)

    def update(self) -> Iterator[str]:
        explanation, update = self._explanation, self._explanation.update
        if update is None:
            yield "  " + self._("Nothing moves: there is no step left to make.")
            yield f"  L = {format_number(explanation.loss, self._digits)}"
            return
        rate = "" if update.lr is None else f", lr = {update.lr:g}"
        yield f"  {update.optimizer}{rate}"
        for line in update.formula:
            yield f"{GUTTER}{line}"
        for key, meaning in update.symbols.items():
            if re.search(rf"\b{re.escape(key)}\b", " ".join(update.formula)):
                value = f" = {update.settings[key]}" if key in update.settings else ""
                yield from self._wrapped(f"  {key}{value}: {self._(meaning)}")
        example = next((moved.name for moved in explanation.parameters if moved.after is not None), None)
        for moved in explanation.parameters:
            if moved.after is not None:
                yield ""
                yield from self._change(moved.name, moved.before, moved.after)
            if moved.written and (moved.name == example or not self._brief):
                yield f"{GUTTER}{self._('its first entry')}, t = {explanation.step + 1}:"
                for written in moved.written:
                    yield from self._wrapped(f"  {written}")
            states = moved.state_after if moved.name == example or not self._brief else {}
            for key, state in states.items():
                yield from self._change(f"{GUTTER}{key}", moved.state_before.get(key), state)
        yield ""
        if explanation.loss_after is not None:
            before, after = (format_number(value, self._digits) for value in (explanation.loss, explanation.loss_after))
            yield f"  L: {before} → {after}  ({self._('on the same data')})"

    def words(self) -> Iterator[str]:
        for each in self._explanation.words:
            yield from textwrap.wrap(
                format_sentence(each, self._), self._width, initial_indent="  ", subsequent_indent="  "
            )

    def graph(self) -> Iterator[str]:
        made = {name: operation for operation in self._explanation.operations for name in operation.outputs}
        loss = next((node.name for node in self._explanation.nodes if node.kind == "loss"), None)
        if loss is not None:
            yield from self._branch(loss, made, "  ", "  ", set())

    def _branch(
        self, name: str, made: dict[str, ExplainedOperation], lead: str, below: str, seen: set[str]
    ) -> Iterator[str]:
        """Yield the inputs of a value: a chain goes straight down, and branches of a fork are indented."""
        following: str | None = name
        while following is not None:
            operation = made.get(following)
            again = following in seen and operation is not None
            yield lead + self._format_branch(following, operation, again, max(40, self._width) - len(lead))
            if operation is None or again:
                return
            seen.add(following)
            computed = [each for each in operation.inputs if each in made]
            following = computed[0] if len(computed) == 1 else None
            branches = [each for each in operation.inputs if each != following]
            for place, each in enumerate(branches, 1):
                ends = place == len(branches) and following is None
                fork, beside = ("└─ ", "   ") if ends else ("├─ ", "│  ")
                yield from self._branch(each, made, below + fork, below + beside, seen)
            lead = below

    def _format_branch(self, name: str, operation: ExplainedOperation | None, again: bool, room: int) -> str:
        """Return a value with its gradient, and an arrow if its inputs are already listed above.

        Leaves out the means, then the gradient, if the line is too long.
        """
        node, by = self._nodes[name], f" ← {operation.name}" if operation else ""
        head, tail, line = f"{name}{by}  ", "  ↑" if again else "", ""
        for show in (format_tensor, span):
            value, slope = (each and show(each, self._digits) for each in (node.value, node.gradient))
            line = f"{head}{value}{f'  ∂ {slope}' if slope else ''}{tail}"
            if len(line) <= room:
                return line
        line = f"{head}{value}{tail}"
        return line if len(line) <= room else f"{line[: room - 2]} …"

    def _wrapped(self, line: str) -> list[str]:
        return textwrap.wrap(line, self._width, initial_indent=GUTTER, subsequent_indent=GUTTER + "  ")

    def _change(self, name: str, before: TensorSummary | None, after: TensorSummary) -> Iterator[str]:
        room = self._width - max(8, len(name) + 4)  # on separate lines if both do not fit on one
        old = "–" if before is None else format_tensor(before, self._digits, room)
        new = format_tensor(after, self._digits, room)
        line = f"  {name}: {old} → {new}"
        if len(line) <= self._width:
            yield line
        else:
            yield f"  {name}: {old}"
            yield f"  {' ' * max(4, len(name) - len(name.lstrip()) + 2)}→ {new}"

    def _entries(self, written: Sequence[str]) -> Iterator[str]:
        """Yield the arithmetic of single entries; only the first lines if shortened."""
        few = written[:ENTRIES] if self._brief else written
        for line in few:
            yield from self._wrapped(line)
        if len(few) < len(written):
            yield GUTTER + self._("… {count} more like this").format(count=len(written) - len(few))

    def _lines(self, shown: TensorSummary, width: int) -> list[str]:
        return tensor_lines(shown, self._digits, width, ROWS if self._brief else 16)

    def _named(self, name: str, shown: TensorSummary) -> Iterator[str]:
        head = f"  {name} = "
        for index, line in enumerate(self._lines(shown, max(20, self._width - len(head)))):
            yield (head if index == 0 else " " * len(head)) + line

    def _tensor(self, shown: TensorSummary) -> Iterator[str]:
        for index, line in enumerate(self._lines(shown, self._width - 6)):
            yield f"{GUTTER}{'= ' if index == 0 else '  '}{line}"


def _format_left_side(operation: ExplainedOperation) -> str:
    return ", ".join(operation.outputs)


def _format_call(operation: ExplainedOperation) -> str:
    return f"{operation.name}({', '.join(operation.inputs)})"
