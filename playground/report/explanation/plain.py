"""An explanation as plain lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from playground.explanation import Explanation, Moved, Operated, Shown
from playground.figures.text import printable
from playground.report.explanation.language import Translate
from playground.report.explanation.numbers import brief, deviation, heading, lines, number, sentence

GUTTER = "    "


def text(explanation: Explanation, translate: Translate, width: int) -> Iterator[str]:
    """Yield the explanation line by line, at most `width` characters where formulas allow."""
    yield from map(printable, _lines(_Page(explanation, translate, width), translate))


def _lines(page: _Page, translate: Translate) -> Iterator[str]:
    yield from page.head()
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
    def __init__(self, explanation: Explanation, translate: Translate, width: int) -> None:
        self._told = explanation
        self._ = translate
        self._width = width
        self._digits = explanation.digits
        self._nodes = {node.name: node for node in explanation.nodes}

    def head(self) -> Iterator[str]:
        told = self._told
        yield " · ".join(heading(told, self._))
        yield from textwrap.wrap(printable(told.summary), self._width)

    def forward(self) -> Iterator[str]:
        for node in self._told.nodes:
            if node.kind in ("data", "parameter", "constant"):
                yield from self._named(node.name, node.value)
        for operation in self._told.operations:
            yield ""
            yield f"  {_left(operation)} = {operation.formula or _call(operation)}"
            if not operation.formula:
                yield GUTTER + self._("nothing more is known of this operation")
            for written in operation.written:
                yield from self._wrapped(written)
            for name in operation.outputs:
                yield from self._tensor(self._nodes[name].value)

    def backward(self) -> Iterator[str]:
        loss = next((node.name for node in self._told.nodes if node.kind == "loss"), "L")
        yield f"  dL/d{loss} = 1"
        for operation in reversed(self._told.operations):
            if not operation.formula and (first := self._nodes[operation.outputs[0]]).gradient is not None:
                yield ""
                yield f"  dL/d{first.name}  ({_call(operation)}: {self._('nothing more is known of this operation')})"
                yield from self._tensor(first.gradient)
            for share in operation.shares:
                yield ""
                # A value that several operations use collects a share from each of them.
                sign = "+=" if self._uses(share.to) > 1 else "="
                equals = f" = {share.written}" if share.written and share.written != share.rule else ""
                yield f"  dL/d{share.to} {sign} {share.rule}{equals}"
                for place, arithmetic in share.entries:
                    yield from self._wrapped(f"dL/d{share.to}{place} {sign} {arithmetic}")
                yield from self._tensor(share.value)
        yield ""
        for index, moved in enumerate(self._told.parameters):
            yield from self._gradient(index, moved)

    def _gradient(self, index: int, moved: Moved) -> Iterator[str]:
        if moved.gradient is None:
            yield f"  dL/d{moved.name}: {self._('the loss does not depend on it')}"
            return
        yield from self._named(f"dL/d{moved.name}", moved.gradient)
        off = deviation(self._told, index)
        if off is not None and moved.central is not None:
            room = self._width - len(self._("central differences")) - 30
            check = f"{self._('central differences')}: {brief(moved.central, self._digits, room)}"
            yield from self._wrapped(f"{check}  ({self._('deviation')} {off:.0e})")
        if moved.used is not None:
            yield from self._named(f"{GUTTER}{self._('after clipping')}", moved.used)

    def update(self) -> Iterator[str]:
        told, update = self._told, self._told.update
        if update is None:
            yield "  " + self._("Nothing moves: there is no step left to make.")
            yield f"  L = {number(told.loss, self._digits)}"
            return
        rate = "" if update.lr is None else f", lr = {update.lr:g}"
        yield f"  {update.optimizer}{rate}"
        for line in update.formula:
            yield f"{GUTTER}{line}"
        for key, meaning in update.symbols.items():
            if re.search(rf"\b{re.escape(key)}\b", " ".join(update.formula)):
                value = f" = {update.settings[key]}" if key in update.settings else ""
                yield from self._wrapped(f"  {key}{value}: {self._(meaning)}")
        for moved in told.parameters:
            if moved.after is not None:
                yield ""
                yield from self._change(moved.name, moved.before, moved.after)
            for key, state in moved.state_after.items():
                yield from self._change(f"{GUTTER}{key}", moved.state_before.get(key), state)
        yield ""
        if told.loss_after is not None:
            before, after = (number(value, self._digits) for value in (told.loss, told.loss_after))
            yield f"  L: {before} → {after}  ({self._('on the same data')})"

    def words(self) -> Iterator[str]:
        for each in self._told.words:
            yield from textwrap.wrap(sentence(each, self._), self._width, initial_indent="  ", subsequent_indent="  ")

    def graph(self) -> Iterator[str]:
        made = {name: operation for operation in self._told.operations for name in operation.outputs}
        loss = next((node.name for node in self._told.nodes if node.kind == "loss"), None)
        if loss is not None:
            yield from self._branch(loss, made, "  ", "  ", set())

    def _branch(self, name: str, made: dict[str, Operated], lead: str, below: str, seen: set[str]) -> Iterator[str]:
        """Yield what a value was made of: a chain goes straight down, and where it forks, branches are indented."""
        following: str | None = name
        while following is not None:
            operation = made.get(following)
            again = following in seen and operation is not None
            yield lead + self._told_of(following, operation, again, max(40, self._width) - len(lead))
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

    def _told_of(self, name: str, operation: Operated | None, again: bool, room: int) -> str:
        """Return a value with its gradient, and an arrow where it stands further up already."""
        node = self._nodes[name]
        gradient = "" if node.gradient is None else f"  ∂ {brief(node.gradient, self._digits)}"
        by = f" ← {operation.name}" if operation else ""
        line = f"{name}{by}  {brief(node.value, self._digits)}{gradient}{'  ↑' if again else ''}"
        return line if len(line) <= room else f"{line[: room - 2]} …"

    def _wrapped(self, line: str) -> list[str]:
        return textwrap.wrap(line, self._width, initial_indent=GUTTER, subsequent_indent=GUTTER + "  ")

    def _uses(self, name: str) -> int:
        return sum(share.to == name for operation in self._told.operations for share in operation.shares)

    def _change(self, name: str, before: Shown | None, after: Shown) -> Iterator[str]:
        room = self._width - max(8, len(name) + 4)  # on a line of its own, where both do not fit on one
        old = "–" if before is None else brief(before, self._digits, room)
        new = brief(after, self._digits, room)
        line = f"  {name}: {old} → {new}"
        if len(line) <= self._width:
            yield line
        else:
            yield f"  {name}: {old}"
            yield f"  {GUTTER}→ {new}"

    def _named(self, name: str, shown: Shown) -> Iterator[str]:
        head = f"  {name} = "
        for index, line in enumerate(lines(shown, self._digits, max(20, self._width - len(head)))):
            yield (head if index == 0 else " " * len(head)) + line

    def _tensor(self, shown: Shown) -> Iterator[str]:
        for index, line in enumerate(lines(shown, self._digits, self._width - 6)):
            yield f"{GUTTER}{'= ' if index == 0 else '  '}{line}"


def _left(operation: Operated) -> str:
    return ", ".join(operation.outputs)


def _call(operation: Operated) -> str:
    return f"{operation.name}({', '.join(operation.inputs)})"
