"""Finds plugins: in installed distributions, in the nearest `pyproject.toml`, and on the command line."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from playground.errors import Fault, Place, PluginError, suggest_names
from playground.plugins.causes import describe_exception
from playground.plugins.hookspecs import PROJECT
from playground.plugins.registry import Origin

DISTRIBUTION: Final = "gradient-playground"
"""The distribution that contains the built-in plugins."""


@dataclass(frozen=True)
class Candidate:
    """A plugin that was found or requested, and is not loaded yet.

    :param target: `"package.module"`, `"package.module:attribute"`, or the full path of a single file.
    :param requested: whether `-p` names this plugin, or it is built in.
    :param trouble: why it cannot be loaded, if that is known already.
    :param alternatives: names of installed plugins, for the suggestion if there is no such module.
    """

    origin: Origin
    target: str
    requested: bool = False
    trouble: str = ""
    alternatives: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        """Whether this is a single file."""
        return bool(self.origin.file)

    @property
    def names(self) -> frozenset[str]:
        """The names that `-p no:NAME` accepts: the plugin's name and its module."""
        return frozenset((self.origin.plugin,) if self.is_file else (self.origin.plugin, self.target.partition(":")[0]))


def builtin_candidates(modules: Sequence[str]) -> list[Candidate]:
    """Return the built-in plugins; each is named by the last part of its module."""
    version = _version(DISTRIBUTION)
    return [Candidate(Origin(module.rpartition(".")[2], DISTRIBUTION, version), module, True) for module in modules]


def installed_candidates() -> list[Candidate]:
    """Return the plugins of installed distributions, sorted by name.

    Parses only distributions related to playground, so that broken metadata of other distributions cannot cause errors.
    Skips a second copy of a distribution further down `sys.path`.
    """
    found: list[Candidate] = []
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        try:
            if PROJECT not in (distribution.read_text("entry_points.txt") or ""):
                continue
        except (OSError, ValueError):  # the file is unreadable, or not text
            continue
        name, version = _metadata(distribution)
        normal = normalize_name(name)
        if not normal or normal not in seen:
            seen.add(normal)
            found += _entry_points(distribution, name, version)
    return sorted(
        found, key=lambda candidate: (candidate.origin.plugin, candidate.origin.distribution, candidate.target)
    )


def requested_candidates(
    specs: Sequence[str], folder: Path, installed: Sequence[Candidate], *, requested: bool
) -> Iterator[Candidate]:
    """Return the plugins that `-p` or `pyproject.toml` requests: a `.py` file, an installed plugin's name, or a module.

    :param specs: the requests as written; `no:NAME` is skipped.
    :param folder: the folder that file paths are relative to.
    """
    by_name = {candidate.origin.plugin: candidate for candidate in reversed(installed)}
    by_target = {candidate.target: candidate for candidate in reversed(installed)}
    for spec in specs:
        if spec.startswith("no:"):
            continue
        if is_path(spec):
            yield _file_candidate(folder / spec, requested)
        elif known := by_name.get(spec) or by_target.get(spec):
            yield replace(known, requested=requested)
        else:
            yield Candidate(Origin(spec), spec, requested, alternatives=tuple(by_name))


def all_candidates(
    specs: Sequence[str],
    folder: Path,
    listed: Sequence[str],
    project: Path,
    *,
    autoload: bool,
    builtin: Sequence[str],
) -> list[Candidate]:
    """Return all plugins that may be loaded, in this order: built-in, installed, the project's, requested ones.

    :param specs: the arguments of `-p`, relative to `folder`.
    :param listed: the list in the project's `pyproject.toml`, relative to `project`.
    :param autoload: whether to include installed plugins that are not requested.
    """
    named = [spec for spec in (*listed, *specs) if not spec.startswith("no:") and not spec.endswith(".py")]
    installed = installed_candidates() if autoload or named else []
    return [
        *builtin_candidates(builtin),
        *(installed if autoload else ()),
        *requested_candidates(listed, project, installed, requested=False),
        *requested_candidates(specs, folder, installed, requested=True),
    ]


def is_path(spec: str) -> bool:
    """Whether an argument of `-p` is a file's path, not a name."""
    return spec.endswith(".py") or "/" in spec or "\\" in spec


def normalize_name(distribution: str) -> str:
    """Return a distribution's name in the normalized form that package indexes compare."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def blocked_names(specs: Sequence[str]) -> frozenset[str]:
    """Return the names that `no:NAME` blocks."""
    return frozenset(spec.removeprefix("no:") for spec in specs if spec.startswith("no:"))


def merge_candidates(candidates: Sequence[Candidate], blocked: frozenset[str]) -> list[Candidate]:
    """Drop blocked plugins, and keep the first of several candidates for the same plugin."""
    unique: dict[str, Candidate] = {}
    for candidate in candidates:
        if not candidate.names & blocked:
            first = unique.setdefault(candidate.target, candidate)
            unique[candidate.target] = replace(first, requested=first.requested or candidate.requested)
    return list(unique.values())


def project_plugins(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Return `[tool.playground] plugins` of the nearest `pyproject.toml` at or above a folder, and that file's folder.

    :raises PluginError: the file cannot be read, or the value is not a list of texts.
    """
    folder = folder.resolve()
    file = next((above / "pyproject.toml" for above in (folder, *folder.parents) if _is_file(above)), None)
    if file is None:
        return folder, ()
    table: Any = _toml(file)
    for key in ("tool", PROJECT):
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise PluginError(Fault(f"expected [tool.{PROJECT}] to be a table", place=Place(str(file))))
    for key in table:
        if key != "plugins":
            fault = f"unknown key {key!r} in [tool.{PROJECT}]{suggest_names(key, ['plugins'])}"
            raise PluginError(Fault(fault, place=Place(str(file))))
    plugins = table.get("plugins", [])
    if not isinstance(plugins, list) or not all(isinstance(plugin, str) for plugin in plugins):
        fault = f'[tool.{PROJECT}] plugins: expected a list of texts, such as ["plugins/lion.py"]'
        raise PluginError(Fault(fault, place=Place(str(file))))
    return file.parent, tuple(plugins)


def _is_file(folder: Path) -> bool:
    try:
        return (folder / "pyproject.toml").is_file()
    except OSError:  # a folder above without read permission
        return False


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PluginError(Fault(f"cannot be read: {error.strerror}", place=Place(str(file)))) from error
    except UnicodeDecodeError as error:
        raise PluginError(Fault("not valid TOML: not UTF-8", place=Place(str(file)))) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        text = found[1] if found else str(error)
        place = Place(str(file), int(found[2]), int(found[3])) if found else Place(str(file))
        raise PluginError(Fault(f"not valid TOML: {text}", place=place)) from error


def _file_candidate(path: Path, requested: bool) -> Candidate:
    trouble = ""
    try:
        path = path.resolve()
        if path.is_dir():
            trouble = "is a folder; expected a .py file"
        elif not path.is_file():
            trouble = "no such file"
        elif path.suffix != ".py":
            trouble = "expected a .py file"
    except (OSError, ValueError, RuntimeError) as error:  # no permission, a NUL in the name, circular links
        trouble = describe_exception(error)
    return Candidate(Origin(path.stem, file=str(path)), str(path), requested, trouble)


def _entry_points(distribution: importlib.metadata.Distribution, name: str, version: str) -> list[Candidate]:
    try:
        points = [point for point in distribution.entry_points if point.group == PROJECT]
        return [
            Candidate(Origin(point.name, name, version), f"{point.module}:{point.attr}" if point.attr else point.module)
            for point in points
        ]
    except Exception as error:  # malformed metadata fails in many ways
        trouble = f"its entry points cannot be read: {describe_exception(error)}"
        return [Candidate(Origin(name, name, version), name, trouble=trouble)]


def _metadata(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    """Return name and version; both are empty if the metadata are damaged."""
    try:
        return str(distribution.metadata["Name"] or ""), str(distribution.metadata["Version"] or "")
    except Exception:  # missing or malformed METADATA fails differently in every Python
        return "", ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
