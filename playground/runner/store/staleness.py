"""Explains why stored runs cannot be used again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from playground.runner.store.records import StaleSweep, SweepRecord

_DIGEST = re.compile(r"[0-9a-f]{16,}")
"""The hash of the sources that a sweep uses of a plugin; it can follow the plugin's version."""


def find_stale_sweeps(
    record: SweepRecord, sweeps: Sequence[SweepRecord], unused: Callable[[SweepRecord], int] = lambda earlier: 1
) -> list[StaleSweep]:
    """Return earlier sweeps of the same scenario over the same axes whose runs cannot be used again, newest first.

    The search ends at the first sweep without a difference; older sweeps do not matter.

    :param sweeps: all stored sweeps, oldest first; those after `record` are ignored.
    :param unused: returns the number of runs of an earlier sweep that `record` does not contain.
    """
    ids = [sweep.id for sweep in sweeps]
    earlier = sweeps[: ids.index(record.id)] if record.id in ids else sweeps
    found = []
    for sweep in reversed([each for each in earlier if _subject(each) == _subject(record)]):
        reasons = tuple(describe_differences(sweep, record))
        if not reasons:
            break
        if count := unused(sweep):
            found.append(StaleSweep(sweep, reasons, count))
    return found


def describe_differences(old: SweepRecord, new: SweepRecord) -> Iterator[str]:
    """Yield the differences in software between two sweeps."""
    before, after = old.versions.get("plugins") or {}, new.versions.get("plugins") or {}
    for name in sorted({*before, *after}):
        if (reason := _describe_difference(before, after, name)) is not None:
            yield f"plugin {name!r} {reason}"
    for name in sorted({*old.versions, *new.versions} - {"plugins"}):
        if (reason := _describe_difference(old.versions, new.versions, name)) is not None:
            yield f"{name}: {reason}"
    if old.engine != new.engine:
        yield f"engine: {old.engine} → {new.engine}"


def _subject(record: SweepRecord) -> tuple[Any, ...]:
    return record.scenario, record.file, tuple(record.axes)


def _describe_difference(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> str | None:
    """Return how a version differs; None if it does not."""
    if name not in before:
        return "is new"
    if name not in after:
        return "is gone"
    old, new = str(before[name]), str(after[name])
    if old == new:
        return None
    if _plain_version(old) == _plain_version(new):
        return "changed since"
    return f"{_plain_version(old)} → {_plain_version(new)}"


def _plain_version(text: str) -> str:
    """Return a plugin's version without the hash of its sources."""
    words = [word for word in text.split() if not _DIGEST.fullmatch(word)]
    return " ".join(words) or "a file of its own"
