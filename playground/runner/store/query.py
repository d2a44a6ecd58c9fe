"""Filters and sorts runs: `--where KEY OP VALUE` and `--sort KEY`, as operations on whole columns.

Keys come from a table of known keys, and values are compared as numbers or words, so no text of a user is executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING, Any, Literal

from playground.errors import Place, PlaygroundError, StoreError, suggest_names
from playground.figures.text import make_printable
from playground.runner.store.chunks import METRIC_PREFIX
from playground.runner.store.records import compact_json
from playground.runner.store.run_columns import NUMBER_COLUMNS, STATUSES, VERDICTS
from playground.runner.store.selection import Selection
from playground.scenario.messages import format_value
from playground.scenario.reader import read_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONDITION_PATTERN = re.compile(
    r"\s*(?P<key>[^=!<>]*[^=!<>\s])\s*(?P<operator><=|>=|!=|[=<>])(?![=<>])\s*(?P<value>.*)", re.DOTALL
)

_WORDS = re.compile(r"""'[^']*'|"[^"]*"|\s(?:and|or)(?=\s)|.""", re.DOTALL)
"""Splits an expression into quoted texts, the words that join conditions, and single characters."""


@dataclass(frozen=True)
class QueryKey:
    """A key by which runs can be filtered and sorted.

    :param kind: what it stands for: a column of numbers or words, a text of every run, or the value of an axis.
    :param name: of the column or the axis.
    :param words: all possible texts, if they are few.
    """

    kind: Literal["number", "text", "axis"]
    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One `KEY OP VALUE`.

    :param value: the value, read as YAML.
    :param text: the option's text.
    :param word: the value as written.
    """

    key: str
    operator: str
    value: Any
    text: str
    word: str


COLUMN_KEYS: Mapping[str, QueryKey] = {
    "sweep": QueryKey("text", "sweep"),
    "scenario": QueryKey("text", "scenario"),
    "point": QueryKey("number", "point"),
    "key": QueryKey("text", "key"),
    "status": QueryKey("text", "status", STATUSES),
    "verdict": QueryKey("text", "verdict", VERDICTS),
    "engine": QueryKey("text", "engine"),
    **{name: QueryKey("number", name) for name in NUMBER_COLUMNS},
    "loss": QueryKey("number", "last"),
}
"""Keys of every run; `loss` is the last loss, as in a scenario's `expect`."""

_TAKEN_NAMES = {*COLUMN_KEYS, "reason", "metrics", "layout", "lost"}


def parse_expression(text: str) -> list[list[Condition]]:
    """Parse conditions joined by `and` and `or`; `and` binds more tightly.

    :returns: alternatives, each of conditions that hold together.
    :raises StoreError: a condition does not have the form `KEY OP VALUE`.
    """
    alternatives: list[list[str]] = [[""]]
    for piece in _WORDS.findall(text):
        if piece.strip() == "or":
            alternatives.append([""])
        elif piece.strip() == "and":
            alternatives[-1].append("")
        else:
            alternatives[-1][-1] += piece
    return [[parse_condition(condition, text) for condition in each] for each in alternatives]


def parse_condition(condition: str, text: str | None = None) -> Condition:
    """Parse `KEY OP VALUE`.

    :param text: the whole option, for messages.
    :raises StoreError: the text does not have this form.
    """
    text = condition if text is None else text
    match = _CONDITION_PATTERN.fullmatch(condition)
    if match is None:
        raise StoreError(
            f"{format_where(text)}: expected KEY OP VALUE, such as status=diverged; OP is = != < <= > or >="
        )
    key, operator, word = (match[name].strip() for name in ("key", "operator", "value"))
    place = Place(format_where(text))
    try:
        node = read_yaml(word, lambda line, column: place)
    except PlaygroundError as error:
        raise StoreError(error.faults[0]) from error  # one line: a text has one fault that matters
    return Condition(key, operator, node.data() if node else None, text, word)


def format_where(text: str) -> str:
    """Return the option as the user wrote it, for messages."""
    return make_printable(f"--where {text}")


def unique_labels(axes: Iterable[str], metrics: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return unique labels: a name that is already used gets the prefix `axis.` or `metric.`.

    :returns: the label of each axis, and the label of each metric.
    """
    axis_labels = {name: f"axis.{name}" if name in _TAKEN_NAMES else name for name in axes}
    taken = _TAKEN_NAMES | set(axis_labels.values())
    return axis_labels, {name: f"metric.{name}" if name in taken else name for name in metrics}


def known_keys(axes: Iterable[str], metrics: Iterable[str]) -> dict[str, QueryKey]:
    """Return every key that a condition can name."""
    axis_labels, metric_labels = unique_labels(axes, metrics)
    return {
        **COLUMN_KEYS,
        **{label: QueryKey("axis", name) for name, label in axis_labels.items()},
        **{label: QueryKey("number", METRIC_PREFIX + name) for name, label in metric_labels.items()},
    }


def find_key(name: str, keys: Mapping[str, QueryKey], option: str) -> QueryKey:
    """Return a key by its name, or by the end of its name if that is unique: `lr` for `optimizer.lr`.

    :param option: the option that names it, for the message.
    :raises StoreError: there is no such key.
    """
    ends = [key for key in keys if key.endswith(f".{name}")]
    if name in keys or len(ends) == 1:
        return keys[name if name in keys else ends[0]]
    raise StoreError(f"{option}: no run has {format_value(name)}{suggest_names(name, keys)}")


@dataclass(frozen=True)
class Query:
    """Which runs to take, and in which order.

    :param where: for each option the alternatives, as `parse_expression` returns them.
    """

    where: Sequence[Sequence[Sequence[Condition]]]
    sort: str | None
    limit: int | None
    keys: Mapping[str, QueryKey]

    @classmethod
    def parse(cls, where: Sequence[str], sort: str | None, limit: int | None, keys: Mapping[str, QueryKey]) -> Query:
        """Parse the options.

        :raises StoreError: a key is unknown, or a value does not fit its key.
        """
        parsed = [parse_expression(text) for text in where]
        for condition in (each for alternatives in parsed for together in alternatives for each in together):
            _check_condition(condition, find_key(condition.key, keys, format_where(condition.text)))
        if sort is not None:
            find_key(sort.removeprefix("-"), keys, make_printable(f"--sort {sort}"))
        return cls(parsed, sort, limit, keys)

    def apply(self, selection: Selection) -> Selection:
        """Return the runs that meet all conditions, in order, and not more than the limit."""
        for alternatives in self.where:
            masks = [[self._test(condition, selection) for condition in together] for together in alternatives]
            selection = selection.take(reduce(or_, [reduce(and_, together) for together in masks]))
        if self.sort is not None:
            selection = selection.take(self._order(self.sort, selection))
        return selection if self.limit is None else selection.take(slice(self.limit))

    def _test(self, given: Condition, selection: Selection) -> NDArray[Any]:
        """Return for each run whether it meets a condition."""
        key = find_key(given.key, self.keys, "")
        if key.kind == "text":
            equal = _equals_word(key, _word(given), selection)
            return equal if given.operator == "=" else ~equal
        if key.kind == "number":
            values = selection.point if key.name == "point" else selection.column(key.name)
            return _compare(values, given.operator, given.value)
        tested = [
            [_meets(point.get(key.name), given.operator, given.value) for point in sweep.points]
            for sweep in selection.sweeps
        ]
        return _spread(tested, selection)

    def _order(self, sort: str, selection: Selection) -> NDArray[Any]:
        """Return the positions of the runs in order; runs without a value come last."""
        import numpy as np

        name = sort.removeprefix("-")
        values = _sort_values(find_key(name, self.keys, ""), selection)
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=np.bool_)
        there = np.flatnonzero(~missing)
        sorted_by = values[there] if name == sort else -values[there]
        if self.limit is not None and self.limit < len(there):  # sort those alone that can be among the first
            most = np.partition(sorted_by, self.limit - 1)[self.limit - 1]
            chosen = sorted_by <= most
            there, sorted_by = there[chosen], sorted_by[chosen]
        ordered: NDArray[Any] = there[np.argsort(sorted_by, kind="stable")]
        return np.concatenate([ordered, np.flatnonzero(missing)])


def _check_condition(given: Condition, key: QueryKey) -> None:
    """Check that a value fits its key.

    :raises StoreError: it does not.
    """
    where, ordered, value = format_where(given.text), given.operator not in ("=", "!="), given.value
    if key.kind == "text":
        if ordered:
            raise StoreError(f"{where}: {given.key} is a text; compare it with = or !=")
        if key.words and _word(given) not in key.words:
            raise StoreError(
                f"{where}: no {given.key} is {format_value(_word(given))}{suggest_names(_word(given), key.words)}"
            )
    elif (key.kind == "number" or ordered) and not _is_number(value) and (ordered or value is not None):
        raise StoreError(f"{where}: expected a number after {given.operator}, got {format_value(value)}")


def _word(given: Condition) -> str:
    """Return the value as text: the id 12e4 is a text, not the number 120000."""
    return given.value if isinstance(given.value, str) else given.word


def _equals_word(key: QueryKey, word: str, selection: Selection) -> NDArray[Any]:
    """Return for each run whether a text is this word."""
    if key.words:
        return _compare(selection.column(key.name), "=", key.words.index(word))
    if key.name == "engine":
        codes, names = selection.engines()
        return _compare(codes, "=", names.index(word) if word in names else -1)
    if key.name == "key":
        point_key, _, seed = word.rpartition("-")
        mine = _spread([[each == point_key for each in sweep.keys] for sweep in selection.sweeps], selection)
        number = int(seed) if seed.isdecimal() and len(seed) < 19 else -1
        found: NDArray[Any] = mine & _compare(selection.column("seed"), "=", number)
        return found
    if key.name == "sweep":  # as in all commands, the beginning of an id is enough
        tested = [sweep.id.startswith(word) for sweep in selection.sweeps]
    else:
        tested = [sweep.scenario == word for sweep in selection.sweeps]
    return _spread(
        [[each] * len(sweep.points) for each, sweep in zip(tested, selection.sweeps, strict=True)], selection
    )


def _compare(values: NDArray[Any], operator: str, value: Any) -> NDArray[Any]:
    """Compare numbers; null stands for NaN, which is not ordered and differs from every number."""
    import numpy as np

    if value is None or (isinstance(value, float) and math.isnan(value)):
        missing = np.isnan(values)
        return missing if operator == "=" else ~missing if operator == "!=" else np.zeros(len(values), dtype=np.bool_)
    if isinstance(value, int) and abs(value) >= 2**63:
        value = float(value)
    found: NDArray[Any] = _OPERATORS[operator](values, value)
    return found


_OPERATORS = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def _meets(value: Any, operator: str, wanted: Any) -> bool:
    """Tell whether the value of an axis meets a condition; None for a point that does not have the axis."""
    if operator in ("=", "!="):
        return _equal(value, wanted) == (operator == "=")
    return _is_number(value) and bool(_OPERATORS[operator](value, wanted))


def _equal(value: Any, wanted: Any) -> bool:
    """Compare plain data; true is no number, and NaN is like a missing value."""
    value, wanted = (None if isinstance(each, float) and math.isnan(each) else each for each in (value, wanted))
    if _is_number(value) and _is_number(wanted):
        return bool(value == wanted)
    return compact_json(value) == compact_json(wanted)


def _spread(by_point: Sequence[Sequence[Any]], selection: Selection) -> NDArray[Any]:
    """Return for each run the value of its point."""
    import numpy as np

    starts = np.cumsum([0, *map(len, by_point)])
    values = np.array([value for some in by_point for value in some])
    spread: NDArray[Any] = values[starts[selection.sweep] + selection.point] if len(selection) else values[:0]
    return spread


def _sort_values(key: QueryKey, selection: Selection) -> NDArray[Any]:
    """Return a number for each run that sorts as its value does; NaN where it has none."""
    import numpy as np

    if key.kind == "number":
        return selection.point if key.name == "point" else selection.column(key.name)
    if key.words:
        return _rank(key.words, selection.column(key.name))
    if key.kind == "axis":
        return _spread_ranks([[point.get(key.name) for point in sweep.points] for sweep in selection.sweeps], selection)
    if key.name == "engine":
        codes, names = selection.engines()
        return _rank(names, codes)
    if key.name == "key":
        ranks = _spread_ranks([list(sweep.keys) for sweep in selection.sweeps], selection)
        by_text = np.lexsort((selection.column("seed"), ranks))
        order = np.empty(len(by_text), dtype=np.int64)
        order[by_text] = np.arange(len(by_text))
        return order
    texts = [sweep.id if key.name == "sweep" else sweep.scenario for sweep in selection.sweeps]
    return _spread_ranks([[text] * len(s.points) for text, s in zip(texts, selection.sweeps, strict=True)], selection)


def _rank(words: Sequence[str], codes: NDArray[Any]) -> NDArray[Any]:
    """Return for each code the place of its word in the alphabet."""
    import numpy as np

    places: NDArray[Any] = np.argsort(np.argsort(np.array(words)))[codes]
    return places


def _spread_ranks(by_point: Sequence[Sequence[Any]], selection: Selection) -> NDArray[Any]:
    """Return for each run the rank of its point's value: numbers before texts, and NaN for None."""
    forms = {compact_json(value): _sort_form(value) for some in by_point for value in some if value is not None}
    ordered = sorted(set(forms.values()))
    position = {form: float(rank) for rank, form in enumerate(ordered)}
    ranks = {text: position[form] for text, form in forms.items()}
    return _spread(
        [[math.nan if value is None else ranks[compact_json(value)] for value in some] for some in by_point], selection
    )


def _sort_form(value: Any) -> tuple[int, float, str]:
    if _is_number(value) or isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, value if isinstance(value, str) else compact_json(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
