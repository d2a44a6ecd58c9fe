"""Creates and upgrades the tables, in numbered steps from an empty file to the newest layout.

Never change a released step: a new layout is a new step at the end.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x506C6179
"""Marks a SQLite file in its header as a store of the playground ("Play" in ASCII)."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE sweeps (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL, scenario TEXT NOT NULL,
            file TEXT NOT NULL, command TEXT NOT NULL, spec TEXT NOT NULL, axes TEXT NOT NULL,
            seeds INTEGER NOT NULL, engine TEXT NOT NULL, versions TEXT NOT NULL
        )""",
        """CREATE TABLE points (
            sweep INTEGER NOT NULL, point INTEGER NOT NULL, axes TEXT NOT NULL, PRIMARY KEY (sweep, point)
        ) WITHOUT ROWID""",
        # Arrays have a table of their own: rows of runs stay short, and counting or sorting a million of them reads
        # little.
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, seed INTEGER NOT NULL, status TEXT NOT NULL,
            verdict TEXT NOT NULL, first REAL, last REAL, best REAL, steps INTEGER NOT NULL,
            evaluations INTEGER NOT NULL, seconds REAL, engine TEXT NOT NULL, sensitive INTEGER NOT NULL,
            reason TEXT NOT NULL, metrics TEXT, layout INTEGER NOT NULL
        )""",
        "CREATE TABLE arrays (run INTEGER PRIMARY KEY, parameters BLOB, trace BLOB)",
        """CREATE TABLE layouts (
            number INTEGER PRIMARY KEY, parameters TEXT NOT NULL, trace_steps TEXT NOT NULL, metrics TEXT NOT NULL,
            UNIQUE (parameters, trace_steps, metrics)
        )""",
        # A sweep is read in the order of this primary key, so no query has to sort.
        """CREATE TABLE sweep_runs (
            sweep INTEGER NOT NULL, point INTEGER NOT NULL, seed INTEGER NOT NULL, run INTEGER NOT NULL,
            PRIMARY KEY (sweep, point, seed)
        ) WITHOUT ROWID""",
    ),
    # `sensitive` can be unknown (NULL), and `lost` marks runs whose process died, which are tried again. SQLite cannot
    # remove NOT NULL from a column, so the table is replaced.
    (
        """CREATE TABLE runs_2 (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, seed INTEGER NOT NULL, status TEXT NOT NULL,
            verdict TEXT NOT NULL, first REAL, last REAL, best REAL, steps INTEGER NOT NULL,
            evaluations INTEGER NOT NULL, seconds REAL, engine TEXT NOT NULL, sensitive INTEGER,
            reason TEXT NOT NULL, metrics TEXT, layout INTEGER NOT NULL, lost INTEGER NOT NULL
        )""",
        """INSERT INTO runs_2 SELECT number, key, seed, status, verdict, first, last, best, steps, evaluations, seconds,
            engine, nullif(sensitive, 0), reason, metrics, layout, 0 FROM runs ORDER BY number""",
        "DROP TABLE runs",
        "ALTER TABLE runs_2 RENAME TO runs",
    ),
    # `sensitive` is no longer measured. Versions of SQLite before 3.35 cannot drop a column: copy the table.
    (
        """CREATE TABLE runs_3 (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, seed INTEGER NOT NULL, status TEXT NOT NULL,
            verdict TEXT NOT NULL, first REAL, last REAL, best REAL, steps INTEGER NOT NULL,
            evaluations INTEGER NOT NULL, seconds REAL, engine TEXT NOT NULL,
            reason TEXT NOT NULL, metrics TEXT, layout INTEGER NOT NULL, lost INTEGER NOT NULL
        )""",
        """INSERT INTO runs_3 SELECT number, key, seed, status, verdict, first, last, best, steps, evaluations, seconds,
            engine, reason, metrics, layout, lost FROM runs ORDER BY number""",
        "DROP TABLE runs",
        "ALTER TABLE runs_3 RENAME TO runs",
    ),
)

LAYOUT_VERSION = len(MIGRATIONS)
"""Number of the newest layout."""


def migrate(connection: sqlite3.Connection) -> None:
    """Upgrade a file to the newest layout, in one transaction.

    Another process may upgrade it at the same time, so the layout is read again after the write lock is taken.
    """
    if layout_version(connection) == LAYOUT_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[layout_version(connection) :]:
            for statement in step:
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
    """Return the columns of a file of the newest layout."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection)
        return table_columns(connection)
    finally:
        connection.close()
