import sqlite3

import pytest

from playground.errors import StoreError
from playground.runner.store import Row, Store, SweepRecord, migrations, opening
from playground.runner.store.migrations import APPLICATION_ID, LAYOUT_VERSION, expected_columns, migrate, table_columns

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
)


def rows(count):
    return [
        Row(
            key=f"k{seed}",
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
            trace=bytes(100),
        )
        for seed in range(count)
    ]


@pytest.fixture
def file(tmp_path):
    """A store with some hundred pages."""
    with Store.open(tmp_path) as store:
        store.begin(RECORD)
        store.add("aa", rows(3000))
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
        store.add("aa", rows(10))
        Store.open(tmp_path).close()
    Store.open(tmp_path).close()
    assert asked == [False, True, False]


def test_damage_that_opening_does_not_see_is_found_where_it_is_read(tmp_path, file, monkeypatch):
    monkeypatch.setattr(opening, "MAX_CHECKED_BYTES", 0)
    content = bytearray(file.read_bytes())
    content[8 * 4096 : -4096] = b"\xff" * (len(content) - 9 * 4096)
    file.write_bytes(content)
    with Store.open(tmp_path) as store, pytest.raises(StoreError, match="is damaged"):
        list(store.rows())


def test_a_table_that_lacks_a_column(tmp_path, file):
    changed(file, "ALTER TABLE runs DROP COLUMN reason")
    refused(tmp_path, "is damaged: table 'runs' has no column 'reason'")


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / ".playground" / "results.sqlite").mkdir(parents=True)
    (tmp_path / ".playground" / ".gitignore").write_text("*\n")
    refused(tmp_path, "is a directory")


def test_a_file_in_place_of_its_folder(tmp_path):
    (tmp_path / ".playground").write_text("")
    refused(tmp_path, r"\.playground: results cannot be written there: file exists")
    refused(tmp_path, "not a directory", create=False)


def test_migrating_is_all_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "playground.runner.store.migrations.MIGRATIONS", (("CREATE TABLE a (b)", "CREATE TABEL c (d)"),)
    )
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert table_columns(connection) == set()
    connection.close()


def test_an_older_file_is_brought_forward(tmp_path, file, monkeypatch):
    from playground.runner.store import migrations

    more = (*migrations.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN energy REAL",))
    monkeypatch.setattr(migrations, "MIGRATIONS", more)
    monkeypatch.setattr(migrations, "LAYOUT_VERSION", LAYOUT_VERSION + 1)
    monkeypatch.setattr(opening, "LAYOUT_VERSION", LAYOUT_VERSION + 1)
    with Store.open(tmp_path) as store:
        assert store.tally().runs == 3000
    connection = sqlite3.connect(file)
    assert ("runs", "energy") in table_columns(connection)
    connection.close()


def test_runs_of_the_first_layout_are_kept(tmp_path):
    """Without the column `sensitive`, which newer layouts do not have."""
    folder = tmp_path / ".playground"
    folder.mkdir()
    connection = sqlite3.connect(folder / "results.sqlite", isolation_level=None)
    for statement in migrations.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO layouts VALUES (1, '[]', '[]', '[]')")
    values = "'s', 'passed', 3.0, 2.0, 1.0, 9, 11, 0.5, 'batched', ?, 'why', NULL, 1"
    for number in (1, 2):
        connection.execute(f"INSERT INTO runs VALUES (?, ?, 7, {values})", (number, f"k{number}", 0))
    connection.close()
    with Store.open(tmp_path) as store:
        found = store.known(["k1", "k2"])
    assert found.keys() == {"k1", "k2"}
    assert {(row.seed, row.first, row.steps, row.reason, row.lost) for row in found.values()} == {
        (7, 3, 9, "why", False)
    }
