"""The source of a component: its definition, what that uses of its file, and what it imports from the same folder.

A stored run is computed again if, and only if, the source of its components changed. An edit of one component therefore
does not affect the runs of another component in the same file. In case of doubt the whole file counts: a run may be
computed again needlessly, but a stored run is never stale.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

from playground.plugins.causes import ISOLATED_EXCEPTIONS
from playground.plugins.registry import Component

OWN_PACKAGE: Final = "playground"
"""The package whose version stands for the source of its components."""

_NAMESPACES: Final = ("globals", "locals", "vars", "modules", "__getattr__", "__import__", "import_module")
_OPAQUE_WORDS: Final = frozenset([*_NAMESPACES, "eval", "exec", "__init_subclass__", "metaclass"])
"""Words in a file that may use names indirectly; the whole file then counts."""

LIBRARY_PATHS: Final = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")}
)
"""Folders of installed modules."""


def source_digest(component: Component, file: str) -> str:
    """Return a hash that changes with the source of the component; empty for a built-in component.

    The hash covers the source of all packages of the plugin's distribution, and of any package without a version. Other
    libraries count by their version.

    :param file: the plugin's file; all of it counts if the factory is not a function or class of a module.
    :raises ComponentError: the component cannot be imported.
    """
    if component.digest:
        return component.digest
    if isinstance(component.factory, str) and component.factory.startswith(f"{OWN_PACKAGE}."):
        return ""  # without importing it, which would import torch
    factory = component.load()
    module = sys.modules.get(getattr(factory, "__module__", None) or "")
    name = getattr(factory, "__name__", "")
    parts = SourceParts(_packages_of(file, component.origin.distribution))
    if (inspect.isfunction(factory) or inspect.isclass(factory)) and module and getattr(module, name, None) is factory:
        parts.add_definition(module, name)
    else:
        parts.add_file(file, _module_of(file))
    return parts.digest()


class SourceParts:
    """The pieces of source of a component, each once.

    :param packages: packages of the plugin; their source counts even if they are installed among the libraries.
    """

    def __init__(self, packages: frozenset[str]) -> None:
        self._texts: dict[str, str] = {}
        self._files: set[str] = set()
        self._packages = packages

    def digest(self) -> str:
        """Return a hash of all pieces; empty if there are none."""
        if not self._texts:
            return ""
        return hashlib.sha256(json.dumps(sorted(self._texts.items())).encode()).hexdigest()

    def add_definition(self, module: ModuleType, name: str) -> None:
        """Add what a module defines under a name, and everything that definition uses."""
        file = getattr(module, "__file__", None) or ""
        if not self._counts(module.__name__, file):
            return
        self._add_parents(module.__name__)
        tree, lines = _read(file)
        if tree is None or _is_opaque(tree):
            self.add_file(file, module.__name__)
            return
        nodes = _find_used_statements(tree, name)
        text = "\n".join("\n".join(lines[_first_line(node) - 1 : node.end_lineno]) for node in nodes)
        self._texts[f"{Path(file).name}:{name}"] = text
        self._follow(nodes, module.__name__)

    def add_file(self, file: str, module: str) -> None:
        """Add a whole file, and what it imports from the same folder."""
        if file in self._files:
            return
        self._files.add(file)
        tree, lines = _read(file)
        self._texts[f"file {Path(file).name} {len(self._files)}"] = "\n".join(lines)
        if tree is not None:
            self._follow(tree.body, module)

    def _follow(self, nodes: Iterable[ast.stmt], importer: str) -> None:
        """Add what these statements import."""
        for name in dict.fromkeys(_imports(nodes, importer)):
            file = _file_of(name)
            if file and self._counts(name, file):
                self._add_parents(name)
                self.add_file(file, name)

    def _add_parents(self, module: str) -> None:
        """Add the packages that contain a module: importing the module runs them."""
        parent = module.rpartition(".")[0]
        if parent and (file := _file_of(parent)):
            self._texts[f"package {parent}"] = "\n".join(_read(file)[1])
            self._add_parents(parent)

    def _counts(self, module: str, file: str) -> bool:
        """Return whether a module's source counts; if its version stands for it, add the version."""
        top = module.partition(".")[0]
        if top == OWN_PACKAGE or not file:
            return False
        if top in self._packages or not str(Path(file).resolve()).startswith(LIBRARY_PATHS):
            return True
        if top in sys.stdlib_module_names:
            return False
        version = version_of(top)
        if version:
            self._texts[f"library {top}"] = version
        return not version


def version_of(package: str) -> str:
    """Return the version of a library; empty if it is unknown."""
    version = getattr(sys.modules.get(package), "__version__", "")
    if not version:
        with suppress(Exception):  # not the name of a distribution, or malformed metadata
            version = importlib.metadata.version(package)
    return str(version or "")


def _packages_of(file: str, distribution: str) -> frozenset[str]:
    """Return the packages and modules that are installed together with a file.

    :param distribution: the distribution of the file; empty if it is not known.
    """
    found = {_package_of(file)}
    with suppress(Exception):  # malformed metadata fails differently in every Python
        files = importlib.metadata.files(distribution) or ()
        found |= {path.parts[0].removesuffix(".py") for path in files if path.suffix == ".py"}
    return frozenset(found - {"", ".."})


def _module_of(file: str) -> str:
    """Return the name of the module that was loaded from a file; empty if there is none."""
    names = (name for name, module in list(sys.modules.items()) if getattr(module, "__file__", None) == file)
    return next(names, "")


def _package_of(file: str) -> str:
    """Return the installed package or module that a file belongs to; empty if it is not installed."""
    path = Path(file).resolve()
    homes = [Path(library) for library in LIBRARY_PATHS if path.is_relative_to(library)]
    if not homes:
        return ""
    return path.relative_to(max(homes, key=lambda home: len(home.parts))).parts[0].removesuffix(".py")


def _read(file: str) -> tuple[ast.Module | None, list[str]]:
    """Return a file's syntax tree and lines; the tree is None if the file is not valid Python."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        return ast.parse(text), text.splitlines()
    except (OSError, ValueError, SyntaxError):
        return None, [hashlib.sha256(Path(file).read_bytes()).hexdigest()] if Path(file).is_file() else []


def _is_opaque(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Global)
        or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")
        or not _referenced_names(node).isdisjoint(_OPAQUE_WORDS)
        for node in ast.walk(tree)
    )


def _referenced_names(node: ast.AST) -> set[str]:
    """Return the names that a node itself refers to, without those of its children."""
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.FunctionDef(name=word) | ast.keyword(arg=str(word)):
            return {word}
        case ast.Constant(value=str(word)):  # may be a name: a lookup by text, or an annotation
            return {word} if word.isidentifier() else set()
    return set()


def _find_used_statements(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Return the statements of a module that a definition needs, in their order.

    Statements that define nothing may do anything: they always count, with everything they use.
    """
    # A fixed point: each round adds the statements that define the waiting names, then waits for the names that these
    # statements refer to. Each name waits once, so mutually recursive definitions end the loop as well.
    names = {word for statement in tree.body for word in _defined_names(statement)}
    here = {word for statement in tree.body if not _is_foreign(statement) for word in _defined_names(statement)}
    used: set[int] = set()
    waiting = {name}
    pending = [node for node in tree.body if not _defined_names(node) or _is_decorated_here(node, here)]
    seen: set[str] = set()
    while waiting or pending:
        pending += [node for node in tree.body if waiting & _defined_names(node)]
        seen |= waiting
        found = {word for node in pending for each in ast.walk(node) for word in _referenced_names(each)}
        used |= {id(node) for node in pending}
        pending = []
        waiting = (found & names) - seen
    return [node for node in tree.body if id(node) in used]


def _defined_names(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines if it does nothing else; empty for any other statement."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {(alias.asname or alias.name).partition(".")[0] for alias in aliases}
        case ast.Assign(targets=targets):
            flat = [each for target in targets for each in _flatten(target)]
            return {each.id for each in flat if isinstance(each, ast.Name)} if all(map(_is_name, flat)) else set()
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Expr(value=ast.Constant()):  # a docstring
            return {"__doc__"}
    return set()


def _flatten(target: ast.expr) -> list[ast.expr]:
    return [each for part in target.elts for each in _flatten(part)] if isinstance(target, ast.Tuple) else [target]


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def _is_foreign(node: ast.stmt) -> bool:
    """Return whether a statement imports from outside this file's folder."""
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)


def _is_decorated_here(node: ast.stmt, names: set[str]) -> bool:
    """Return whether a definition runs a decorator of this file, which may do anything; imported ones do not count."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("playground_"):
        return False
    return any(isinstance(each, ast.Name) and each.id in names for d in node.decorator_list for each in ast.walk(d))


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _imports(nodes: Iterable[ast.stmt], importer: str) -> Iterator[str]:
    """Yield the full names of modules that statements import, at any depth."""
    package = importer if _is_package(importer) else importer.rpartition(".")[0]
    for node in (each for statement in nodes for each in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                module = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError:
                continue
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names if _file_of(f"{module}.{alias.name}"))


def _is_package(module: str) -> bool:
    return hasattr(sys.modules.get(module), "__path__")


def _file_of(module: str) -> str:
    """Return the file of a module, without importing it; empty if there is none."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None) or ""
    spec = _spec_of(module)
    return (spec.origin or "") if spec and spec.has_location else ""


def _spec_of(module: str) -> ModuleSpec | None:
    """Return the location of a module that is not loaded; a package that contains it need not be loaded either."""
    parent = module.rpartition(".")[0]
    try:
        if not parent:
            return importlib.util.find_spec(module)
        package = sys.modules.get(parent)
        spec = _spec_of(parent) if package is None else None
        places = getattr(package, "__path__", None) or (spec and spec.submodule_search_locations)
        return PathFinder.find_spec(module, places) if places else None
    except ISOLATED_EXCEPTIONS:
        return None
