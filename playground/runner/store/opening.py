"""Opens the store; a foreign, newer or damaged file is refused and not changed."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playground.errors import StoreError
from playground.runner.store.layout import (
    APPLICATION_ID,
    LAYOUT_VERSION,
    application_id,
    create_tables,
    expected_columns,
    layout_version,
    table_columns,
)

MAGIC = b"SQLite format 3\x00"

LOCK_TIMEOUT_SECONDS = 30.0
"""Seconds to wait for another process that writes; writing a chunk takes less than 0.1 s."""

MAX_CHECKED_BYTES = 32 * 2**20
"""A file up to this size is checked page by page at every opening, in at most 60 ms. A larger file (2 ms per MB) is
checked only if a write-ahead log shows that it was not closed properly; other damage is found when a page is read."""

SQLITE_REASONS = {
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {LOCK_TIMEOUT_SECONDS:.0f} s",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_READONLY: "cannot be written: the file or its folder is read-only",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full; what had been written before is kept",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; may files be written in its folder?",
    sqlite3.SQLITE_CORRUPT: "is damaged; nothing was changed in it: move it away to begin a new one",
    sqlite3.SQLITE_NOTADB: "is no SQLite file, or its beginning is damaged; nothing was changed in it: move it away",
}
"""Messages for failures that users can repair, by SQLite's primary result code. Other codes are bugs and are raised."""


def store_path(folder: Path, name: str = "results") -> Path:
    """Return the absolute path of a store of a working directory.

    :param name: `results` for sweeps.
    """
    return folder.absolute() / ".playground" / f"{name}.sqlite"


@contextmanager
def translate_store_errors(path: Path) -> Iterator[None]:
    """Turn SQLite errors and invalid JSON into one-line errors.

    :raises StoreError: for an error in `SQLITE_REASONS`, or stored JSON that cannot be read.
    """
    try:
        yield
    except json.JSONDecodeError as error:
        raise StoreError(f"{path}: {SQLITE_REASONS[sqlite3.SQLITE_CORRUPT]}") from error
    except sqlite3.Error as error:
        reason = SQLITE_REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if reason is None:
            raise
        raise StoreError(f"{path}: {reason}") from error


def connect(path: Path, create: bool) -> sqlite3.Connection:
    """Open the file.

    :param create: create a missing file and its folder, which git ignores.
    :raises StoreError: the file is missing, damaged, of another layout or another program, or not accessible.
    """
    if create:
        _make_folder(path.parent)
    _check_header(path, create)
    unclean = _file_size(path.with_name(path.name + "-wal")) > 0
    fixed = not (create or unclean or _is_writable(path))
    with translate_store_errors(path):
        # A file on a read-only disk has no write-ahead log and cannot change, which `immutable` tells SQLite.
        name = f"{path.resolve().as_uri()}?immutable=1" if fixed else path
        connection = sqlite3.connect(name, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, uri=fixed)
        try:
            _check_database(connection, path, thoroughly=unclean or _file_size(path) <= MAX_CHECKED_BYTES)
            if not fixed or layout_version(connection) != LAYOUT_VERSION:
                _configure(connection)
            _check_tables(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _make_folder(folder: Path) -> None:
    """Create the folder and a `.gitignore` for all its files; an existing `.gitignore` is kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: results cannot be written there: {_error_text(error)}") from error


def _check_header(path: Path, create: bool) -> None:
    """Refuse files that are not SQLite files before SQLite opens them; an empty file is a new store."""
    try:
        with path.open("rb") as file:
            beginning = file.read(len(MAGIC))
    except FileNotFoundError:
        if create:
            return
        raise StoreError(
            f"{path}: there are no results yet; `playground sweep` writes them below the directory it runs in"
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: {_error_text(error)}") from error
    if beginning not in (b"", MAGIC):
        raise StoreError(f"{path}: {SQLITE_REASONS[sqlite3.SQLITE_NOTADB]}")


def _check_database(connection: sqlite3.Connection, path: Path, thoroughly: bool) -> None:
    connection.execute("BEGIN")  # one snapshot, while another process may be creating the tables
    found = layout_version(connection)
    if application_id(connection) != APPLICATION_ID and (found or table_columns(connection)):
        raise StoreError(f"{path}: belongs to another program; nothing was changed in it: move it away")
    if found > LAYOUT_VERSION:
        raise StoreError(
            f"{path}: was written by a newer playground (layout {found}, this one knows up to {LAYOUT_VERSION}); "
            "upgrade gradient-playground, or move the file away"
        )
    if 0 < found < LAYOUT_VERSION:
        raise StoreError(
            f"{path}: was written by an older playground (layout {found}, this one reads {LAYOUT_VERSION}); "
            "move the file away and sweep again"
        )
    if thoroughly and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise StoreError(f"{path}: {SQLITE_REASONS[sqlite3.SQLITE_CORRUPT]}")
    connection.execute("COMMIT")


def _configure(connection: sqlite3.Connection) -> None:
    """Configure a connection, and create the tables in an empty file.

    With these settings a killed process loses nothing, and a power failure at most the last transactions.
    """
    _enable_write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    create_tables(connection)


def _enable_write_ahead(connection: sqlite3.Connection) -> None:
    """Enable the write-ahead log, with which readers and one writer work concurrently.

    SQLite does not wait for a lock in this statement, so this function does.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    end = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    missing = expected_columns() - table_columns(connection)
    if missing:
        table, column = min(missing)
        raise StoreError(f"{path}: is damaged: table {table!r} has no column {column!r}; move the file away")


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _error_text(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
