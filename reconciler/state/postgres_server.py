"""The connection below a PostgreSQL store: how it is opened, bounded, found dead, opened again and explained.

Nothing is kept in the server's session. All that a statement relies on (schema, time-outs) is set inside its own
transaction, and nothing is prepared on the server, so a pooler may hand every transaction to another session.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.errors import InvalidInput, StoreFailed

#: How long anything waits for another process's lock, as PostgreSQL writes it.
LOCK_TIMEOUT: Final = "10s"
#: How long one statement may take. A migration, which may rewrite tables, has no such bound.
STATEMENT_TIMEOUT: Final = "60s"
#: After how long the server ends a change whose process has stopped in the middle, so that others get on.
IDLE_TIMEOUT: Final = "60s"

#: What a URL may say otherwise. Seconds, but for ``tcp_user_timeout`` (milliseconds).
_DEFAULTS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "fallback_application_name": "payway-reconciler",
}

_GRANTS: Final = "docs/state.md lists the rights that a role needs to plan, to apply and to make a store"
_AGAIN: Final = "run the command again when the server is back"

#: SQLSTATEs (their beginning), what a person calls them, and how to mend it.
_REASONS: Final = (
    ("55P03", f"another process has held it for more than {LOCK_TIMEOUT}", "try again when that is done"),
    ("57014", f"a statement took more than {STATEMENT_TIMEOUT}, or was cancelled", "try again when the server is idle"),
    ("42501", "this role lacks a right", _GRANTS),
    # A schema that a role may not use is left out where tables are looked for.
    ("42P01", "this role can't see the store's tables", _GRANTS),
    ("25006", "this server takes no changes (a standby?)", "name the primary, if need be by target_session_attrs"),
    ("53100", "the server's disk is full", "free some space; the last change didn't happen"),
    ("57P", "the server ended the connection", _AGAIN),
    ("25P03", f"the server ended a change that stood still for {IDLE_TIMEOUT}", _AGAIN),
    ("08", "the connection to the server was lost", _AGAIN),
    ("XX00", "the server reports damage", "go back to a backup made with pg_dump"),
)  # fmt: skip


class Server:
    """Where a store is: the server and database behind a URL, and the store's schema there.

    Raises `InvalidInput` for a URL that libpq can't read.
    """

    def __init__(self, url: str, place: str, schema: str) -> None:
        self.schema = schema
        self.identifier = sql.Identifier(schema).as_string()
        self.place = f"{place} (schema {schema})"
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error:
            # libpq's own words repeat parts of the URL, the password too.
            raise bad_url(place) from None
        password = str(said.get("password") or "")
        self._secrets = tuple({password, quote(password, safe="")} - {""})
        self._conninfo = make_conninfo("", **{**_DEFAULTS, **said, "client_encoding": "utf8"})

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection. Raises `StoreFailed`."""
        try:
            return psycopg.connect(
                self._conninfo, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.ClientCursor
            )
        except (psycopg.Error, UnicodeError) as error:  # the latter for a host's name that can't be one
            raise StoreFailed(
                f"state store {self.place}: the server can't be reached, or refuses the role",
                hint="check host, port, database, role and password (PGPASSWORD or ~/.pgpass), "
                "and that the server is running",
                details=[self._said(error)],
            ) from error

    def failure(self, error: psycopg.Error) -> StoreFailed:
        """What a person reads for an error of PostgreSQL."""
        state = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "")
        for code, reason, hint in _REASONS:
            if state.startswith(code):
                return StoreFailed(f"state store {self.place}: {reason}", hint=hint, details=[self._said(error)])
        return StoreFailed(
            f"state store {self.place}: the server refuses a statement",
            hint="`reconciler state verify` looks for damage",
            details=[self._said(error)],
        )

    def _said(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return f"PostgreSQL says: {text}"


class Database:
    """One connection to a server. Outside of a transaction a connection that was lost is made anew.

    It is closed when nobody refers to it any more, if not before. One thread at a time may use it.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.in_transaction = False
        self._connection = server.connect()
        self._finalizer = weakref.finalize(self, self._connection.close)
        self._bounds = (
            f"SET LOCAL search_path = {server.identifier}, pg_temp; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; "
        )
        self._timeout = f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; "

    @property
    def place(self) -> str:
        """The server, database and schema, without credentials."""
        return self.server.place

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement, which reads only if no transaction is under way. Raises `StoreFailed`."""
        if self.in_transaction:
            return _rows(self._run(sql, values))
        # One message to the server and one answer, like a statement alone.
        reading = f"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {self._bounds}{self._timeout}{sql}; COMMIT"
        try:
            return _rows(self._begin(reading, values))
        finally:
            self._rollback()

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a statement. Raises `StoreFailed`."""
        rows = self.all(sql, values)
        return rows[0] if rows else None

    def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements that give no rows, each with its values, inside a transaction. Raises `StoreFailed`."""
        # All in one message: over a network, the number of messages is what takes time.
        self._run("; ".join(sql for sql, _ in statements), [value for _, values in statements for value in values])

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that gives no rows once for each of ``rows``, inside a transaction. Raises `StoreFailed`."""
        if rows:
            self.run([(sql, values) for values in rows])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that has the store for itself from the start, and ends durable or not at all.

        Whoever changes a store has its one row in ``lock`` locked first, so changes come one after another.
        """
        durable = (
            f"SET LOCAL synchronous_commit = on; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'; "
        )
        first = "SELECT id FROM lock WHERE id = 1 FOR UPDATE"
        with self._block(f"{self._bounds}{self._timeout}{durable}{first}") as rows:
            if rows != [(1,)]:
                raise StoreFailed(
                    f"state store {self.place}: its lock's row is missing",
                    hint="somebody altered it outside the program: go back to a backup",
                )
            yield

    @contextmanager
    def remaking(self) -> Iterator[None]:
        """A transaction for making or migrating the tables, as long as it may take."""
        with self._block(f"{self._bounds}SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on"):
            yield

    def hold(self) -> None:
        """Keep this connection to one moment: from the next statement on, it sees the store as it was then."""
        self._begin(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._bounds}{self._timeout}")
        self.in_transaction = True

    def close(self) -> None:
        """Give the connection back; nothing happens if that was done before."""
        self._finalizer()

    @contextmanager
    def _block(self, setting: str) -> Iterator[list[tuple[Any, ...]]]:
        try:
            begun = self._begin(f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {setting}")
            self.in_transaction = True
            yield _rows(begun)
            self._commit()
        finally:
            self.in_transaction = False
            self._rollback()

    def _begin(self, statements: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        """Run what begins a transaction; once more on a new connection if this one turns out to be dead.

        Nothing can have happened by then: a server that restarts, or a firewall that forgot us while a call to
        Payway took its time, is no reason to stop.
        """
        try:
            return self._execute(statements, values)
        except psycopg.OperationalError as error:
            if not self._connection.closed:
                self._fail(error)
        except psycopg.Error as error:
            self._fail(error)
        self.close()
        self._connection = self.server.connect()
        self._finalizer = weakref.finalize(self, self._connection.close)
        return self._run(statements, values)

    def _run(self, statements: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        try:
            return self._execute(statements, values)
        except psycopg.Error as error:
            self._fail(error)

    def _execute(self, statements: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
        # Values are bound here and not by the server, which leaves nothing prepared behind.
        text = statements.replace("?", "%s").encode()
        return self._connection.execute(text, tuple(values) or None)

    def _commit(self) -> None:
        try:
            ended = self._execute("COMMIT", ()).statusmessage
        except psycopg.Error as error:
            if not self._connection.closed:
                self._fail(error)
            raise StoreFailed(
                f"state store {self.place}: the connection was lost while a change was committed, "
                "so it may have happened or not",
                hint=f"{_AGAIN}; the journal tells what has happened",
                details=self.server.failure(error).details,
            ) from error
        if ended != "COMMIT":
            # A statement had failed and somebody went on all the same: the server has taken everything back.
            raise StoreFailed(f"state store {self.place}: a change was taken back by the server", hint="this is a bug")

    def _rollback(self) -> None:
        """End a transaction that is still open, whatever state it is in."""
        connection = self._connection
        if connection.closed or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            return
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")
            return
        connection.close()

    def _fail(self, error: psycopg.Error) -> NoReturn:
        raise self.server.failure(error) from error


def bad_url(place: str) -> InvalidInput:
    """The refusal for a URL that can't be read; ``place`` is what of it may be shown."""
    return InvalidInput(
        f"the URL of the state store at {place} can't be read",
        hint="write it as postgresql://USER@HOST:PORT/DATABASE, with %XX for special characters "
        "(%40 for @, %2F for /); a password is better kept in PGPASSWORD or ~/.pgpass",
    )


def _rows(cursor: psycopg.Cursor[Any]) -> list[tuple[Any, ...]]:
    """The rows of the one statement in ``cursor`` that gives any."""
    while cursor.description is None:
        if not cursor.nextset():
            return []
    return cursor.fetchall()
