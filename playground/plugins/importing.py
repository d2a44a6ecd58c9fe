"""Imports a plugin: an installed module, or a single file under a generated module name."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from playground.errors import PluginError, suggest_names
from playground.figures.text import PLUGIN_FILE_PREFIX
from playground.plugins.discovery import Candidate
from playground.plugins.registry import import_reference


def import_plugin(candidate: Candidate) -> tuple[Any, str, str]:
    """Return the plugin (a module, or the object of an entry point), its file, and the SHA-256 of the file's bytes.

    File and hash are empty if there is no file to read.

    :raises PluginError: there is no such plugin. The plugin's own exceptions pass through.
    """
    if candidate.trouble:
        raise PluginError(candidate.trouble)
    if candidate.is_file:
        plugin, digest = _import_file(Path(candidate.target))
        return plugin, candidate.target, digest
    module = candidate.target.partition(":")[0]
    try:
        plugin = import_reference(candidate.target)
    except ModuleNotFoundError as error:
        if candidate.origin.distribution or not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise
        near = suggest_names(module, candidate.alternatives)
        raise PluginError(f"no installed plugin, module or .py file has this name{near}") from error
    file = getattr(sys.modules[module], "__file__", None) or ""
    return plugin, file, _digest(file)


class _SourceLoader(SourceFileLoader):
    """Compiles the source on each import: cached byte code has a one-second time stamp, too coarse during editing."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _import_file(path: Path) -> tuple[ModuleType, str]:
    """Import a file under a name made of its path and content, so that the same file is imported once.

    The name is the same in every process, so that workers can unpickle objects that the file defines.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    unique = hashlib.sha256(f"{path}\n{digest}".encode()).hexdigest()[:12]
    name = f"{PLUGIN_FILE_PREFIX}{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{unique}"
    if name in sys.modules:
        return sys.modules[name], digest
    loader = _SourceLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise PluginError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and annotations look up their own module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module, digest


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:  # there is no file, or it is inside an archive
        return ""
