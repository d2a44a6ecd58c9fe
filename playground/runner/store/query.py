"""Translates `--where KEY OP VALUE` and `--sort KEY` to SQL.

Keys come from a table of known keys and values are bound parameters, so no text of a user becomes SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from playground.errors import Place, PlaygroundError, StoreError, suggest_names
from playground.figures.text import make_printable
from playground.result import Status, Verdict
from playground.runner.store.records import RUN_COLUMNS, compact_json
from playground.scenario.messages import format_value
from playground.scenario.reader import read_yaml

_CONDITION_PATTERN = re.compile(
    r"\s*(?P<key>[^=!<>]*[^=!<>\s])\s*(?P<operator><=|>=|!=|[=<>])(?![=<>])\s*(?P<value>.*)", re.DOTALL
)

_OPERATORS = {"=": "IS", "!=": "IS NOT", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
"""`IS` also compares NULL, which stands for NaN and for a metric that a run does not have."""


@dataclass(frozen=True)
class QueryKey:
    """A key by which runs can be filtered and sorted.

    :param kind: type of the values; `open` is any value of a scenario, as JSON.
    :param sql: the expression; trusted text, never from a user.
    :param bound: values of the expression's own placeholders.
    :param words: all possible texts, if they are few.
    """

    kind: Literal["number", "text", "open"]
    sql: str
    bound: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One `KEY OP VALUE`.

    :param value: the value, read as YAML.
    :param text: the condition as written.
    :param word: the value as written.
    """

    key: str
    operator: str
    value: Any
    text: str
    word: str


_NUMBER_COLUMNS = ("seed", "steps", "evaluations", "first", "last", "best", "seconds")

COLUMN_KEYS: Mapping[str, QueryKey] = {
    "sweep": QueryKey("text", "sweeps.id"),
    "scenario": QueryKey("text", "sweeps.scenario"),
    "point": QueryKey("number", "sweep_runs.point"),
    "key": QueryKey("text", "runs.key"),
    "status": QueryKey("text", "runs.status", words=tuple(each.value for each in Status)),
    "verdict": QueryKey("text", "runs.verdict", words=tuple(each.value for each in Verdict)),
    "engine": QueryKey("text", "runs.engine"),
    **{name: QueryKey("number", f"runs.{name}") for name in _NUMBER_COLUMNS},
    "loss": QueryKey("number", "runs.last"),
}
"""Keys of every run; `loss` is the last loss, as in a scenario's `expect`."""


def parse_condition(text: str) -> Condition:
    """Parse `KEY OP VALUE`.

    :raises StoreError: the text does not have this form.
    """
    match = _CONDITION_PATTERN.fullmatch(text)
    if match is None:
        raise StoreError(
            f"{format_where(text)}: expected KEY OP VALUE, such as status=diverged; OP is = != < <= > or >="
        )
    key, operator, word = (match[name].strip() for name in ("key", "operator", "value"))
    place = Place(format_where(text))
    try:
        node = read_yaml(word, lambda line, column: place)
    except PlaygroundError as error:
        raise StoreError(*error.faults) from error
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


_TAKEN_NAMES = {*COLUMN_KEYS, *RUN_COLUMNS}


def known_keys(axes: Iterable[str], metrics: Iterable[str]) -> dict[str, QueryKey]:
    """Return every key that a condition can name."""
    axis_labels, metric_labels = unique_labels(axes, metrics)
    entries = [
        *((label, "points.axes", name) for name, label in axis_labels.items()),
        *((label, "runs.metrics", name) for name, label in metric_labels.items()),
    ]
    return {
        **COLUMN_KEYS,
        # SQLite's JSON paths cannot contain a quote, so names with quotes have no key.
        **{
            label: QueryKey("open", f"json_extract({source}, ?)", (f'$."{name}"',))
            for label, source, name in entries
            if '"' not in name
        },
    }


@dataclass(frozen=True)
class Selection:
    """A selection and order of runs: the SQL after `SELECT ...`, and the values of its placeholders."""

    sql: str
    bound: tuple[Any, ...]


_TABLES = """
FROM sweeps
CROSS JOIN sweep_runs ON sweep_runs.sweep = sweeps.number
CROSS JOIN runs ON runs.number = sweep_runs.run
LEFT JOIN points ON points.sweep = sweep_runs.sweep AND points.point = sweep_runs.point
LEFT JOIN arrays ON arrays.run = runs.number
"""
"""`CROSS` makes SQLite join in this order, which is the order of storage. SQLite skips a `LEFT` table that no
expression names."""

_ORDER = "sweeps.number, sweep_runs.point, sweep_runs.seed"


def select_runs(
    sweep: str | None, where: Sequence[Condition], sort: str | None, limit: int | None, keys: Mapping[str, QueryKey]
) -> Selection:
    """Return the SQL that selects and orders runs.

    :param sweep: id of one sweep; None for all sweeps.
    :param sort: a key; with the prefix `-`, the largest value comes first. Runs without a value always come last.
    :raises StoreError: a key is unknown, or a value does not fit its key.
    """
    parts = [_condition_sql(each, keys) for each in where]
    if sweep is not None:
        parts.append(("sweeps.id = ?", (sweep,)))
    sql = _TABLES + (f"WHERE {' AND '.join(text for text, _ in parts)} " if parts else "")
    bound = tuple(value for _, values in parts for value in values)
    if sort is not None:
        name = sort.removeprefix("-")
        key = find_key(name, keys, make_printable(f"--sort {sort}"))
        sql += f"ORDER BY {key.sql} IS NULL, {key.sql} {'DESC' if sort != name else 'ASC'}, {_ORDER} "
        bound += key.bound * 2
    else:
        sql += f"ORDER BY {_ORDER} "
    if limit is not None:
        sql, bound = sql + "LIMIT ?", (*bound, limit)
    return Selection(sql, bound)


def find_key(name: str, keys: Mapping[str, QueryKey], option: str) -> QueryKey:
    """Return a key by name.

    :param option: the option that names it, for the message.
    :raises StoreError: there is no such key.
    """
    if name not in keys:
        raise StoreError(f"{option}: no run has {format_value(name)}{suggest_names(name, keys)}")
    return keys[name]


def _condition_sql(given: Condition, keys: Mapping[str, QueryKey]) -> tuple[str, tuple[Any, ...]]:
    """Return a condition as SQL."""
    key = find_key(given.key, keys, format_where(given.text))
    ordered = given.operator not in ("=", "!=")
    if key.kind == "text":
        return _text_condition_sql(given, key, ordered)
    value = given.value
    if (key.kind == "number" or ordered) and not _is_number(value) and (ordered or value is not None):
        raise StoreError(
            f"{format_where(given.text)}: expected a number after {given.operator}, got {format_value(value)}"
        )
    sql = f"{key.sql} {_OPERATORS[given.operator]} ?"
    bound = (*key.bound, _sql_value(value))
    if key.kind == "open" and ordered:  # SQLite sorts texts after numbers, so exclude them
        return f"(typeof({key.sql}) IN ('integer', 'real') AND {sql})", (*key.bound, *bound)
    return sql, bound


def _text_condition_sql(given: Condition, key: QueryKey, ordered: bool) -> tuple[str, tuple[Any, ...]]:
    if ordered:
        raise StoreError(f"{format_where(given.text)}: {given.key} is a text; compare it with = or !=")
    word = given.value if isinstance(given.value, str) else given.word  # the id 12e4 is a text, not the number 120000
    if key.words and word not in key.words:
        raise StoreError(
            f"{format_where(given.text)}: no {given.key} is {format_value(word)}{suggest_names(word, key.words)}"
        )
    if given.key == "sweep":  # as in all commands, the beginning of an id is enough
        return f"substr({key.sql}, 1, ?) {_OPERATORS[given.operator]} ?", (len(word), word)
    return f"{key.sql} {_OPERATORS[given.operator]} ?", (word,)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sql_value(value: Any) -> Any:
    """Return a value as SQLite stores it: lists and mappings as JSON, NaN as NULL, integers over 64 bits as floats."""
    if isinstance(value, Collection) and not isinstance(value, str):
        return compact_json(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
