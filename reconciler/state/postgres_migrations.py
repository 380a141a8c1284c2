"""The tables of a PostgreSQL store, as numbered migrations that run once each, in one transaction.

They are those of SQLite, in PostgreSQL's dialect. Ids and times compare by their bytes, whatever the database's
language is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from reconciler.errors import StoreFailed
from reconciler.instants import clock_text
from reconciler.state.ledger import LEDGER, Migration, older, version_in
from reconciler.state.postgres_server import Database

FIRST: Final = Migration(
    1,
    "known state, journal, runs and lock",
    (
        """CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), lineage TEXT NOT NULL, environment TEXT NOT NULL,
            serial BIGINT NOT NULL, created_at TEXT NOT NULL, filled INTEGER NOT NULL,
            mark TEXT NOT NULL)""",
        """CREATE TABLE accounts (
            account_id TEXT COLLATE "C" PRIMARY KEY, customer_number TEXT, document TEXT NOT NULL,
            digest TEXT NOT NULL, observed_at TEXT COLLATE "C", entry BIGINT)""",
        "CREATE INDEX accounts_by_observation ON accounts (observed_at)",
        """CREATE TABLE user_products (
            user_product_id TEXT COLLATE "C" NOT NULL, account_id TEXT COLLATE "C" NOT NULL,
            PRIMARY KEY (user_product_id, account_id))""",
        "CREATE INDEX user_products_by_account ON user_products (account_id)",
        """CREATE TABLE journal (
            sequence BIGINT PRIMARY KEY, run_id TEXT NOT NULL, plan_id TEXT NOT NULL, step INTEGER NOT NULL,
            attempt INTEGER NOT NULL, action TEXT NOT NULL, account_id TEXT NOT NULL, product_id TEXT,
            user_product_id TEXT, customer_number TEXT, body_sha256 TEXT NOT NULL, status TEXT NOT NULL,
            at TEXT NOT NULL, http_status INTEGER, code TEXT, field TEXT, message TEXT, answered_id TEXT,
            known_after TEXT, previous TEXT NOT NULL, hash TEXT NOT NULL)""",
        "CREATE INDEX journal_by_run ON journal (run_id, sequence)",
        """CREATE FUNCTION journal_only_grows() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''the journal only grows''; END'""",
        """CREATE TRIGGER journal_stays BEFORE DELETE OR UPDATE OR TRUNCATE ON journal
            FOR EACH STATEMENT EXECUTE FUNCTION journal_only_grows()""",
        """CREATE TABLE runs (
            place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, plan_id TEXT NOT NULL,
            steps_digest TEXT NOT NULL, environment TEXT NOT NULL, status TEXT NOT NULL, started_at TEXT NOT NULL,
            who TEXT NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL, steps INTEGER NOT NULL, plan TEXT NOT NULL,
            ci_url TEXT, ended_at TEXT, exit_code INTEGER, stopped_by TEXT)""",
        """CREATE TABLE lock (
            id INTEGER PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL, lock_id TEXT, who TEXT, host TEXT,
            process BIGINT, command TEXT, started_at TEXT, ci_url TEXT)""",
        "INSERT INTO lock (id, epoch) VALUES (1, 0)",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (FIRST,)

#: SQLSTATEs of somebody else having made the same schema, table or row at the same moment.
_OVERTAKEN: Final = frozenset({"23505", "42P06", "42P07"})


def version_of(database: Database) -> int:
    """The number of the last migration that made the store; 0 if its schema isn't there, or empty.

    Raises `StoreFailed` for a schema of another program, of a newer version, or whose migrations were others.
    """
    # The catalogue can be read without any right to the schema, so that lacking one is told as such.
    tables = {
        name
        for (name,) in database.all(
            "SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND relnamespace = "
            "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ?)",
            (database.server.schema,),
        )
    }
    if not tables:
        return 0
    if "migrations" not in tables:
        raise StoreFailed(
            f"state store {database.place}: the schema holds tables of another program",
            hint="check the database in the URL; a store makes and keeps a schema of its own",
        )
    done: dict[int, str] = dict(database.all("SELECT number, checksum FROM migrations"))
    return version_in(done, MIGRATIONS, database.place)


def require_current(database: Database, version: int) -> None:
    """Raises `StoreFailed` unless the store has the newest schema: what reading alone may ask for."""
    if version < MIGRATIONS[-1].number:
        raise older(
            database.place,
            version,
            "back it up with pg_dump, then migrate it: run `reconciler state verify` as the role that owns the schema",
        )


def migrate(database: Database, environment: str, lineage: str) -> None:
    """Bring a store to the newest schema, or make it, in one transaction. Raises `StoreFailed`.

    Of several processes that do so at once, one does it and the others find it done.
    """
    try:
        _migrate(database, environment, lineage)
    except StoreFailed as error:
        if getattr(error.__cause__, "sqlstate", None) not in _OVERTAKEN:
            raise
        _migrate(database, environment, lineage)


def _migrate(database: Database, environment: str, lineage: str) -> None:
    with database.remaking():
        version = version_of(database)
        if version > 0:
            # Both wait: for another migration, and for the change that is under way.
            database.all("LOCK TABLE migrations IN SHARE ROW EXCLUSIVE MODE")
            database.all("SELECT id FROM lock FOR UPDATE")
            version = version_of(database)
        else:
            _make_schema(database)
            database.all(LEDGER)
        now = clock_text(datetime.now(UTC))
        for migration in MIGRATIONS:
            if migration.number > version:
                for statement in migration.statements:
                    database.all(statement)
                row = (migration.number, migration.name, migration.checksum, now)
                database.all("INSERT INTO migrations VALUES (?, ?, ?, ?)", row)
        if version == 0:
            database.all("INSERT INTO meta VALUES (1, ?, ?, 0, ?, 0, ?)", (lineage, environment, now, lineage))


def _make_schema(database: Database) -> None:
    encoding = database.all("SHOW server_encoding")
    if encoding != [("UTF8",)]:
        raise StoreFailed(
            f"state store {database.place}: the database keeps text as {encoding[0][0]}, not as UTF-8",
            hint="make one with `createdb --encoding=UTF8 --template=template0`",
        )
    # An administrator may have made the schema for a role that can't.
    server = database.server
    if not database.all("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", (server.schema,)):
        database.all(f"CREATE SCHEMA {server.identifier}")
