import os
import sqlite3
from dataclasses import replace

import pytest

from playground.errors import StoreError
from playground.runner.store import Row, SeedSet, Store, SweepRecord, layout, opening, tabulate_rows
from playground.runner.store.layout import (
    APPLICATION_ID,
    LAYOUT_VERSION,
    create_tables,
    expected_columns,
    table_columns,
)

RECORD = SweepRecord(
    id="aa",
    created="2026",
    scenario="s",
    file="s.yaml",
    command="",
    spec={},
    axes=[],
    points=[{}],
    seeds=1,
    engine="batched",
    versions={},
    keys=["k"],
    seed_set=SeedSet.of(range(3000)),
)


def rows(count):
    return [
        Row(
            key=f"k-{seed}",
            point=0,
            seed=seed,
            status="budget",
            verdict="none",
            first=1,
            last=1,
            best=1,
            steps=1,
            evaluations=1,
            seconds=1,
            engine="batched",
            trace=os.urandom(400),
        )
        for seed in range(count)
    ]


@pytest.fixture
def file(tmp_path):
    """A store with some hundred pages."""
    with Store.open(tmp_path) as store:
        store.begin(RECORD)
        store.add("aa", tabulate_rows(rows(3000)))
    return tmp_path / ".playground" / "results.sqlite"


def changed(file, statement):
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


def refused(folder, message, create=True):
    """Opening fails with one line, and every file stays as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match=message) as caught:
        Store.open(folder, create)
    assert len(str(caught.value).splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_it_is_made_with_a_folder_that_git_ignores(tmp_path):
    Store.open(tmp_path / "deep").close()
    folder = tmp_path / "deep" / ".playground"
    assert (folder / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "results.sqlite"]


def test_a_gitignore_that_is_there_is_kept(tmp_path):
    (tmp_path / ".playground").mkdir()
    (tmp_path / ".playground" / ".gitignore").write_text("*.tmp\n")
    Store.open(tmp_path).close()
    assert (tmp_path / ".playground" / ".gitignore").read_text() == "*.tmp\n"


def test_it_says_what_it_is(file):
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA user_version").fetchone() == (LAYOUT_VERSION,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert table_columns(connection) == expected_columns()
    connection.close()


def test_an_empty_file_is_a_store_that_was_never_written_to(tmp_path):
    (tmp_path / ".playground").mkdir()
    (tmp_path / ".playground" / "results.sqlite").touch()
    with Store.open(tmp_path) as store:
        assert store.sweeps() == []


def test_reading_makes_nothing(tmp_path):
    refused(
        tmp_path,
        "there are no results yet; `playground sweep` writes them below the directory it runs in",
        create=False,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_newer_file(tmp_path, file):
    changed(file, f"PRAGMA user_version = {LAYOUT_VERSION + 2}")
    refused(
        tmp_path,
        rf"written by a newer playground \(layout {LAYOUT_VERSION + 2}, this one knows up to {LAYOUT_VERSION}\)",
    )


def test_a_text_file_in_its_place(tmp_path):
    (tmp_path / ".playground").mkdir()
    (tmp_path / ".playground" / "results.sqlite").write_text("my notes\n" * 100)
    (tmp_path / ".playground" / ".gitignore").write_text("*\n")
    refused(tmp_path, "is no SQLite file, or its beginning is damaged")


def test_the_file_of_another_program(tmp_path, file):
    file.unlink()
    changed(file, "CREATE TABLE bookmarks (url TEXT)")
    refused(tmp_path, "belongs to another program")


def test_a_file_that_was_cut_off(tmp_path, file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refused(tmp_path, "is damaged; nothing was changed in it: move it away to begin a new one")


def test_a_page_that_was_overwritten(tmp_path, file):
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    file.write_bytes(content)
    refused(tmp_path, "is damaged")


def test_a_large_file_is_checked_when_it_was_not_closed(tmp_path, file, monkeypatch):
    monkeypatch.setattr(opening, "MAX_CHECKED_BYTES", 0)
    asked = []
    check = opening._check_database
    monkeypatch.setattr(
        opening, "_check_database", lambda *a, thoroughly: asked.append(thoroughly) or check(*a, thoroughly)
    )
    with Store.open(tmp_path) as store:
        store.add("aa", tabulate_rows(rows(10)))
        Store.open(tmp_path).close()
    Store.open(tmp_path).close()
    assert asked == [False, True, False]


def test_damage_that_opening_does_not_see_is_found_where_it_is_read(tmp_path, file, monkeypatch):
    monkeypatch.setattr(opening, "MAX_CHECKED_BYTES", 0)
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        Store.open(tmp_path).rows()


def test_a_table_that_lacks_a_column(tmp_path, file):
    changed(file, "ALTER TABLE chunks DROP COLUMN engine")
    refused(tmp_path, "is damaged: table 'chunks' has no column 'engine'")


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / ".playground" / "results.sqlite").mkdir(parents=True)
    (tmp_path / ".playground" / ".gitignore").write_text("*\n")
    refused(tmp_path, "is a directory")


def test_a_file_in_place_of_its_folder(tmp_path):
    (tmp_path / ".playground").write_text("")
    refused(tmp_path, r"\.playground: results cannot be written there: file exists")
    refused(tmp_path, "not a directory", create=False)


def test_tables_are_created_all_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_TABLES", ("CREATE TABLE a (b)", "CREATE TABEL c (d)"))
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        create_tables(connection)
    assert table_columns(connection) == set()
    connection.close()


@pytest.mark.parametrize("version", range(1, LAYOUT_VERSION))
def test_an_older_file_is_refused_with_what_to_do(tmp_path, file, version):
    changed(file, f"PRAGMA user_version = {version}")
    message = (
        rf"written by an older playground \(layout {version}, this one reads {LAYOUT_VERSION}\); move the file away"
    )
    refused(tmp_path, message)
    refused(tmp_path, message, create=False)


def test_a_flipped_byte_is_named_and_costs_one_chunk(tmp_path, file):
    """The other chunks are read, and what is left out counts as missing, so that a sweep computes it again."""
    with Store.open(tmp_path) as store:
        store.begin(replace(RECORD, id="bb", keys=["other"]))
        store.add("bb", tabulate_rows([replace(row, key=row.key.replace("k", "other")) for row in rows(3000)]))
    content = bytearray(file.read_bytes())
    with Store.open(tmp_path) as store:
        data = store._connection.execute("SELECT data FROM columns WHERE chunk = 1 AND name = 'trace'").fetchone()[0]
    place = content.index(data[100_000:100_100]) + 50  # amid the losses
    content[place] ^= 1
    file.write_bytes(content)
    with Store.open(tmp_path) as store:
        assert store.tally("aa").runs == 3000  # which reads no losses
        assert [len(list(store.rows(name))) for name in ("aa", "bb")] == [0, 3000]
        (sentence,) = store.damaged.values()
        assert sentence == f"{file}: chunk 1 is damaged (trace): its 3,000 runs"
        assert store.stored_seeds(["k", "other"]) == {"other": RECORD.seed_set}
        store.add("aa", tabulate_rows(rows(3000)))
    with Store.open(tmp_path) as store:
        assert len(list(store.rows("aa"))) == 3000
        assert store.damaged == {}


@pytest.mark.parametrize("column", ["constants", "engine"])
def test_a_damaged_head_costs_its_chunk(tmp_path, file, column):
    changed(file, f"UPDATE chunks SET {column} = replace({column}, 'e', 'f')")
    with Store.open(tmp_path) as store:
        assert store.tally("aa").runs == 0
        assert "chunk 1 is damaged (its head)" in store.damaged[1]


def test_a_clock_that_was_set_back_changes_nothing(tmp_path, file):
    """What is newest is told by its number, not by a time."""
    with Store.open(tmp_path) as store:
        store.begin(replace(RECORD, id="bb", created="1970"))
        store.add("bb", tabulate_rows([replace(row, last=7) for row in rows(10)]))
        lasts = store.columns(["last"], "aa")["last"]
        assert (lasts[:10].tolist(), lasts[10:].max()) == ([7] * 10, 1)
        assert [sweep.id for sweep in store.sweeps()] == ["aa", "bb"]


def test_a_read_only_file_is_read_and_not_written(tmp_path, file, monkeypatch):
    """A file on a read-only disk, which SQLite cannot write a log beside."""
    before = file.read_bytes()
    monkeypatch.setattr(opening, "_is_writable", lambda path: False)
    with Store.open(tmp_path, create=False) as store:
        assert len(list(store.rows("aa"))) == 3000
        assert store.stored_seeds(["k"]) == {"k": RECORD.seed_set}
        with pytest.raises(StoreError, match="cannot be written: the file or its folder is read-only"):
            store.add("aa", tabulate_rows(rows(1)))
    assert file.read_bytes() == before
