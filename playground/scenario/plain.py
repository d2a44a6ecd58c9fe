"""Plain data: what YAML can express, from values of Python and NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from playground.errors import ScenarioError


def to_plain(value: Any, remedy: str = "") -> Any:
    """Return a value as lists, dicts with keys that are text, numbers, texts and None; arrays and tensors as lists.

    :param remedy: the end of the message if the value contains anything else.
    :raises ScenarioError: YAML cannot express the value.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {_key(name): to_plain(each, remedy) for name, each in value.items()}
    if isinstance(value, list | tuple | range):
        return [to_plain(each, remedy) for each in value]
    if hasattr(value, "tolist") and not isinstance(value, type):  # an array, a tensor, or a number of NumPy
        return to_plain(value.tolist(), remedy)
    raise ScenarioError(f"expected plain data, got {_describe(value)}{remedy}")


def is_plain(value: Any) -> bool:
    """Tell whether a value is made of numbers, texts, None, lists and dicts; arrays and tensors are not."""
    if value is None or isinstance(value, bool | str | Real):
        return True
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and is_plain(each) for name, each in value.items())
    return isinstance(value, list | tuple | range) and all(map(is_plain, value))


def _key(name: Any) -> str:
    if not isinstance(name, str):
        raise ScenarioError(f"expected keys that are text, got {name!r}")
    return name


def _describe(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return type(value).__name__
