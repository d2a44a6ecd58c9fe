"""Evaluates conditions whose operands are constants, and removes the branches that they exclude.

Only constants decide, and only conditions, `not`, `and`, `or`, `==` and `!=` are evaluated. Arithmetic is never
evaluated, because a number computed here could differ in its last bit from the one that the run computes in the
tensor's dtype.
"""

from __future__ import annotations

import ast
from typing import Any


def fold(node: Any) -> Any:
    """Return a definition with constant conditions evaluated, and without statements after a `return` or a `raise`."""
    return _Folder().visit(node)


class _Folder(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and _decide(node.operand):
            return ast.Constant(not _value(node.operand))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        stops = isinstance(node.op, ast.Or)  # the truth value that ends the evaluation: true for `or`, false for `and`
        values: list[ast.expr] = []
        for value in node.values:
            if not _decide(value):
                values.append(value)
            elif bool(_value(value)) is stops:
                values.append(value)
                break
        if not values:
            return node.values[-1]
        return values[0] if len(values) == 1 else ast.BoolOp(node.op, values)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        if len(operands) == 2 and all(map(_decide, operands)) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            same = _value(operands[0]) == _value(operands[1])
            return ast.Constant(same if isinstance(node.ops[0], ast.Eq) else not same)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        if _decide(node.test):
            return node.body if _value(node.test) else node.orelse
        return node

    def visit_If(self, node: ast.If) -> Any:
        node.test = self.visit(node.test)
        if _decide(node.test):
            return self._statements(node.body if _value(node.test) else node.orelse)
        node.body, node.orelse = self._statements(node.body) or [ast.Pass()], self._statements(node.orelse)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.args = self.visit(node.args)
        node.body = self._statements(node.body) or [ast.Pass()]
        return node

    def _statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in body:
            visited = self.visit(statement)
            kept += visited if isinstance(visited, list) else [visited] if visited is not None else []
            if kept and isinstance(kept[-1], ast.Return | ast.Raise):
                break
        return kept


def _decide(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def _value(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None
