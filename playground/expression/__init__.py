"""From text such as `(2*x + 10)**2` to one tree, and from the tree to torch, sympy, plain text and LaTeX."""

from playground.expression.effort import NoAnswerError
from playground.expression.errors import ExpressionError
from playground.expression.expression import Expression, parse
from playground.expression.printing import python_name

__all__ = ["Expression", "ExpressionError", "NoAnswerError", "parse", "python_name"]
