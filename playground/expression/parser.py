"""Parses text to a tree, by recursive descent. Evaluates nothing; anything outside the grammar is an error.

The grammar, with Python's precedences::

    sum     : product (("+" | "-") product)*
    product : sign (("*" | "/") sign)*
    sign    : ("+" | "-") sign | power
    power   : value ["**" sign]
    value   : NUMBER | CONSTANT | NAME | NAME "[" INDEX "]" | FUNCTION "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from playground.errors import suggest_names
from playground.expression.errors import ExpressionError, shorten
from playground.expression.operations import CONSTANTS, FUNCTIONS, FormulaOperation
from playground.expression.tree import Apply, ExpressionNode, Number, Variable, postorder

MAX_CHARACTERS = 1_000
MAX_NODES = 500
MAX_DEPTH = 50
MAX_INDEX = 999

_TOKEN = re.compile(
    r"""
    (?P<number> (?: \d+ \.? \d* | \. \d+ ) (?: [eE] [+-]? \d+ )? )
    | (?P<name> [A-Za-z_] \w* )
    | (?P<symbol> \*\* | // | \S )
    """,
    re.VERBOSE | re.ASCII,
)

_HINTS = {
    "^": "; a power is written **",
    "²": "; a power is written **",
    "³": "; a power is written **",
    "×": "; a product is written *",
    "·": "; a product is written *",
    "÷": "; a quotient is written /",
    "//": "; a quotient is written /",
    "−": "; minus is written -",
    "=": "; write only the right-hand side",
}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int

    @property
    def short(self) -> str:
        return shorten(self.text)

    def __str__(self) -> str:
        return repr(self.short) if self.text else "the end"


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        yield _Token(str(match.lastgroup), match.group(), match.start())
    yield _Token("end", "", len(text))


def parse_tree(text: str) -> ExpressionNode:
    """Parse an expression.

    :raises ExpressionError: at the first token that does not fit, or that exceeds a limit.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"an expression has at most {MAX_CHARACTERS:,} characters, this one has {len(text):,}"
        raise ExpressionError.at(MAX_CHARACTERS, message)
    root = _Parser(text).whole()
    nodes = postorder(root)
    if len(nodes) > MAX_NODES:
        message = f"an expression has at most {MAX_NODES} numbers, names and operations, this one has {len(nodes)}"
        raise ExpressionError.at(max(node.column for node in nodes[: MAX_NODES + 1]), message)
    return root


class _Parser:
    """One method for each rule of the grammar; each method parses its rule and returns its tree."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0
        self._depth = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._position]

    def _take(self) -> _Token:
        token = self._token
        self._position += 1
        return token

    def _taken(self, *symbols: str) -> _Token | None:
        """Take the next token if it is one of these symbols; otherwise return None."""
        return self._take() if self._token.kind == "symbol" and self._token.text in symbols else None

    def whole(self) -> ExpressionNode:
        root = self._sum()
        if self._token.kind != "end":
            raise self._misplaced("an operator")
        return root

    def _sum(self) -> ExpressionNode:
        left = self._product()
        while operator := self._taken("+", "-"):
            left = Apply(operator.text, (left, self._product()), left.column)
        return left

    def _product(self) -> ExpressionNode:
        left = self._sign()
        while operator := self._taken("*", "/"):
            left = Apply(operator.text, (left, self._sign()), left.column)
        return left

    def _sign(self) -> ExpressionNode:
        # every recursion passes through this method
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError.at(self._token.column, f"an expression nests at most {MAX_DEPTH} levels deep")
        if sign := self._taken("+", "-"):
            operand = self._sign()
            node = operand if sign.text == "+" else Apply("neg", (operand,), sign.column)
        else:
            node = self._power()
        self._depth -= 1
        return node

    def _power(self) -> ExpressionNode:
        base = self._value()
        return Apply("**", (base, self._sign()), base.column) if self._taken("**") else base

    def _value(self) -> ExpressionNode:
        if self._token.kind == "number":
            return self._number()
        if self._token.kind == "name":
            return self._named()
        if opening := self._taken("("):
            inner = self._sum()
            self._close(opening, ")")
            return inner
        raise self._misplaced("a number, a name or '('")

    def _number(self) -> ExpressionNode:
        token = self._take()
        try:
            value = int(token.text) if token.text.isdecimal() else float(token.text)
            finite = float(value) != float("inf")
        except OverflowError:
            finite = False
        if not finite:
            raise ExpressionError.at(token.column, f"{token} is too large for a floating-point number")
        return Number(value, token.column)

    def _named(self) -> ExpressionNode:
        name = self._take()
        if name.text in CONSTANTS:
            if self._token.text == "[":
                raise ExpressionError.at(name.column, f"{name} is a constant and has no entries")
            return Apply(name.text, (), name.column)
        if opening := self._taken("("):
            return self._call(name, opening)
        if name.text in FUNCTIONS:
            raise ExpressionError.at(name.column, f"{name} is a function; write {name.short}(…)")
        if opening := self._taken("["):
            return self._entry(name, opening)
        return Variable(name.text, None, name.column)

    def _call(self, name: _Token, opening: _Token) -> ExpressionNode:
        if name.text not in FUNCTIONS:
            raise ExpressionError.at(name.column, f"unknown function {name}{suggest_names(name.text, FUNCTIONS)}")
        if self._taken(")"):
            operands = []
        else:
            operands = [self._sum()]
            while self._taken(","):
                operands.append(self._sum())
            self._close(opening, ")")
        _check_count(FUNCTIONS[name.text], len(operands), name.column)
        return Apply(name.text, tuple(operands), name.column)

    def _entry(self, name: _Token, opening: _Token) -> ExpressionNode:
        index = self._take()
        if index.kind != "number" or not index.text.isdecimal() or int(index.text) > MAX_INDEX:
            raise ExpressionError.at(index.column, f"expected an index from 0 to {MAX_INDEX}, got {index}")
        self._close(opening, "]")
        return Variable(name.text, int(index.text), name.column)

    def _close(self, opening: _Token, closing: str) -> None:
        if self._taken(closing):
            return
        if self._token.kind == "end":
            raise ExpressionError.at(opening.column, f"{opening} is never closed")
        raise self._misplaced(f"an operator or {closing!r}")

    def _misplaced(self, expected: str) -> ExpressionError:
        """Return the error for the next token: something else was expected."""
        token, before = self._token, self._tokens[self._position - 1]
        if expected.startswith("an operator") and (token.kind in ("number", "name") or token.text == "("):
            hint = f"; a product is written {before.short}*{token.short}"
        else:
            hint = _HINTS.get(token.text, "")
        return ExpressionError.at(token.column, f"expected {expected}, got {token}{hint}")


def _check_count(function: FormulaOperation, given: int, column: int) -> None:
    if given < 2 if function.variadic else given != 1:
        accepted = "2 arguments or more" if function.variadic else "1 argument"
        raise ExpressionError.at(column, f"{function.name} takes {accepted}, got {given}")
