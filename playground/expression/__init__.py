"""Parses text such as `(2*x + 10)**2` to a tree, and turns the tree into torch, sympy, plain text and LaTeX."""

from playground.expression.effort import NoAnswerError
from playground.expression.errors import ExpressionError
from playground.expression.expression import Expression, parse
from playground.expression.printing import python_name

__all__ = ["Expression", "ExpressionError", "NoAnswerError", "parse", "python_name"]
