"""Turns syntax trees into text, with the comments of the source.

`ast.unparse` writes no comments. Each comment becomes a text statement that begins with a NUL character, which no
source can contain, and is turned back into a comment in the unparsed text.
"""

from __future__ import annotations

import ast
import copy

from playground.figures.text import make_printable
from playground.runner.ejecting.modules import COMMENTS_ATTRIBUTE


def unparse_definition(node: ast.stmt) -> str:
    """Return a definition as text, with its comments."""
    node = _CommentMarker().visit(copy.deepcopy(node))
    lines = []
    for line in ast.unparse(ast.fix_missing_locations(node)).split("\n"):
        text = line.lstrip()
        indent = line[: len(line) - len(text)]
        marker = text.startswith(("'\\x00#", '"\\x00#'))
        lines.append(indent + (ast.literal_eval(text)[1:] if marker else _drop_parentheses(text)))
    return "\n".join(lines)


def _drop_parentheses(line: str) -> str:
    """Return a line without the parentheses that `ast.unparse` puts around tuples: `return a, b`."""
    if not line.startswith("return (") and " = (" not in line:
        return line
    try:
        (statement,) = ast.parse(line).body
    except (SyntaxError, ValueError):  # the line is a part of a longer statement or of a docstring
        return line
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.Tuple) or len(value.elts) < 2:
        return line
    written = ast.get_source_segment(line, value) or ""
    return line.removesuffix(written) + written[1:-1] if written.startswith("(") else line


class _CommentMarker(ast.NodeTransformer):
    """Inserts a marker statement for each comment, above the statement that has it."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                setattr(node, field, [new for each in body for new in (*self._markers(each), each)])
        return node

    def _markers(self, node: ast.stmt) -> list[ast.stmt]:
        """Return a marker for each comment. A comment has no line break here: the text after it would become code."""
        return [
            ast.Expr(ast.Constant(f"\x00{make_printable(comment)}"))
            for comment in getattr(node, COMMENTS_ATTRIBUTE, [])
        ]
