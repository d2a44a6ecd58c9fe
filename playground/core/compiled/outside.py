"""Finds what an optimizer changes outside itself.

That is: variables of its modules and classes, what its functions enclose, and streams of random numbers. None of it
belongs to a run, so nobody could restore it for the next one. An optimizer that changes it while a step is recorded is
not compiled.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np

from playground.core.compiled.errors import CannotCompileError, DrawsRandomNumbersError
from playground.core.compiled.memory import find_leaves, is_walkable
from playground.core.compiled.number import is_number

OWN_PACKAGES = ("torch", "playground", "numpy")
"""Packages whose functions keep nothing between steps that a run depends on."""


@contextmanager
def refuse_random_draws() -> Iterator[None]:
    """Watch the streams of random numbers that Python's `random` and numpy share between all code of the process.

    :raises DrawsRandomNumbersError: something drew from one of them within the `with` block.
    """
    before = _random_streams()
    yield
    if _random_streams() != before:
        raise DrawsRandomNumbersError("draws random numbers (of Python or numpy)")


class OutsideState:
    """What some objects could change outside themselves, as it is now.

    :param objects: the optimizer, and whatever else its code is in.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        kinds = {kind: None for each in objects for kind in type(each).__mro__ if not _is_ours(kind.__module__)}
        self._kinds = list(kinds)
        self._functions = _find_functions(
            value for each in (*self._kinds, *objects) for value in getattr(each, "__dict__", {}).values()
        )
        self._before = self._describe()

    def require_unchanged(self) -> None:
        """Check that nothing has changed.

        :raises CannotCompileError: something has.
        """
        before, after = self._before, self._describe()
        for name in (*before, *after):
            if not _is_same(before.get(name, []), after.get(name, [])):
                raise CannotCompileError(f"the optimizer changes {name!r}, which is outside of it")

    def _describe(self) -> dict[str, Any]:
        """Return a description of each variable that the classes and functions can reach."""
        found = {
            f"{kind.__name__}.{name}": value
            for kind in self._kinds
            for name, value in vars(kind).items()
            if not name.startswith("__")
        }
        for function in self._functions:
            found |= _variables(function)
            found |= {f"{function.__name__}.{name}": value for name, value in vars(function).items()}
            defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
            found |= {f"a default of {function.__name__}": defaults} if defaults else {}
        return {name: _summarize(value) for name, value in found.items() if _is_data(value)}


def _find_functions(values: Iterable[Any]) -> list[FunctionType]:
    """Return the functions among some values, and the functions that they use."""
    found: dict[FunctionType, None] = {}
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        function = inspect.unwrap(value) if callable(value) else value
        if isinstance(function, FunctionType) and not _is_ours(function.__module__) and function not in found:
            found[function] = None
            waiting += _variables(function).values()
    return list(found)


def _variables(function: FunctionType) -> dict[str, Any]:
    """Return the variables outside a function that it uses, by name."""
    names = _names(function.__code__)
    found = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a cell without a value yet
            continue
    return found


def _names(code: Any) -> Iterator[str]:
    """Yield the names that code uses, and those that code within it uses."""
    yield from code.co_names
    for each in code.co_consts:
        if hasattr(each, "co_names"):
            yield from _names(each)


def _is_ours(module: Any) -> bool:
    return str(module).split(".")[0] in OWN_PACKAGES


def _is_data(value: Any) -> bool:
    """Tell whether a variable holds numbers, or something that may; modules, classes and functions do not."""
    if is_number(value) or isinstance(value, list | dict | set | tuple | np.ndarray):
        return True
    if hasattr(value, "__next__") or _stream_state(value) is not None:
        return True
    home = type(value).__module__.partition(".")[0]
    return is_walkable(value) and not _is_ours(home) and home not in sys.stdlib_module_names


def _summarize(value: Any) -> list[Any]:
    """Return what can be compared later."""
    if hasattr(value, "__next__"):
        return [repr(value)]
    if (state := _stream_state(value)) is not None:
        return [state]
    values = ((leaf.path, leaf.value) for leaf in find_leaves([value], ()))
    return [each.tobytes() if isinstance(each, np.ndarray) else each for pair in values for each in pair]


def _stream_state(value: Any) -> str | None:
    """Return the state of a generator of random numbers of Python or numpy; None for anything else."""
    if isinstance(value, random.Random):
        return repr(value.getstate())
    return repr(value.bit_generator.state) if isinstance(value, np.random.Generator) else None


def _is_same(a: list[Any], b: list[Any]) -> bool:
    """Tell whether two summaries hold equal numbers and texts, and otherwise the same objects."""
    return len(a) == len(b) and all(
        x is y or (type(x) is type(y) and isinstance(x, int | float | str | bytes | tuple) and repr(x) == repr(y))
        for x, y in zip(a, b, strict=True)
    )


def _random_streams() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), name, keys.tobytes() if isinstance(keys, np.ndarray) else keys, *rest
