"""Checks whether the requirements of a distribution are installed in an accepted version."""

from __future__ import annotations

import importlib.metadata

from packaging.requirements import Requirement


def find_unmet(distribution: str) -> list[str]:
    """Return a line for each requirement of an installed distribution that this environment does not meet.

    Skips requirements of an extra, and those for another kind of environment.
    """
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except Exception:  # not installed, or damaged metadata, which raise many types
        return []
    return [line for requirement in requirements if (line := _check_requirement(requirement))]


def _check_requirement(text: str) -> str:
    """Return what is wrong with one requirement; an unreadable one, or one with a URL, counts as met."""
    try:
        requirement = Requirement(text)
        if requirement.url or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            return ""
        wanted = f"requires {text.partition(';')[0].strip()}"
        version = importlib.metadata.version(requirement.name)
        # a pre-release that is already installed counts as well
        met = requirement.specifier.contains(version, prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted}, which is not installed"
    except Exception:  # damaged metadata of another distribution
        return ""
    return "" if met else f"{wanted}, but {version} is installed"
