"""The store in one SQLite file: for one person, one machine, or a runner with a disk that stays."""

# ruff: noqa: D102 -- the protocol in store.py says what each method does
from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from reconciler.canonical import digest_bytes
from reconciler.errors import InvalidInput, StoreFailed
from reconciler.instants import clock_text
from reconciler.model import KnownAccount, KnownHead, KnownView
from reconciler.state import locking, migrations, sqlite_file
from reconciler.state.accounts import arranged, decoded, encoded, user_product_ids
from reconciler.state.sqlite_file import Database
from reconciler.state.store import CHAIN_START, Change, Holder, JournalEntry, Lock, Run

_ENTRY_FIELDS: Final = tuple(f.name for f in fields(JournalEntry))
_RUN_FIELDS: Final = tuple(f.name for f in fields(Run))
_HOLDER_FIELDS: Final = tuple(f.name for f in fields(Holder))

# Built from the names of our own dataclasses, never from data.
_ENTRIES: Final = f"SELECT {', '.join(_ENTRY_FIELDS)} FROM journal"  # noqa: S608
_ADD_ENTRY: Final = f"INSERT INTO journal ({', '.join(_ENTRY_FIELDS)}) VALUES ({', '.join('?' for _ in _ENTRY_FIELDS)})"  # noqa: S608
_RUNS: Final = f"SELECT {', '.join(_RUN_FIELDS)} FROM runs ORDER BY place"  # noqa: S608
_PUT_RUN: Final = (
    f"INSERT INTO runs ({', '.join(_RUN_FIELDS)}) VALUES ({', '.join('?' for _ in _RUN_FIELDS)}) "  # noqa: S608
    f"ON CONFLICT (run_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _RUN_FIELDS)}"
)
_ACCOUNTS: Final = "SELECT account_id, document, observed_at FROM accounts"
_LOCK: Final = f"SELECT epoch, {', '.join(_HOLDER_FIELDS)} FROM lock"  # noqa: S608
_SET_LOCK: Final = f"UPDATE lock SET epoch = ?, {', '.join(f'{name} = ?' for name in _HOLDER_FIELDS)}"  # noqa: S608
_FREE: Final = (None,) * len(_HOLDER_FIELDS)

_PAGE: Final = 1000


class SqliteStore:
    """`reconciler.state.store.Store` in an SQLite file. One thread at a time may use it."""

    def __init__(self, database: Database, path: Path, *, read_only: bool) -> None:
        self._database = database
        self._path = path
        self._read_only = read_only
        self._moments: WeakSet[Database] = WeakSet()

    @classmethod
    def open(
        cls, path: Path | str, *, create: bool = False, environment: str | None, read_only: bool = False
    ) -> SqliteStore:
        """The store in the file at ``path``; with ``create``, a new one if there is none.

        ``environment`` is checked against the store's, unless it is ``None``. An older store is migrated,
        unless ``read_only``. Raises `InvalidInput` if there is no store or it is another environment's,
        `StoreFailed` if the file can't be used.
        """
        path = Path(path)
        sqlite_file.refuse_network(path)
        if not sqlite_file.is_there(path):
            if not create or read_only:
                raise missing(str(path))
            if environment is None:
                raise InvalidInput(f"a new state store at {path} needs an environment", hint="name it with -e")
            sqlite_file.create(path)
        database = sqlite_file.open_for_reading(path) if read_only else Database(path, "rw")
        try:
            _prepare(database, create=create, environment=environment, read_only=read_only)
        except BaseException:
            database.close()
            raise
        return cls(database, path, read_only=read_only)

    @property
    def url(self) -> str:
        return f"sqlite:///{self._path}"

    def head(self) -> KnownHead:
        return _head(self._database)

    def is_filled(self) -> bool:
        return self._database.all("SELECT filled FROM meta") == [(1,)]

    def view(self) -> KnownView:
        # A connection of its own, in a read transaction that lasts as long as the view is in use.
        moment = sqlite_file.open_for_reading(self._path) if self._read_only else Database(self._path, "ro")
        moment.all("BEGIN")
        self._moments.add(moment)

        def accounts() -> Iterator[KnownAccount]:
            rows = moment.rows(f"{_ACCOUNTS} ORDER BY account_id")
            return (_decoded(moment, row) for row in rows)

        def account_of(user_product_id: str) -> str | None:
            sql = "SELECT min(account_id) FROM user_products WHERE user_product_id = ?"
            row = moment.one(sql, (user_product_id,))
            return row[0] if row is not None else None

        return KnownView(_head(moment), accounts, account_of)

    def account(self, account_id: str) -> KnownAccount | None:
        return _account(self._database, account_id)

    @contextmanager
    def change(self, fence: Lock | None = None) -> Iterator[Change]:
        self._refuse_reader()
        if self._database.connection.in_transaction:
            raise RuntimeError("a change is under way already")
        with self._database.transaction():
            if fence is not None and fence != (present := self.lock()):
                raise locking.lost(fence, present)
            change = _SqliteChange(self._database, self.last_entry())
            yield change
            change.finish()

    def acquire(self, holder: Holder) -> Lock:
        self._refuse_reader()
        with self._database.transaction():
            present = self.lock()
            if present is not None:
                raise locking.held(present)
            epoch = self._epoch() + 1
            self._database.all(_SET_LOCK, (epoch, *astuple(holder)))
        return Lock(holder, epoch)

    def release(self, lock: Lock) -> None:
        self._refuse_reader()
        with self._database.transaction():
            if self.lock() == lock:
                self._database.all(_SET_LOCK, (lock.epoch, *_FREE))

    def lock(self) -> Lock | None:
        row = self._database.one(_LOCK)
        return None if row is None or row[1] is None else Lock(Holder(*row[1:]), row[0])

    def break_lock(self, lock_id: str) -> Lock:
        self._refuse_reader()
        with self._database.transaction():
            broken = self.lock()
            if broken is None or broken.holder.lock_id != lock_id:
                raise locking.not_holding(lock_id, broken)
            self._database.all(_SET_LOCK, (broken.epoch + 1, *_FREE))
        return broken

    def runs(self) -> tuple[Run, ...]:
        return tuple(Run(*row) for row in self._database.all(_RUNS))

    def entries(self, run_id: str | None = None) -> Iterator[JournalEntry]:
        # Page by page, so that whoever reads may write meanwhile.
        only, values = ("", ()) if run_id is None else (" AND run_id = ?", (run_id,))
        sql = f"{_ENTRIES} WHERE sequence > ?{only} ORDER BY sequence LIMIT {_PAGE}"
        rows = self._database.all(sql, (0, *values))
        while rows:
            entries = [JournalEntry(*row) for row in rows]
            yield from entries
            rows = self._database.all(sql, (entries[-1].sequence, *values))

    def last_entry(self) -> JournalEntry | None:
        row = self._database.one(f"{_ENTRIES} ORDER BY sequence DESC LIMIT 1")
        return None if row is None else JournalEntry(*row)

    def written_by(self, account_id: str) -> int | None:
        row = self._database.one("SELECT entry FROM accounts WHERE account_id = ?", (account_id,))
        return None if row is None else row[0]

    def damage(self) -> tuple[str, ...]:
        found = [text for (text,) in self._database.all("PRAGMA integrity_check") if text != "ok"]
        for account_id, document, digest in self._database.rows("SELECT account_id, document, digest FROM accounts"):
            if digest_bytes(document.encode()) != digest:
                found.append(f"account {account_id}: what is known of it was altered outside the program")
                continue
            account = _decoded(self._database, (account_id, document, None))
            if (index := self._indexed(account_id)) != user_product_ids(account):
                found.append(f"account {account_id}: the index of user products is off ({len(index)} entries)")
        return tuple(found)

    def backup(self, target: Path) -> None:
        """Copy the store into a new file, mode 0600. Raises `StoreFailed`, also if the file exists."""
        sqlite_file.copy_to(self._database, target)

    def close(self) -> None:
        for moment in tuple(self._moments):
            moment.close()
        self._database.close()

    def _epoch(self) -> int:
        return int(self._database.all("SELECT epoch FROM lock")[0][0])

    def _indexed(self, account_id: str) -> frozenset[str]:
        sql = "SELECT user_product_id FROM user_products WHERE account_id = ?"
        return frozenset(row[0] for row in self._database.all(sql, (account_id,)))

    def _refuse_reader(self) -> None:
        if self._read_only:
            raise StoreFailed(f"state store {self._path}: it was opened for reading only", hint="this is a bug")


@dataclass(slots=True)
class _SqliteChange:
    """A change inside its transaction. ``last`` is the end of the journal's chain."""

    database: Database
    last: JournalEntry | None
    touched: set[str] = field(default_factory=set)
    written: dict[str, int] = field(default_factory=dict)

    def account(self, account_id: str) -> KnownAccount | None:
        return _account(self.database, account_id)

    def put_account(self, account: KnownAccount) -> None:
        account = arranged(account)
        account_id = account.account_id
        number = account.customer_number if isinstance(account.customer_number, str) else None
        row = (account_id, number, *encoded(account), account.observed_at)
        self.database.all("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, NULL)", row)
        self._index(account_id, user_product_ids(account))
        self.touched.add(account_id)

    def remove_account(self, account_id: str) -> None:
        if self.account(account_id) is not None:
            self.database.all("DELETE FROM accounts WHERE account_id = ?", (account_id,))
            self._index(account_id, frozenset())
            self.touched.add(account_id)

    def append(self, entry: JournalEntry) -> JournalEntry:
        sequence, previous = (1, CHAIN_START) if self.last is None else (self.last.sequence + 1, self.last.hash)
        self.last = entry.chained(sequence, previous)
        self.database.all(_ADD_ENTRY, astuple(self.last))
        self.written[entry.account_id] = sequence
        return self.last

    def put_run(self, run: Run) -> None:
        self.database.all(_PUT_RUN, astuple(run))

    def mark_filled(self) -> None:
        self.database.all("UPDATE meta SET filled = 1")

    def finish(self) -> None:
        """What a change means for the whole store, before it counts."""
        if self.touched:
            self.database.all("UPDATE meta SET serial = serial + 1")
        for account_id in self.touched & self.written.keys():
            row = (self.written[account_id], account_id)
            self.database.all("UPDATE accounts SET entry = ? WHERE account_id = ?", row)

    def _index(self, account_id: str, ids: frozenset[str]) -> None:
        self.database.all("DELETE FROM user_products WHERE account_id = ?", (account_id,))
        for user_product_id in sorted(ids):
            self.database.all("INSERT INTO user_products VALUES (?, ?)", (user_product_id, account_id))


def missing(place: str) -> InvalidInput:
    """The refusal for a store that isn't there or was never filled."""
    return InvalidInput(
        f"there is no known state at {place}",
        hint="fill it with `reconciler state import FILE`, or start empty on purpose with `reconciler state init`",
    )


def _prepare(database: Database, *, create: bool, environment: str | None, read_only: bool) -> None:
    version = migrations.version_of(database)
    if version == 0 and not create:
        raise missing(str(database.path))
    if read_only:
        migrations.require_current(database)
    else:
        sqlite_file.make_durable(database)  # only now, since a foreign file must stay as it is
    if not read_only and version < migrations.MIGRATIONS[-1].number:
        with database.transaction():
            if migrations.migrate(database) == 0:
                row: tuple[Any, ...] = (uuid.uuid4().hex, environment, clock_text(datetime.now(UTC)))
                database.all("INSERT INTO meta VALUES (1, ?, ?, 0, ?, 0)", row)
    found = _head(database).environment
    if environment is not None and environment != found:
        raise InvalidInput(
            f"the state store {database.path} is for the environment {found!r}, not for {environment!r}",
            hint="one environment has one store: name the other one with --state, or this environment with -e",
        )


def _head(database: Database) -> KnownHead:
    sql = "SELECT environment, lineage, serial, (SELECT min(observed_at) FROM accounts) FROM meta"
    return KnownHead(*database.all(sql)[0])


def _account(database: Database, account_id: str) -> KnownAccount | None:
    row = database.one(f"{_ACCOUNTS} WHERE account_id = ?", (account_id,))
    return None if row is None else _decoded(database, row)


def _decoded(database: Database, row: tuple[Any, ...]) -> KnownAccount:
    account_id, document, observed_at = row
    try:
        return decoded(document, observed_at)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise StoreFailed(
            f"state store {database.path}: what is known of account {account_id} can't be read",
            hint="somebody altered it outside the program: `reconciler state verify` lists all such accounts",
        ) from error
