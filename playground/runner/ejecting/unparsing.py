"""Syntax trees as text, with the comments that stood in the source."""

from __future__ import annotations

import ast
import copy

from playground.runner.ejecting.modules import COMMENTS


def written(node: ast.stmt) -> str:
    """Return a definition as text, with its comments."""
    node = _Marked().visit(copy.deepcopy(node))
    lines = []
    for line in ast.unparse(ast.fix_missing_locations(node)).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        text = line.strip()
        lines.append(indent + ast.literal_eval(text)[1:] if text.startswith(("'\x00#", '"\x00#', "'\\x00#")) else line)
    return "\n".join(lines)


class _Marked(ast.NodeTransformer):
    """Puts a marker above each statement for each of its comments, which syntax trees do not know."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                setattr(node, field, [new for each in body for new in (*self._markers(each), each)])
        return node

    def _markers(self, node: ast.stmt) -> list[ast.stmt]:
        return [ast.Expr(ast.Constant(f"\x00{comment}")) for comment in getattr(node, COMMENTS, [])]
