"""The tables of the store: sweeps, their points, and chunks of runs.

A chunk is written in one transaction and never changed. Its runs are sorted by point and seed, so the runs of one point
are a segment: a range of rows, with the first and the last seed. What is stored is found by segments, not run by run.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x506C6179
"""Marks a SQLite file in its header as a store of the playground ("Play" in ASCII)."""

LAYOUT_VERSION = 5
"""Number of this layout. Versions 1 to 3 had a row for each run, and are not read any more."""

_TABLES = (
    """CREATE TABLE sweeps (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL, scenario TEXT NOT NULL,
        file TEXT NOT NULL, command TEXT NOT NULL, spec TEXT NOT NULL, axes TEXT NOT NULL,
        seeds INTEGER NOT NULL, engine TEXT NOT NULL, versions TEXT NOT NULL, seed_ranges TEXT NOT NULL,
        warnings TEXT NOT NULL
    )""",
    # A key stands for a point: equal points of several sweeps have one key, and share their runs.
    "CREATE TABLE keys (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE points (
        sweep INTEGER NOT NULL, point INTEGER NOT NULL, key INTEGER NOT NULL, axes TEXT NOT NULL,
        PRIMARY KEY (sweep, point)
    ) WITHOUT ROWID""",
    """CREATE TABLE layouts (
        number INTEGER PRIMARY KEY, parameters TEXT NOT NULL, trace_steps TEXT NOT NULL, metrics TEXT NOT NULL,
        UNIQUE (parameters, trace_steps, metrics)
    )""",
    # `constants` holds the columns in which all runs have one value, as JSON.
    """CREATE TABLE chunks (
        number INTEGER PRIMARY KEY, runs INTEGER NOT NULL, engine TEXT NOT NULL, lost INTEGER NOT NULL,
        layout INTEGER NOT NULL, constants TEXT NOT NULL, checksum INTEGER NOT NULL
    )""",
    """CREATE TABLE columns (
        chunk INTEGER NOT NULL, name TEXT NOT NULL, checksum INTEGER NOT NULL, data BLOB NOT NULL,
        UNIQUE (chunk, name)
    )""",
    """CREATE TABLE segments (
        key INTEGER NOT NULL, chunk INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (key, chunk, start)
    ) WITHOUT ROWID""",
    "CREATE INDEX segments_of_chunks ON segments (chunk)",
    # How often optimizers were compared: `subject` is what they are called, `question` is what they are.
    """CREATE TABLE looks (
        number INTEGER PRIMARY KEY, question TEXT NOT NULL, subject TEXT NOT NULL, record TEXT NOT NULL
    )""",
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, in one transaction.

    Another process may do so at the same time, so the layout is read again after the write lock is taken.
    """
    if layout_version(connection) == LAYOUT_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if layout_version(connection) != LAYOUT_VERSION:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended the transaction already
            connection.execute("ROLLBACK")
        raise


def layout_version(connection: sqlite3.Connection) -> int:
    """Return the number of the file's layout; 0 for an empty file."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def application_id(connection: sqlite3.Connection) -> int:
    """Return the number of the program that owns the file; 0 for none."""
    number: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return number


def table_columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return all columns, as pairs of table and column."""
    query = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    return set(connection.execute(query))


def expected_columns() -> set[tuple[str, str]]:
    """Return the columns of a new file."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        create_tables(connection)
        return table_columns(connection)
    finally:
        connection.close()
