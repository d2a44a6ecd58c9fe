"""Prints the tree: as an expression, as Python code, and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from keyword import iskeyword
from typing import NamedTuple

from playground.errors import PlaygroundError
from playground.expression.operations import CONSTANTS, OPERATIONS
from playground.expression.tree import Apply, ExpressionNode, Leaf, Number, Variable, fold

SUM, PRODUCT, SIGN, POWER, VALUE = range(1, 6)
"""Binding strengths of texts, from loose to tight: the rules of the grammar in `parser`, in their order."""


class _Piece(NamedTuple):
    text: str
    binding: int = VALUE


class _Infix(NamedTuple):
    """An operator: its own binding, and the binding that its operands need to omit parentheses."""

    text: str
    binding: int
    left: int
    right: int


_EXACT = 1e15
"""Below this, a float without a fraction is written as a whole number."""

_INFIX = {
    "+": _Infix(" + ", SUM, SUM, PRODUCT),
    "-": _Infix(" - ", SUM, SUM, PRODUCT),
    "*": _Infix("*", PRODUCT, PRODUCT, SIGN),
    "/": _Infix("/", PRODUCT, PRODUCT, SIGN),
    "**": _Infix("**", POWER, VALUE, SIGN),
}


def format_plain(nodes: Sequence[ExpressionNode]) -> str:
    """Return the text that parses to exactly this tree, without unnecessary parentheses.

    :param nodes: the tree in `postorder`.
    """
    return fold(nodes, _plain_leaf, _plain).text


def _plain_leaf(leaf: Leaf) -> _Piece:
    return _Piece(repr(leaf.value) if isinstance(leaf, Number) else str(leaf))


def _plain(node: Apply, operands: list[_Piece]) -> _Piece:
    if node.operation == "neg":
        return _Piece(f"-{_enclose(operands[0], SIGN)}", SIGN)
    if infix := _INFIX.get(node.operation):
        left, right = operands
        return _Piece(_enclose(left, infix.left) + infix.text + _enclose(right, infix.right), infix.binding)
    if node.operation in CONSTANTS:
        return _Piece(node.operation)
    return _Piece(f"{node.operation}({', '.join(operand.text for operand in operands)})")


def _enclose(piece: _Piece, needed: int) -> str:
    return piece.text if piece.binding >= needed else f"({piece.text})"


def format_code(nodes: Sequence[ExpressionNode]) -> str:
    """Return the tree as Python code with the same tensor operations as `numeric.evaluate`, one by one.

    :param nodes: the tree in `postorder`, with constant parts evaluated by `fold_constants`.
    """
    like = next((python_name(node.name) for node in nodes if isinstance(node, Variable)), "")
    return fold(nodes, _code_leaf, lambda node, operands: _code(node, operands, like)).text


def python_name(name: str) -> str:
    """Return the name of a variable in Python: `lambda_` for the keyword `lambda`.

    :raises PlaygroundError: a variable of a plugin's function has a name that is not valid in Python.
    """
    if not name.isidentifier():
        raise PlaygroundError(f"{name!r} cannot be the name of a variable in a program")
    stem = name.rstrip("_")
    return f"{name}_" if iskeyword(stem) or stem == "torch" else name


def _code_leaf(leaf: Leaf) -> _Piece:
    if isinstance(leaf, Variable):
        return _Piece(str(replace(leaf, name=python_name(leaf.name))))
    whole = int(leaf.value) if leaf.value == int(leaf.value) and abs(leaf.value) < _EXACT else leaf.value
    return _Piece(repr(whole), VALUE if leaf.value >= 0 else SIGN)


def _code(node: Apply, operands: list[_Piece], like: str) -> _Piece:
    if node.operation == "neg" or node.operation in _INFIX:
        return _plain(node, operands)
    if OPERATIONS[node.operation].variadic:
        texts = [_as_tensor(operand, piece, like) for operand, piece in zip(node.operands, operands, strict=True)]
        name = f"torch.{node.operation}imum"
        return _Piece(reduce(lambda left, right: f"{name}({left}, {right})", texts))
    template = OPERATIONS[node.operation].code
    if not template:
        return _Piece(f"torch.{node.operation}({operands[0].text})")
    return _Piece(template.replace("#", _enclose(operands[0], POWER)), SIGN)


def _as_tensor(node: ExpressionNode, piece: _Piece, like: str) -> str:
    """Return a number as a tensor of the variables' dtype: `maximum` and `minimum` accept no floats."""
    return f"{like}.new_tensor({float(node.value)!r})" if isinstance(node, Number) else piece.text


def format_latex(nodes: Sequence[ExpressionNode]) -> str:
    """Return the tree in LaTeX, for mathematics mode: quotients as fractions, powers as superscripts.

    :param nodes: the tree in `postorder`.
    """
    return fold(nodes, _latex_leaf, _latex).text


def latex_symbol(variable: Variable) -> str:
    """Return a variable in LaTeX: `alpha` becomes the Greek letter, the index of `x[0]` a subscript."""
    import sympy

    name = str(sympy.latex(sympy.Symbol(variable.name)))
    if variable.index is None:
        return name
    # LaTeX needs braces around a symbol that already has a subscript: x_1[0]
    return f"{{{name}}}_{{{variable.index}}}" if "_" in name else f"{name}_{{{variable.index}}}"


def _latex_leaf(leaf: Leaf) -> _Piece:
    if isinstance(leaf, Variable):
        return _Piece(latex_symbol(leaf))
    mantissa, _, exponent = repr(leaf.value).partition("e")
    return _Piece(rf"{mantissa} \cdot 10^{{{int(exponent)}}}", PRODUCT) if exponent else _Piece(mantissa)


def _latex(node: Apply, operands: list[_Piece]) -> _Piece:
    match node.operation, operands:
        case "/", [above, below]:
            return _Piece(rf"\frac{{{above.text}}}{{{below.text}}}", PRODUCT)
        case "**", [base, exponent]:
            return _Piece(f"{_enclose_latex(base, VALUE)}^{{{exponent.text}}}", POWER)
        case "*", [left, right]:
            return _Piece(_format_product(_enclose_latex(left, PRODUCT), _enclose_latex(right, PRODUCT)), PRODUCT)
        case (("+" | "-"), [left, right]):
            return _Piece(f"{_enclose_latex(left, SUM)} {node.operation} {_enclose_latex(right, PRODUCT)}", SUM)
        case "neg", [operand]:
            return _Piece(f"-{_enclose_latex(operand, PRODUCT)}", SUM)
    name = OPERATIONS[node.operation].latex
    if not operands:
        return _Piece(name)
    template = name if "#" in name else rf"{name}\left(#\right)"
    # binds like a product: a power of it needs brackets, or the exponent would seem to belong to the argument
    return _Piece(template.replace("#", ", ".join(operand.text for operand in operands)), PRODUCT)


def _format_product(left: str, right: str) -> str:
    """Return a product, with a dot only if the right factor starts with a digit."""
    return rf"{left} \cdot {right}" if right[0].isdecimal() else f"{left} {right}"


def _enclose_latex(piece: _Piece, needed: int) -> str:
    return piece.text if piece.binding >= needed else rf"\left({piece.text}\right)"
