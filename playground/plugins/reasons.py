"""Explains in one line why a plugin could not be loaded: what is misspelt, or what it raised and where."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from playground.errors import PluginError, suggest_names
from playground.plugins.adoption import AdoptionError
from playground.plugins.causes import deepest_place, exception_headline
from playground.plugins.discovery import Candidate


def explain_failure(candidate: Candidate, error: AdoptionError) -> str:
    """Explain in one line why a plugin could not be loaded; for an exception, with the place inside the plugin."""
    raised = error.__cause__
    if raised is None or isinstance(raised, PluginError):
        return str(error)
    if error.stage == "import" and (misnamed := _find_misnamed(candidate, raised)):
        return misnamed
    place = deepest_place(raised, _root(candidate))
    return f"{error.stage}: {exception_headline(raised)} ({place.file}:{place.line})" if place else str(error)


def _root(candidate: Candidate) -> str:
    """Return the plugin's file, or the folder of its package, without importing it."""
    if candidate.is_file:
        return candidate.target
    try:
        spec = importlib.util.find_spec(candidate.target.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    return next(iter(spec.submodule_search_locations or ()), spec.origin or "")


def _find_misnamed(candidate: Candidate, raised: BaseException) -> str:
    """Explain an entry point whose module or attribute does not exist; empty for any other error."""
    if not candidate.origin.distribution:
        return ""
    module, _, attribute = candidate.target.partition(":")
    point = f"entry point {candidate.origin.plugin} = {candidate.target!r}"
    if isinstance(raised, ModuleNotFoundError) and f"{module}.".startswith(f"{raised.name}."):
        near = _find_moved_source(candidate) or suggest_names(module, _modules(candidate.origin.distribution))
        return f"{point}: no module {raised.name!r}{near}"
    if isinstance(raised, AttributeError) and attribute and module in sys.modules:
        near = suggest_names(attribute, [name for name in vars(sys.modules[module]) if not name.startswith("_")])
        return f"{point}: the module has no {attribute!r}{near}"
    return ""


def _find_moved_source(candidate: Candidate) -> str:
    """Return where the source of an editable installation was, if it no longer exists."""
    try:
        text = importlib.metadata.distribution(candidate.origin.distribution).read_text("direct_url.json")
        folder = url2pathname(urlsplit(json.loads(text or "{}")["url"]).path)
    except Exception:  # not installed from a folder, or metadata are damaged
        return ""
    return "" if Path(folder).exists() else f"; it was installed from {folder}, which is no longer there"


def _modules(distribution: str) -> set[str]:
    """Return the names of the top-level modules of an installed distribution."""
    try:
        files = importlib.metadata.files(distribution) or []
    except Exception:  # metadata are damaged
        return set()
    tops = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}
    return {top for top in tops if top.isidentifier()}
