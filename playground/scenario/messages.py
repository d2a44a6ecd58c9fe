"""Turns validation errors into one-line messages that say what was expected and what was given.

Used for everything that pydantic validates: the scenario's own keys, and the parameters of every component.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from playground.errors import Fault, suggest_correction, suggest_names

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top to a value."""

MAX_SHOWN_CHARACTERS = 60
"""Maximum number of characters of a user's text that a message repeats."""


class FaultyKey(str):
    """The last key of a fault's path if the key itself is wrong, not its value; the fault then has the key's place."""

    __slots__ = ()


class UnfitError(ValueError):
    """Raised inside a pydantic validator with a final message; the fault may be deeper inside the value.

    :param message: one line.
    :param at: keys and positions from the validated value to the fault.
    """

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at = at


def format_value(value: Any) -> str:
    """Return a value as a message shows it: in YAML, shortened, on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    if isinstance(value, int):
        return _shorten(hex(value) if value.bit_length() > 4 * MAX_SHOWN_CHARACTERS else str(value))
    if isinstance(value, str):
        return repr(_shorten(value))
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, Sequence):
        return "a list" if value else "an empty list"
    return type(value).__name__


def mismatch(expected: str, given: Any) -> str:
    """Return the message for a value that is not what was expected."""
    return f"expected {expected}, got {format_value(given)}"


def unknown_key(key: str, accepted: Collection[str]) -> str:
    """Return the message for an unknown key, with a suggestion."""
    return f"unknown key {format_value(key)}{suggest_names(key, accepted)}"


def faults(
    error: ValidationError, accepted: Collection[str] | Callable[[KeyPath], Collection[str]] = ()
) -> list[Fault]:
    """Turn a pydantic error into faults of one line each.

    :param error: the error that `model_validate` raised.
    :param accepted: the accepted keys, used to suggest a replacement for an unknown one: those of the outermost
        mapping, or a callable that receives the path of the mapping that contains the unknown key.
    :returns: one fault per wrong value, with the path from the validated value to it; the path of an unknown key
        ends in a `FaultyKey`.
    """
    details = [(detail["loc"], detail) for detail in error.errors(include_url=False)]
    return [Fault(problem.message, problem.path) for problem in _problems(details, (), accepted)]


@dataclass(frozen=True)
class _Problem:
    path: KeyPath
    message: str
    expected: str = ""
    """The expected type, if the value has another type altogether."""
    given: Any = None


_Accepted = Collection[str] | Callable[[KeyPath], Collection[str]]
_Located = list[tuple[KeyPath, "ErrorDetails"]]

_UNION_BRANCH = re.compile(
    r"int|float|str|bool|none|any|enum|callable|constrained-\w+"
    r"|(int|float|str|list|tuple|set|frozenset|dict|literal|function|nullable|union|tagged-union|lax-or-strict"
    r"|json-or-python|is-instance|function-\w+)\W.*"
)
"""Parts that pydantic adds to a location to name the branch of a union; they are not keys of the file."""


def _problems(details: _Located, above: KeyPath, accepted: _Accepted) -> list[_Problem]:
    """Turn located errors into problems; merge the branches of each union into one problem."""
    found = []
    # For a union, pydantic reports the errors of every branch, each with the branch's name in its location. Group them
    # by the path of the union and then by branch; unions inside a branch are merged by the recursive call.
    unions: dict[KeyPath, dict[str, _Located]] = {}
    for location, detail in details:
        tag = next((n for n, key in enumerate(location) if _is_branch(key)), None)
        if tag is None:
            found.append(_problem(location, detail, above, accepted))
        else:
            branches = unions.setdefault(location[:tag], {})
            branches.setdefault(str(location[tag]), []).append((location[tag + 1 :], detail))
    for prefix, branches in unions.items():
        tried = [_problems(branch, above + prefix, accepted) for branch in branches.values()]
        found += [replace(problem, path=prefix + problem.path) for problem in _merge_branches(tried)]
    return found


def _is_branch(key: str | int) -> bool:
    return isinstance(key, str) and _UNION_BRANCH.fullmatch(key) is not None


def _merge_branches(branches: list[list[_Problem]]) -> list[_Problem]:
    """Return the problems of the branch that got furthest, or one problem that lists what all branches accept."""
    # A branch that failed deeper inside the value, or with a message other than a wrong type, is the one that the user
    # meant. If every branch refuses the type of the value itself, the message lists all accepted types.
    further = [branch for branch in branches if any(problem.path or not problem.expected for problem in branch)]
    if further:
        return max(further, key=lambda branch: max(len(problem.path) for problem in branch))
    alternatives = dict.fromkeys(problem.expected for branch in branches for problem in branch)
    if {_TYPES["int_type"], _TYPES["float_type"]} <= alternatives.keys():  # a whole number is a number
        del alternatives[_TYPES["int_type"]]
    return [_mismatch((), " or ".join(alternatives), branches[0][0].given)]


def _mismatch(path: KeyPath, expected: str, given: Any) -> _Problem:
    return _Problem(path, mismatch(expected, given), expected, given)


_TYPES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "none_required": "null",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}

_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
}


def _problem(location: KeyPath, detail: ErrorDetails, above: KeyPath, accepted: _Accepted) -> _Problem:
    """Put one error into words; `above` is the path from the validated value to the start of `location`."""
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if location and location[-1] == "[key]":  # pydantic: the key of a mapping, not its value
        return _Problem((*location[:-2], FaultyKey(location[-2])), mismatch("a key that is text", given))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        *parent, key = location
        names = accepted((*above, *parent)) if callable(accepted) else () if above or parent else accepted
        return _Problem((*parent, FaultyKey(key)), unknown_key(str(key), names))
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        absent = location[-1]
        what = (
            f"missing key {format_value(absent)}"
            if isinstance(absent, str)
            else f"missing entry {absent + 1} of the list"
        )
        return _Problem(location, what)
    if kind == "literal_error":
        return _choice(location, context["expected"], given)
    if kind in _TYPES:
        too_large = kind == "float_type" and isinstance(given, int) and not isinstance(given, bool)
        return _mismatch(location, "a number within a float's range" if too_large else _TYPES[kind], given)
    if kind in _BOUNDS:
        return _Problem(location, mismatch(_bound(_BOUNDS[kind], context), given))
    if kind in ("too_short", "too_long"):
        return _Problem(location, _length(context))
    return _describe_other(location, detail)


def _choice(location: KeyPath, expected: str, given: Any) -> _Problem:
    """List the accepted words and suggest the closest one."""
    problem = _mismatch(location, expected, given)
    near = suggest_correction(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
    return replace(problem, message=problem.message + near)


def _bound(template: str, context: Mapping[str, Any]) -> str:
    """Fill in a bound: `1.0` becomes `1`, and a minimum length of 1 becomes "not empty"."""
    values = {key: int(value) if _is_whole(value) else value for key, value in context.items()}
    return template.format(**values).replace("text of at least 1 characters", "a text that is not empty")


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 1e15


def _length(context: Mapping[str, Any]) -> str:
    least = "min_length" in context
    count = context["min_length" if least else "max_length"]
    entries = "entry" if count == 1 else "entries"
    return f"expected {'at least' if least else 'at most'} {count} {entries}, got {context['actual_length']}"


def _describe_other(location: KeyPath, detail: ErrorDetails) -> _Problem:
    """Pass on an error that has its own message: a validator's, or one of pydantic's rarer ones."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, UnfitError):
        return _Problem((*location, *cause.at), str(cause))
    text = " ".join((str(cause) if cause else detail["msg"]).split())
    if text.startswith("Input should be "):
        return _Problem(location, mismatch(text.removeprefix("Input should be "), detail["input"]))
    return _Problem(location, text[:1].lower() + text[1:])


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
