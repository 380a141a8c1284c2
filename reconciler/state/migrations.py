"""The tables of an SQLite store, as numbered migrations that run once each, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from reconciler.errors import StoreFailed
from reconciler.instants import clock_text
from reconciler.state.ledger import LEDGER, Migration, older, version_in
from reconciler.state.sqlite_file import Database, copy_to

#: Marks a file as a store of ours: ``PWRC`` in SQLite's header.
APPLICATION_ID: Final = 0x50575243


FIRST: Final = Migration(
    1,
    "known state, journal, runs and lock",
    (
        """CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), lineage TEXT NOT NULL, environment TEXT NOT NULL,
            serial INTEGER NOT NULL, created_at TEXT NOT NULL, filled INTEGER NOT NULL,
            mark TEXT NOT NULL)""",
        """CREATE TABLE accounts (
            account_id TEXT PRIMARY KEY, customer_number TEXT, document TEXT NOT NULL, digest TEXT NOT NULL,
            observed_at TEXT, entry INTEGER) WITHOUT ROWID""",
        "CREATE INDEX accounts_by_observation ON accounts (observed_at)",
        """CREATE TABLE user_products (
            user_product_id TEXT NOT NULL, account_id TEXT NOT NULL,
            PRIMARY KEY (user_product_id, account_id)) WITHOUT ROWID""",
        "CREATE INDEX user_products_by_account ON user_products (account_id)",
        """CREATE TABLE journal (
            sequence INTEGER PRIMARY KEY, run_id TEXT NOT NULL, plan_id TEXT NOT NULL, step INTEGER NOT NULL,
            attempt INTEGER NOT NULL, action TEXT NOT NULL, account_id TEXT NOT NULL, product_id TEXT,
            user_product_id TEXT, customer_number TEXT, body_sha256 TEXT NOT NULL, status TEXT NOT NULL,
            at TEXT NOT NULL, http_status INTEGER, code TEXT, field TEXT, message TEXT, answered_id TEXT,
            known_after TEXT, previous TEXT NOT NULL, hash TEXT NOT NULL)""",
        "CREATE INDEX journal_by_run ON journal (run_id, sequence)",
        """CREATE TRIGGER journal_stays BEFORE DELETE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END""",
        """CREATE TRIGGER journal_as_it_was BEFORE UPDATE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END""",
        """CREATE TABLE runs (
            place INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, plan_id TEXT NOT NULL, steps_digest TEXT NOT NULL,
            environment TEXT NOT NULL, status TEXT NOT NULL, started_at TEXT NOT NULL, who TEXT NOT NULL,
            host TEXT NOT NULL, command TEXT NOT NULL, steps INTEGER NOT NULL, plan TEXT NOT NULL, ci_url TEXT,
            ended_at TEXT, exit_code INTEGER, stopped_by TEXT)""",
        """CREATE TABLE lock (
            id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, lock_id TEXT, who TEXT, host TEXT,
            process INTEGER, command TEXT, started_at TEXT, ci_url TEXT)""",
        "INSERT INTO lock (id, epoch) VALUES (1, 0)",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (FIRST,)


def version_of(database: Database) -> int:
    """The number of the last migration that made the store; 0 for a file that holds nothing yet.

    Raises `StoreFailed` for a file of another program, of a newer version, or whose migrations were others.
    """
    path = database.path
    if database.all("PRAGMA application_id") != [(APPLICATION_ID,)]:
        if not database.all("SELECT 1 FROM sqlite_master LIMIT 1"):
            return 0
        raise StoreFailed(
            f"state store {path}: it is an SQLite database of another program", hint="check the path given as --state"
        )
    done: dict[int, str] = dict(database.all("SELECT number, checksum FROM migrations ORDER BY number"))
    return version_in(done, MIGRATIONS, database.place)


def require_current(database: Database) -> None:
    """Raises `StoreFailed` unless the store has the newest schema: what reading alone may ask for."""
    version = version_of(database)
    if version < MIGRATIONS[-1].number:
        raise older(
            database.place,
            version,
            "run `reconciler state verify` where the store may be written; it migrates the store after a backup",
        )


def migrate(database: Database) -> int:
    """Bring a store to the newest schema, all in the caller's transaction; returns the version it had.

    A store that holds something is copied to a file beside it first. Raises `StoreFailed`.
    """
    version = version_of(database)
    if version == 0:
        database.all(f"PRAGMA application_id = {APPLICATION_ID}")
        database.all(LEDGER)
    elif version < MIGRATIONS[-1].number:
        _keep_backup(database, version)
    now = clock_text(datetime.now(UTC))
    for migration in MIGRATIONS:
        if migration.number > version:
            for statement in migration.statements:
                database.all(statement)
            row = (migration.number, migration.name, migration.checksum, now)
            database.all("INSERT INTO migrations VALUES (?, ?, ?, ?)", row)
    return version


def _keep_backup(database: Database, version: int) -> None:
    path = database.path
    names = (f"{path.name}.v{version}{'' if count == 1 else f'.{count}'}.bak" for count in range(1, 1000))
    target = next(target for name in names if not (target := path.with_name(name)).exists())
    # Another connection, since this one is inside the transaction that migrates.
    reader = Database(path, "ro")
    try:
        copy_to(reader, target)
    finally:
        reader.close()
