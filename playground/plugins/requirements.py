"""Whether what a distribution requires is installed in a version that it accepts.

Its metadata say so in dependency specifiers (PEP 508) and version ranges (PEP 440). The library for both, `packaging`,
is no dependency of ours, and the doctor alone asks; the tests hold these lines against that library.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^]]*])?\s*\(?([^()@;]*)\)?\s*", re.ASCII)
_CLAUSE: Final = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*([^\s,]+)\s*")
_VERSION: Final = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<phase>alpha|a|beta|b|preview|pre|rc|c)[-_.]?(?P<pre>\d*))?"
    r"(?P<post>-(?P<bare>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<number>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<day>\d*))?"
    r"(?:\+(?P<local>[a-z0-9._-]+))?",
    re.ASCII | re.IGNORECASE,
)
_PHASES: Final = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FINAL: Final = 3


def unmet(distribution: str) -> list[str]:
    """Return a line for each requirement of an installed distribution that this environment does not meet.

    Requirements with a marker are passed over: most belong to an extra, which need not be installed.
    """
    try:
        requirements = importlib.metadata.requires(distribution) or []
    except Exception:  # not installed, or metadata that are damaged in one of many ways
        return []
    return [line for requirement in requirements if (line := _unmet(requirement))]


def meets(version: str, ranges: str) -> bool:
    """Tell whether a version is within ranges such as `>=2.6,<3`; what cannot be read counts as met.

    A pre-release is within a range as any version is, since it is installed already.
    """
    installed = _parsed(version)
    return installed is None or all(_within(installed, *clause.groups()) for clause in _clauses(ranges))


def _unmet(requirement: str) -> str:
    found = _REQUIREMENT.fullmatch(requirement)
    if found is None:  # it has a marker, or an address
        return ""
    name, ranges = found[1], found[2].strip()
    wanted = f"requires {name}{ranges}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted}, which is not installed"
    except Exception:  # somebody else's metadata are damaged
        return ""
    return "" if meets(version or "", ranges) else f"{wanted}, installed is {version}"


@dataclass(frozen=True)
class _Version:
    epoch: int
    release: tuple[int, ...]
    pre: tuple[int, int]
    post: int
    dev: float

    @property
    def key(self) -> tuple[object, ...]:
        """What versions are ordered by: `1.0.dev1 < 1.0a1 < 1.0 < 1.0.post1`, and `1 = 1.0`."""
        return self.epoch, self.padded(0), self.pre, self.post, self.dev

    @property
    def is_pre(self) -> bool:
        return self.pre[0] < _FINAL or self.dev != float("inf")

    def padded(self, length: int) -> tuple[int, ...]:
        """Return the release without zeros at its end, and then with as many as it takes to be so long."""
        release = self.release
        while release and not release[-1]:
            release = release[:-1]
        return release + (0,) * (length - len(release))

    def starts_with(self, other: _Version, length: int) -> bool:
        return self.epoch == other.epoch and self.padded(length)[:length] == other.release[:length]


def _parsed(text: str) -> _Version | None:
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    dev = float(found["day"] or 0) if found["dev"] else float("inf")
    post = int(found["bare"] or found["number"] or 0) if found["post"] else -1
    if found["phase"]:
        pre = (_PHASES[found["phase"].lower()], int(found["pre"] or 0))
    else:
        pre = (-1, 0) if found["dev"] and not found["post"] else (_FINAL, 0)
    return _Version(int(found["epoch"] or 0), tuple(map(int, found["release"].split("."))), pre, post, dev)


def _clauses(ranges: str) -> Iterator[re.Match[str]]:
    return (clause for part in ranges.split(",") if (clause := _CLAUSE.fullmatch(part)))


def _within(installed: _Version, operator: str, text: str) -> bool:
    wanted = _parsed(text.removesuffix(".*"))
    if wanted is None or operator == "===" or "+" in text:
        return True
    if operator in ("==", "!="):
        starred = text.endswith(".*")
        same = installed.starts_with(wanted, len(wanted.release)) if starred else installed.key == wanted.key
        return same == (operator == "==")
    return _ordered(installed, operator, wanted)


def _ordered(installed: _Version, operator: str, wanted: _Version) -> bool:
    below = _is_below(installed, wanted)
    above = _is_below(wanted, installed)
    if operator == "<=":
        return not above
    if operator == ">=":
        return not below
    if operator == "~=":
        return not below and installed.starts_with(wanted, len(wanted.release) - 1)
    same = (installed.epoch, installed.padded(0)) == (wanted.epoch, wanted.padded(0))
    if operator == "<":  # 2.0rc1 is not what `<2.0` means
        return below and not (same and installed.is_pre and not wanted.is_pre)
    # nor is 1.7.post1 what `>1.7` means
    return above and not (same and installed.pre == wanted.pre and installed.post >= 0 > wanted.post)


def _is_below(one: _Version, other: _Version) -> bool:
    return bool(one.key < other.key)
