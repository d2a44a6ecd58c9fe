"""Explains why no plugin of some name is found in this environment."""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from playground.errors import suggest_names
from playground.plugins.discovery import DISTRIBUTION, Candidate, normalize_name
from playground.plugins.hookspecs import PROJECT


def explain_absence(name: str, folder: Path, known: Sequence[Candidate]) -> list[str]:
    """Explain why there is no plugin of this name, most likely reason first; returns at least one line.

    :param name: a plugin, a distribution or a module.
    :param folder: the folder in which a single file of that name may be.
    :param known: all plugins that were found.
    """
    found = [*dict.fromkeys((*_find_other_names(name, known), *_wrong_groups(name)))] or [*_modules(name)]
    if (folder / f"{name}.py").is_file():
        found.append(
            f"{name}.py is a file here: `-p {name}.py` loads it, `playground plugins doctor {name}.py` examines it"
        )
    return found or [f"not installed in this environment ({sys.prefix}){suggest_names(name, _names(known))}"]


def _find_other_names(name: str, known: Sequence[Candidate]) -> Iterator[str]:
    """Yield plugins of the distribution with this name; the plugins themselves have other names."""
    for candidate in known:
        if normalize_name(candidate.origin.distribution) == f"{DISTRIBUTION}-{normalize_name(name)}":
            where = _format_distribution(candidate)
            yield f"no plugin has this name; the entry point of {where} is {candidate.origin.plugin!r}"


def _format_distribution(candidate: Candidate) -> str:
    return f"{candidate.origin.distribution} {candidate.origin.version}".strip()


def _wrong_groups(name: str) -> Iterator[str]:
    """Yield distributions that probably contain the plugin, but have no entry point in our group."""
    called = {normalize_name(name), f"{DISTRIBUTION}-{normalize_name(name)}"}
    for distribution in importlib.metadata.distributions():
        try:
            title = f"{distribution.metadata['Name']} {distribution.metadata['Version']}"
            points = list(distribution.entry_points)
            ours = normalize_name(distribution.metadata["Name"] or "") in called
        except Exception:  # damaged metadata of another distribution
            continue
        groups = sorted({point.group for point in points if ours or (point.name == name and _is_near(point.group))})
        if ours and not groups:
            yield f"{title} is installed, but has no entry point; expected [project.entry-points.{PROJECT}]"
        elif groups and PROJECT not in groups:
            listed = ", ".join(map(repr, groups))
            yield f"{title} is installed, but has no entry point in the group {PROJECT!r}; its groups: {listed}"


def _is_near(group: str) -> bool:
    return PROJECT in group.lower() or bool(difflib.get_close_matches(group.lower(), [PROJECT]))


def _modules(name: str) -> Iterator[str]:
    """Yield a plugin's module that can be imported, but that no distribution declares.

    The name `dask` may also be a library that the plugin uses; the plugin is then `playground_dask`.
    """
    plain = normalize_name(name).replace("-", "_")
    for module in dict.fromkeys((name, plain, f"{PROJECT}_{plain}")):
        try:
            spec = importlib.util.find_spec(module) if module.isidentifier() else None
        except (ImportError, ValueError):
            continue
        if spec is not None and (module.startswith(f"{PROJECT}_") or _has_hooks(spec.origin)):
            where = spec.origin or "a folder"
            yield (
                f"module {module} ({where}) can be imported, but no installed distribution has an entry point for it; "
                f"`-p {module}` loads it"
            )


def _has_hooks(file: str | None) -> bool:
    try:
        return "hookimpl" in Path(file or "").read_text(encoding="utf-8")
    except (OSError, ValueError):  # a built-in or compiled module, or a folder
        return False


def _names(known: Sequence[Candidate]) -> set[str]:
    names = {name for candidate in known for name in (candidate.origin.plugin, candidate.origin.distribution) if name}
    return names - {DISTRIBUTION}
