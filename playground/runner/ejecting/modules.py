"""Reads the source of modules: the definition or import of each top-level name, with comments.

Syntax trees have no comments. `_attach_comments` stores each one on its statement, and `unparsing.py` writes it back.
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from playground.errors import PlaygroundError
from playground.figures.text import PLUGIN_FILE_PREFIX, module_label

COMMENTS_ATTRIBUTE = "_comments"
"""The attribute of a statement that holds the comments above it and at its end."""

_PRAGMA = re.compile(r"#\s*(noqa|type:|fmt:|pragma|pylint|mypy)")


@dataclass(frozen=True)
class ImportedName:
    """A name that an import defines.

    :param module: full name of the module.
    :param attribute: name in that module; empty if the module itself is imported.
    :param line: the import of this name alone, as a line.
    """

    module: str
    attribute: str
    line: str


@dataclass(frozen=True)
class ModuleSource:
    """The source of one module.

    :param definitions: the statement that defines each top-level name.
    :param imports: the import of each imported name.
    """

    module: ModuleType
    definitions: Mapping[str, ast.stmt]
    imports: Mapping[str, ImportedName]


@functools.lru_cache(maxsize=256)
def read_source(name: str) -> ModuleSource:
    """Read the source of an imported module.

    :raises PlaygroundError: the module has no readable source.
    """
    module = sys.modules[name]
    try:
        text = inspect.getsource(module)
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError) as error:
        raise PlaygroundError(f"module {module_label(name)} has no readable source") from error
    _attach_comments(tree, text)
    definitions: dict[str, ast.stmt] = {}
    imports: dict[str, ImportedName] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions |= {target.id: node for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports |= dict(_read_imports(node, module))
    return ModuleSource(module, definitions, imports)


def is_standalone(name: str) -> bool:
    """Tell whether a stand-alone program can import a module.

    It cannot if the module belongs to the playground, to a single-file plugin or to a package that imports the
    playground.
    """
    package = name.partition(".")[0]
    if package == "playground" or package.startswith(PLUGIN_FILE_PREFIX):
        return False
    return not any(
        _imports_playground(module)
        for other, module in list(sys.modules.items())
        if other.partition(".")[0] == package and package not in sys.stdlib_module_names and package != "torch"
    )


@functools.cache
def _imports_playground(module: ModuleType) -> bool:
    try:
        return bool(re.search(r"^\s*(from|import) playground\b", inspect.getsource(module), re.MULTILINE))
    except (OSError, TypeError):
        return False


def _read_imports(node: ast.Import | ast.ImportFrom, module: ModuleType) -> Iterator[tuple[str, ImportedName]]:
    for alias in node.names:
        behind = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            yield (
                alias.asname or alias.name.partition(".")[0],
                ImportedName(alias.name, "", f"import {alias.name}{behind}"),
            )
            continue
        origin = node.module or ""
        if node.level:
            above = (module.__package__ or "").split(".")
            origin = ".".join([*above[: len(above) - node.level + 1], *([origin] if origin else [])])
        line = f"from {origin} import {alias.name}{behind}"
        yield alias.asname or alias.name, ImportedName(origin, alias.name, line)


def _attach_comments(tree: ast.Module, text: str) -> None:
    """Store each comment on the statement below it, or on the statement at whose end it stands."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or _PRAGMA.match(token.string):
            continue
        line, column = token.start
        covering = [node for node in statements if node.lineno <= line <= (node.end_lineno or node.lineno)]
        within = max(covering, key=lambda node: (node.lineno, node.col_offset), default=None)
        owner: ast.stmt | None
        behind = bool(lines[line - 1][:column].strip())
        if (
            behind and isinstance(within, ast.Try) and line > within.lineno
        ):  # after `except …:`, so it belongs to the handler's body
            owner = min((node for node in statements if node.lineno > line), key=lambda node: node.lineno)
        elif behind or (within is not None and not hasattr(within, "body")):
            owner = within
        else:
            owner = min(
                (node for node in statements if node.lineno > line and node.col_offset >= column),
                key=lambda node: (node.lineno, node.col_offset),
                default=None,
            )
        if owner is not None:
            setattr(owner, COMMENTS_ATTRIBUTE, [*getattr(owner, COMMENTS_ATTRIBUTE, []), token.string])
