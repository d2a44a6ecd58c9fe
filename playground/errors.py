"""The error tree: every failure that a user can cause, and the exit codes of the command.

::

    PlaygroundError            one line per fault: where, what is wrong, what is accepted
    ├── ScenarioError          an invalid scenario file
    ├── ComponentError         a component that is unknown, has wrong parameters or cannot be built
    ├── PluginError            a plugin that cannot be loaded
    └── StoreError             stored results that cannot be read, written or found

Any other exception is a bug of playground or of a plugin, and keeps its traceback.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from playground.suggestions import find_closest


class ExitCode(enum.IntEnum):
    """The exit code of the command; of several, the largest counts."""

    PASSED = 0
    """All expectations are met."""
    FAILED = 1
    """A verdict is `failed`, or a run ended unexpectedly in `error`, `diverged` or `nonfinite`."""
    INVALID = 2
    """The command line or a scenario is invalid. The other scenarios were run."""
    PLUGIN = 3
    """A plugin failed to load, and `--strict-plugins` was given."""
    INTERRUPTED = 130
    """Ctrl-C was pressed. Finished runs were reported."""


@dataclass(frozen=True, order=True)
class Place:
    """A place in a file. Lines and columns count from 1; line 0 stands for the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, or the file alone."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Fault:
    """One problem.

    :param message: one line: what is wrong and what is accepted.
    :param path: keys of the scenario that lead to the problem, such as `("optimizer", "lr")`; callers of the function
        that raises put their own keys before it, by `PlaygroundError.under`.
    :param place: file, line and column; None until they are known.
    :param offset: characters from the start of the value at `path` to the problem (a column inside an expression).
    """

    message: str
    path: tuple[str | int, ...] = ()
    place: Place | None = None
    offset: int = 0

    def __str__(self) -> str:
        """Return the line that users see."""
        return f"{self.place}: {self.message}" if self.place else self.message


class PlaygroundError(Exception):
    """A failure that a user can cause, with all faults that were found together.

    :param faults: the problems; a string stands for a fault without a place.
    """

    def __init__(self, *faults: Fault | str) -> None:
        self.faults = tuple(Fault(fault) if isinstance(fault, str) else fault for fault in faults)
        super().__init__("\n".join(map(str, self.faults)))

    def _render_traceback_(self) -> list[str]:
        """Return one line for each fault; IPython calls this and shows it in place of a traceback."""
        return [f"{type(self).__name__}: {fault}" for fault in self.faults]

    def under(self, *path: str | int) -> PlaygroundError:
        """Return the same error with `path` put before each fault's own path."""
        return type(self)(*(replace(fault, path=(*path, *fault.path)) for fault in self.faults))


class ScenarioError(PlaygroundError):
    """An invalid scenario file."""


class ComponentError(PlaygroundError):
    """A component that is unknown, has wrong parameters or cannot be built."""


class PluginError(PlaygroundError):
    """A plugin that cannot be loaded."""


class StoreError(PlaygroundError):
    """Stored stored results that cannot be read, written or found."""


MAX_LISTED_NAMES = 40
"""Names that one message lists; no kind of component that scenarios name has more built-in ones."""


def suggest_names(word: str, accepted: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: what is accepted instead.

    :returns: `"; did you mean 'adam'?"` if a name is near, otherwise `" (accepted: a, b, c)"`, cut off after
        `MAX_LISTED_NAMES` names with the number of the others; empty if nothing is accepted.
    """
    names = sorted(set(accepted))
    if near := suggest_correction(word, names):
        return near
    more = f" and {len(names) - MAX_LISTED_NAMES} more" if len(names) > MAX_LISTED_NAMES else ""
    return f" (accepted: {', '.join(names[:MAX_LISTED_NAMES])}{more})" if names else ""


def suggest_correction(word: str, accepted: Iterable[str]) -> str:
    """Return `"; did you mean 'adam'?"`, or an empty text if no accepted name is near."""
    near = [repr(name) for name in find_closest(word, accepted)]
    if not near:
        return ""
    *others, last = near
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def unknown_component(kind: str, name: str, accepted: Iterable[str]) -> str:
    """Return the message about a component that no loaded plugin provides.

    :param name: the name in quotes.
    """
    names = set(accepted)
    other_plugin = "; if a plugin provides it, load the plugin with -p FILE|NAME"
    hint = suggest_correction(name.strip("'\""), names) or suggest_names("", names) + other_plugin
    return f"unknown {kind} {name}{hint}"
