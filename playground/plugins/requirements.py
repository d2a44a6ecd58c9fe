"""Whether what a distribution requires is installed in a version that it accepts."""

from __future__ import annotations

import importlib.metadata

from packaging.requirements import Requirement


def find_unmet(distribution: str) -> list[str]:
    """Return a line for each requirement of an installed distribution that this environment does not meet.

    Requirements of an extra, or for another kind of environment, are passed over.
    """
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except Exception:  # not installed, or metadata that are damaged in one of many ways
        return []
    return [line for requirement in requirements if (line := _check_requirement(requirement))]


def _check_requirement(text: str) -> str:
    """Return what is wrong with one requirement; one that cannot be read, or has an address, counts as met."""
    try:
        requirement = Requirement(text)
        if requirement.url or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            return ""
        wanted = f"requires {text.partition(';')[0].strip()}"
        version = importlib.metadata.version(requirement.name)
        # what is installed already counts, whether it is a pre-release or not
        met = requirement.specifier.contains(version, prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted}, which is not installed"
    except Exception:  # somebody else's metadata are damaged
        return ""
    return "" if met else f"{wanted}, installed is {version}"
