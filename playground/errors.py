"""The error tree: everything a user can cause, and the exit codes that the command ends with.

::

    PlaygroundError            one line per fault: where, what, what would have been accepted
    ├── ScenarioError          a scenario file that is not valid
    ├── ComponentError         a component that is unknown, misnamed or cannot be built
    ├── PluginError            a plugin that cannot be loaded
    └── StoreError             results that cannot be read, written or found

Whatever is not a `PlaygroundError` is a bug of ours or of a plugin, and keeps its traceback.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from playground.suggestions import closest


class ExitCode(enum.IntEnum):
    """What the process ends with; the larger trouble wins."""

    PASSED = 0
    """Every scenario did what it expected."""
    FAILED = 1
    """A verdict is `failed`, or a run ended in `error`, `diverged` or `nonfinite` without expecting it."""
    INVALID = 2
    """The command line or a scenario is not valid. The other scenarios still ran."""
    PLUGIN = 3
    """A plugin could not be loaded, and `--strict-plugins` was given."""
    INTERRUPTED = 130
    """Ctrl-C; what had finished is reported."""


@dataclass(frozen=True, order=True)
class Place:
    """Where in which file; line and column count from 1, and 0 stands for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`file:line:column`, or the file alone."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    :param message: one line: what is wrong and what would have been accepted.
    :param path: the keys that lead to it inside the scenario, such as `("optimizer", "lr")`; relative to whoever
        raises, and completed on the way up by `PlaygroundError.under`.
    :param place: file, line and column, once somebody knows them.
    :param offset: characters from the start of the value at `path` to the fault (a column inside an expression).
    """

    message: str
    path: tuple[str | int, ...] = ()
    place: Place | None = None
    offset: int = 0

    def __str__(self) -> str:
        """One line, ready to be shown."""
        return f"{self.place}: {self.message}" if self.place else self.message


class PlaygroundError(Exception):
    """A failure that a user can cause; carries every fault found in one pass.

    :param faults: what is wrong; a plain string is one fault without a place.
    """

    def __init__(self, *faults: Fault | str) -> None:
        self.faults = tuple(Fault(fault) if isinstance(fault, str) else fault for fault in faults)
        super().__init__("\n".join(map(str, self.faults)))

    def _render_traceback_(self) -> list[str]:
        """Show one line for each fault in a notebook, as the command line does; IPython asks for it."""
        return [f"{type(self).__name__}: {fault}" for fault in self.faults]

    def under(self, *path: str | int) -> PlaygroundError:
        """Return the same error with `path` put before each fault's own path."""
        return type(self)(*(replace(fault, path=(*path, *fault.path)) for fault in self.faults))


class ScenarioError(PlaygroundError):
    """A scenario file that is not valid."""


class ComponentError(PlaygroundError):
    """A component that is unknown, was given wrong parameters, or cannot be built."""


class PluginError(PlaygroundError):
    """A plugin that cannot be loaded."""


class StoreError(PlaygroundError):
    """Stored results that cannot be read, written or found."""


MAX_LISTED_NAMES = 40
"""Names that one message lists: as many as we ship of any kind that scenarios name, and no more."""


def suggestion(word: str, accepted: Iterable[str]) -> str:
    """Say what would have been accepted instead of `word`.

    :returns: `"; did you mean 'adam'?"` when one is near, else `" (accepted: a, b, c)"`, of many names the first ones
        and how many more there are; empty when nothing is accepted.
    """
    names = sorted(set(accepted))
    if near := correction(word, names):
        return near
    more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
    return f" (accepted: {', '.join(names[:MAX_LISTED_NAMES])}{more})" if names else ""


def correction(word: str, accepted: Iterable[str]) -> str:
    """Return `"; did you mean 'adam'?"`, or nothing where no accepted name is near."""
    near = [repr(name) for name in closest(word, accepted)]
    if not near:
        return ""
    *others, last = near
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def unknown_component(kind: str, name: str, accepted: Iterable[str]) -> str:
    """Return the message for a component that no loaded plugin has.

    :param name: quoted, as messages show it.
    """
    names = set(accepted)
    other_plugin = "; if a plugin has it, load that with -p FILE|NAME"
    hint = correction(name.strip("'\""), names) or suggestion("", names) + other_plugin
    return f"unknown {kind} {name}{hint}"
