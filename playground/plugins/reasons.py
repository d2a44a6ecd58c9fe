"""Why a plugin could not be loaded, in one line: what is misspelt, or what it raised and where inside the plugin."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from playground.errors import PluginError, suggestion
from playground.plugins.adoption import AdoptionError
from playground.plugins.causes import deepest_place, headline
from playground.plugins.discovery import Candidate


def explain_failure(candidate: Candidate, error: AdoptionError) -> str:
    """Return in one line why a plugin could not be loaded; of what it raised, with the place inside the plugin."""
    raised = error.__cause__
    if raised is None or isinstance(raised, PluginError):
        return str(error)
    if error.stage == "import" and (misnamed := _find_misnamed(candidate, raised)):
        return misnamed
    place = deepest_place(raised, _root(candidate))
    return f"{error.stage}: {headline(raised)} ({place.file}:{place.line})" if place else str(error)


def _root(candidate: Candidate) -> str:
    """Return the plugin's file, or the folder of its package; without importing it."""
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
    """Return what is wrong with an entry point that names a module or an attribute which is not there."""
    if not candidate.origin.distribution:
        return ""
    module, _, attribute = candidate.target.partition(":")
    point = f"entry point {candidate.origin.plugin} = {candidate.target!r}"
    if isinstance(raised, ModuleNotFoundError) and f"{module}.".startswith(f"{raised.name}."):
        near = _find_moved_source(candidate) or suggestion(module, _modules(candidate.origin.distribution))
        return f"{point}: no module {raised.name!r}{near}"
    if isinstance(raised, AttributeError) and attribute and module in sys.modules:
        near = suggestion(attribute, [name for name in vars(sys.modules[module]) if not name.startswith("_")])
        return f"{point}: the module has no {attribute!r}{near}"
    return ""


def _find_moved_source(candidate: Candidate) -> str:
    """Return where the source of an editable installation was, if it is no longer there."""
    try:
        text = importlib.metadata.distribution(candidate.origin.distribution).read_text("direct_url.json")
        folder = url2pathname(urlsplit(json.loads(text or "{}")["url"]).path)
    except Exception:  # not from a folder, or metadata are damaged
        return ""
    return "" if Path(folder).exists() else f"; it was installed from {folder}, which is no longer there"


def _modules(distribution: str) -> set[str]:
    """Return the names of the modules at the top of an installed distribution."""
    try:
        files = importlib.metadata.files(distribution) or []
    except Exception:  # metadata are damaged
        return set()
    tops = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}
    return {top for top in tops if top.isidentifier()}
