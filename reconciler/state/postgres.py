"""The store in a PostgreSQL database: for several people and runners at once.

Each environment has a schema of its own, ``reconciler_<environment>``, with its own lineage, journal and lock.
"""

# ruff: noqa: D102 -- the protocol in store.py says what each method does
from __future__ import annotations

import uuid

from reconciler.errors import InvalidInput
from reconciler.state import postgres_migrations as migrations
from reconciler.state.condition import Condition
from reconciler.state.postgres_server import Database, Server
from reconciler.state.sqlstore import SqlStore, head_of, missing


def schema_of(environment: str) -> str:
    """The name of an environment's schema: of `a-b`, ``reconciler_a_b``. No two environments share one."""
    return f"reconciler_{environment.replace('-', '_')}"


class PostgresStore(SqlStore[Database]):
    """`reconciler.state.store.Store` in a PostgreSQL database. One thread at a time may use it."""

    def __init__(self, database: Database, url: str, *, read_only: bool) -> None:
        super().__init__(database, read_only=read_only)
        self._url = url

    @classmethod
    def open(
        cls, url: str, *, shown: str, environment: str, create: bool = False, read_only: bool = False
    ) -> PostgresStore:
        """The store of ``environment`` in the database at ``url``; with ``create``, a new one if there is none.

        ``shown`` is the URL without credentials. An older store is migrated, unless ``read_only``. Raises
        `InvalidInput` if there is no store or the URL can't be read, `StoreFailed` if the store can't be used.
        """
        database = Database(Server(url, shown, schema_of(environment)))
        try:
            _prepare(database, create=create, environment=environment, read_only=read_only)
        except BaseException:
            database.close()
            raise
        return cls(database, shown, read_only=read_only)

    @property
    def url(self) -> str:
        return self._url

    def condition(self) -> Condition:
        rights = " AND ".join(
            f"has_table_privilege('{table}', '{right}')"
            for table, right in (("accounts", "INSERT"), ("journal", "INSERT"), ("runs", "INSERT"), ("lock", "UPDATE"))
        )
        clock = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        row = self._database.one(f"SELECT {rights}, pg_is_in_recovery(), {clock}")
        assert row is not None
        allowed, standby, now = row
        reason = "the server is a standby" if standby else None if allowed else "the role may only read"
        return Condition(migrations.version_of(self._database), reason, now)

    def _moment(self) -> Database:
        moment = Database(self._database.server)
        moment.hold()
        return moment


def _prepare(database: Database, *, create: bool, environment: str, read_only: bool) -> None:
    version = migrations.version_of(database)
    if version == 0 and (read_only or not create):
        raise missing(database.place)
    if read_only:
        migrations.require_current(database, version)
    elif version < migrations.MIGRATIONS[-1].number:
        migrations.migrate(database, environment, uuid.uuid4().hex)
    found = head_of(database).environment
    if environment != found:
        raise InvalidInput(
            f"the state store {database.place} is for the environment {found!r}, not for {environment!r}",
            hint="somebody renamed its schema: give it back the name of its environment",
        )
