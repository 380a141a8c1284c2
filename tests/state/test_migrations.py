"""How a store comes to its tables, and what happens to one of another age."""

import sqlite3
from dataclasses import replace

import pytest

from reconciler.errors import StoreFailed
from reconciler.state import migrations
from reconciler.state.migrations import FIRST, MIGRATIONS, Migration
from reconciler.state.sqlite import SqliteStore
from reconciler.state.sqlite_file import Database

SECOND = Migration(2, "a note for each account", ("ALTER TABLE accounts ADD COLUMN note TEXT",))
BROKEN = Migration(2, "half of it fails", ("ALTER TABLE accounts ADD COLUMN note TEXT", "CREATE TABLE meta (x)"))


@pytest.fixture
def path(tmp_path, make):
    path = tmp_path / "stage.db"
    store = SqliteStore.open(path, create=True, environment="stage")
    with store.change() as change:
        change.put_account(make.account("a1"))
    store.close()
    return path


@pytest.fixture
def newer(monkeypatch):
    """A program that knows one more migration."""

    def know(*more):
        monkeypatch.setattr(migrations, "MIGRATIONS", (FIRST, *more))

    return know


def columns(path):
    database = sqlite3.connect(path)
    names = [row[1] for row in database.execute("PRAGMA table_info(accounts)")]
    database.close()
    return names


def test_migrations_are_numbered_without_gaps():
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_released_migration_is_never_edited():
    # If this fails, a released migration was changed: take that back and add a new one instead.
    assert FIRST.checksum == "sha256:69bee130fe197b3859c563cd720051426d35747034c38987c70c0abc60bb766e"


def test_an_older_store_is_migrated_after_a_backup(path, newer, make):
    newer(SECOND)
    store = SqliteStore.open(path, environment="stage")
    assert list(store.view().accounts()) == [make.account("a1")]
    store.close()
    assert "note" in columns(path)
    [backup] = path.parent.glob("*.bak")
    assert backup.name == "stage.db.v1.bak"
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "note" not in columns(backup)
    SqliteStore.open(path, environment="stage").close()
    assert len(list(path.parent.glob("*.bak"))) == 1


def test_a_migration_that_fails_leaves_the_store_as_it_was(path, newer, make):
    newer(BROKEN)
    for _ in range(2):
        with pytest.raises(StoreFailed):
            SqliteStore.open(path, environment="stage")
        assert "note" not in columns(path)
    assert sorted(each.name for each in path.parent.glob("*.bak")) == ["stage.db.v1.2.bak", "stage.db.v1.bak"]
    newer()
    store = SqliteStore.open(path, environment="stage")
    assert list(store.view().accounts()) == [make.account("a1")]
    store.close()


def test_reading_an_older_store_changes_nothing(path, newer):
    newer(SECOND)
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="older schema"):
        SqliteStore.open(path, environment="stage", read_only=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_store_is_refused(path, newer, read_only):
    newer(SECOND)
    SqliteStore.open(path, environment="stage").close()
    newer()
    with pytest.raises(StoreFailed, match=r"newer version \(schema 2, this one knows 1\)") as refused:
        SqliteStore.open(path, environment="stage", read_only=read_only)
    assert "upgrade" in refused.value.hint


def test_a_store_made_by_altered_migrations_is_refused(path, monkeypatch):
    monkeypatch.setattr(migrations, "MIGRATIONS", (replace(FIRST, name="something else"),))
    with pytest.raises(StoreFailed, match="isn't the one that this version knows"):
        SqliteStore.open(path, environment="stage")


def test_a_store_that_died_while_it_was_made_is_made_again(tmp_path):
    path = tmp_path / "stage.db"
    path.touch()
    database = Database(path, "rw")
    database.all("PRAGMA journal_mode = WAL")
    database.close()
    assert path.stat().st_size > 0
    store = SqliteStore.open(path, create=True, environment="stage")
    assert store.head().serial == 0
    store.close()
