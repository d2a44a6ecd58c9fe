"""Removes what only the framework needs: annotations, decorators, checks and wrapper objects.

None of it computes a number. A check can go because the scenario has passed it: `prepare` ran it on the same values
before the program is written.
"""

from __future__ import annotations

import ast
import copy
import re
from typing import Any

from playground.core.data import Data
from playground.core.function import Function
from playground.errors import PlaygroundError
from playground.figures.text import escape_unprintable
from playground.runner.ejecting.folding import fold
from playground.runner.ejecting.modules import ModuleSource, is_standalone

HYPERPARAMETER_ANNOTATIONS = ("Hyperparameter", "float | Tensor", "Tensor | float")
"""Annotations of parameters that are a number in a single run, and a tensor with one number per run in a batch."""


def strip_definition(node: ast.stmt, source: ModuleSource) -> Any:
    """Return a copy of a definition without what only the framework needs; its operations and their order stay."""
    return fold(_Stripper(source).visit(copy.deepcopy(node)))


def plain_docstring(text: str) -> str:
    """Return a docstring without its fields (`:param …:`), which describe the keys of a scenario."""
    text = "\n".join(line.strip() for line in text.strip().splitlines())
    paragraphs = [re.split(r"^:", paragraph, maxsplit=1, flags=re.MULTILINE)[0] for paragraph in text.split("\n\n")]
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())


def docstring_statement(text: str, depth: int) -> ast.Expr:
    """Return a docstring as a statement for a body with an indentation of `depth` spaces."""
    indented = "\n".join(" " * depth + escape_unprintable(line) if line else "" for line in text.splitlines()).strip()
    if "\n" in indented:
        indented += "\n" + " " * depth
    return ast.Expr(ast.Constant(indented))


class _Stripper(ast.NodeTransformer):
    def __init__(self, source: ModuleSource) -> None:
        self._source = source
        self._depth = 0
        self._numbers: list[set[str]] = [set()]

    def _named(self, node: ast.expr | None) -> Any:
        """Return the object behind a top-level name, its attribute or the function of a call; None if unknown."""
        if isinstance(node, ast.Call):
            return self._named(node.func)
        if isinstance(node, ast.Attribute):
            return getattr(self._named(node.value), node.attr, None)
        return getattr(self._source.module, node.id, None) if isinstance(node, ast.Name) else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        numbers = {a.arg for a in arguments if a.annotation and ast.unparse(a.annotation) in HYPERPARAMETER_ANNOTATIONS}
        for argument in (*arguments, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        node.returns = None
        node.decorator_list = [decorator for decorator in node.decorator_list if not self._ours(decorator)]
        self._numbers.append(numbers)
        node = self._body(node)
        self._numbers.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.decorator_list = [decorator for decorator in node.decorator_list if not self._ours(decorator)]
        return self._body(node)  # type: ignore[no-any-return]

    def _body(self, node: Any) -> Any:
        self._depth += 4
        docstring = ast.get_docstring(node)
        if docstring is not None:
            text = plain_docstring(docstring)
            node.body[0:1] = [docstring_statement(text, self._depth)] if text else []
        self.generic_visit(node)
        self._depth -= 4
        node.body = node.body or [ast.Pass()]
        return node

    def _ours(self, decorator: ast.expr) -> bool:
        named = self._named(decorator)
        return named is not None and not is_standalone(getattr(named, "__module__", None) or "builtins")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if node.value is None:
            return None
        made = ast.copy_location(ast.Assign([node.target], node.value), node)
        made._annotated = ast.unparse(node.annotation)  # type: ignore[attr-defined]
        made._comments = getattr(node, "_comments", [])  # type: ignore[attr-defined]
        return self.generic_visit(made)  # type: ignore[return-value]

    def visit_If(self, node: ast.If) -> Any:
        """Remove a check that ends in a playground error: the scenario has passed it.

        Assignments before the `raise` only prepare the message. Anything else could have an effect, so the check stays.
        """
        *before, last = node.body
        if isinstance(last, ast.Raise) and not node.orelse and all(isinstance(each, ast.Assign) for each in before):
            raised = self._named(last.exc)
            if isinstance(raised, type) and issubclass(raised, PlaygroundError):
                return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Replace `Data` by a tuple, `Function` by its formula, and `isinstance(hyperparameter, Tensor)` by false."""
        self.generic_visit(node)
        named = self._named(node.func)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if named is Function:
            return node.args[0] if node.args else given["formula"]
        if named is Data:
            inputs, targets = [*node.args[:2], *(given[key] for key in ("inputs", "targets") if key in given)]
            return ast.Tuple([inputs, targets], ast.Load())
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) == 2:
            what, kind = node.args
            number = isinstance(what, ast.Name) and any(what.id in numbers for numbers in self._numbers)
            if number and ast.unparse(kind) in ("Tensor", "torch.Tensor"):
                return ast.Constant(False)
        return node
