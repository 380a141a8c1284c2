"""What the stores in SQL databases share: their tables' statements, and what a change is.

A backend brings a `Database`, whose transactions have the store for themselves, and a way to read one moment of it.
"""

# ruff: noqa: D102 -- the protocol in store.py says what each method does
from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from reconciler.canonical import digest_bytes
from reconciler.errors import InvalidInput, StoreFailed
from reconciler.model import KnownAccount, KnownHead, KnownRecord, KnownView
from reconciler.state import locking
from reconciler.state.accounts import AccountRow, arranged, row_of, user_product_ids
from reconciler.state.sqlrows import (
    PAGE,
    Database,
    account_in,
    decoded_row,
    indexed,
    marks,
    owners_of,
    pages,
    records_of,
)
from reconciler.state.store import CHAIN_START, Change, Holder, JournalEntry, Lock, Run

_ENTRY_FIELDS: Final = tuple(f.name for f in fields(JournalEntry))
_RUN_FIELDS: Final = tuple(f.name for f in fields(Run))
_HOLDER_FIELDS: Final = tuple(f.name for f in fields(Holder))

#: The row of each: unlike `dataclasses.astuple`, without a copy of every text.
_entry_row: Final = attrgetter(*_ENTRY_FIELDS)
_run_row: Final = attrgetter(*_RUN_FIELDS)
_holder_row: Final = attrgetter(*_HOLDER_FIELDS)

# Built from the names of our own dataclasses, never from data.
_ENTRIES: Final = f"SELECT {', '.join(_ENTRY_FIELDS)} FROM journal"  # noqa: S608
_ADD_ENTRY: Final = f"INSERT INTO journal ({', '.join(_ENTRY_FIELDS)}) VALUES ({', '.join('?' for _ in _ENTRY_FIELDS)})"  # noqa: S608
_END: Final = "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1"
_RUNS: Final = f"SELECT {', '.join(_RUN_FIELDS)} FROM runs ORDER BY place"  # noqa: S608
_PUT_RUN: Final = (
    f"INSERT INTO runs ({', '.join(_RUN_FIELDS)}) VALUES ({', '.join('?' for _ in _RUN_FIELDS)}) "  # noqa: S608
    f"ON CONFLICT (run_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _RUN_FIELDS)}"
)
_PUT_ACCOUNT: Final = (
    "INSERT INTO accounts (account_id, customer_number, document, digest, observed_at, entry) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account_id) DO UPDATE SET customer_number = excluded.customer_number, "
    "document = excluded.document, digest = excluded.digest, observed_at = excluded.observed_at, entry = excluded.entry"
)
_LOCK: Final = f"SELECT epoch, {', '.join(_HOLDER_FIELDS)} FROM lock"  # noqa: S608
_SET_LOCK: Final = f"UPDATE lock SET epoch = ?, {', '.join(f'{name} = ?' for name in _HOLDER_FIELDS)}"  # noqa: S608
_FREE: Final = (None,) * len(_HOLDER_FIELDS)

_Backend = TypeVar("_Backend", bound=Database)


class SqlStore(ABC, Generic[_Backend]):
    """`reconciler.state.store.Store` in the tables behind ``database``. One thread at a time may use it."""

    def __init__(self, database: _Backend, *, read_only: bool) -> None:
        self._database = database
        self._read_only = read_only
        self._moments: WeakSet[_Backend] = WeakSet()

    @abstractmethod
    def _moment(self) -> _Backend:
        """A connection of its own that sees the store as it is now until it is closed."""

    def head(self) -> KnownHead:
        return head_of(self._database)

    def is_filled(self) -> bool:
        return self._database.all("SELECT filled FROM meta") == [(1,)]

    def view(self) -> KnownView:
        moment = self._moment()
        self._moments.add(moment)

        def account_of(user_product_id: str) -> str | None:
            row = moment.one("SELECT min(account_id) FROM user_products WHERE user_product_id = ?", (user_product_id,))
            return row[0] if row is not None else None

        return KnownView(
            head_of(moment),
            accounts=lambda: (decoded_row(moment, row) for page in pages(moment) for row in page),
            account_of=account_of,
            texts=lambda: (KnownRecord._make(row) for page in pages(moment) for row in page),
            find=lambda account_id: account_in(moment, account_id),
            pick=lambda account_ids: records_of(moment, account_ids),
        )

    def account(self, account_id: str) -> KnownAccount | None:
        return account_in(self._database, account_id)

    @contextmanager
    def change(self, fence: Lock | None = None) -> Iterator[Change]:
        self._refuse_reader()
        if self._database.in_transaction:
            raise RuntimeError("a change is under way already")
        with self._database.transaction():
            if fence is not None and fence != (present := self.lock()):
                raise locking.lost(fence, present)
            change = _SqlChange(self._database, *(self._database.one(_END) or (0, CHAIN_START)))
            yield change
            change.finish()

    def acquire(self, holder: Holder) -> Lock:
        self._refuse_reader()
        with self._database.transaction():
            present = self.lock()
            if present is not None:
                raise locking.held(present)
            epoch = int(self._database.all("SELECT epoch FROM lock")[0][0]) + 1
            self._database.all(_SET_LOCK, (epoch, *_holder_row(holder)))
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
        sql = f"{_ENTRIES} WHERE sequence > ?{only} ORDER BY sequence LIMIT {PAGE}"
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
        found: list[str] = []
        with closing(self._moment()) as moment:
            for page in pages(moment):
                found_index = indexed(moment, page)
                for row in page:
                    account_id, document, _, digest = row
                    if digest_bytes(document.encode()) != digest:
                        found.append(f"account {account_id}: what is known of it was altered outside the program")
                        continue
                    index = found_index.get(account_id, frozenset())
                    if index != user_product_ids(decoded_row(moment, row)):
                        found.append(f"account {account_id}: the index of user products is off ({len(index)} entries)")
        return tuple(found)

    def close(self) -> None:
        for moment in tuple(self._moments):
            moment.close()
        self._database.close()

    def _refuse_reader(self) -> None:
        if self._read_only:
            raise StoreFailed(
                f"state store {self._database.place}: it was opened for reading only", hint="this is a bug"
            )


@dataclass(slots=True)
class _SqlChange:
    """A change inside its transaction. ``sequence`` and ``end`` are those of the journal's last entry.

    ``known`` holds what was read or put, ``page`` what `records` read last: within its transaction nobody else changes
    it. ``written`` is the last entry about each account, ``told`` the one that its row was put with; ``bulk`` is true
    if rows were put that aren't among those ``touched``.
    """

    database: Database
    sequence: int
    end: str
    known: dict[str, KnownAccount | None] = field(default_factory=dict)
    page: dict[str, KnownRecord] = field(default_factory=dict)
    bulk: bool = False
    touched: set[str] = field(default_factory=set)
    written: dict[str, int] = field(default_factory=dict)
    told: dict[str, int | None] = field(default_factory=dict)

    def account(self, account_id: str) -> KnownAccount | None:
        if account_id not in self.known:
            if len(self.known) >= PAGE:  # an import goes through all accounts, each but once or twice
                self.known.clear()
            self.known[account_id] = account_in(self.database, account_id)
        return self.known[account_id]

    def put_account(self, account: KnownAccount) -> None:
        account = arranged(account)
        account_id = account.account_id
        written = self.written.get(account_id)
        self.database.run(
            [(_PUT_ACCOUNT, _values(row_of(account), written)), *self._indexing(account_id, user_product_ids(account))]
        )
        self.page.pop(account_id, None)
        self.known[account_id] = account
        self.touched.add(account_id)
        self.told[account_id] = written

    def records(self, account_ids: Sequence[str]) -> dict[str, KnownRecord]:
        self.page = records_of(self.database, account_ids)
        return self.page

    def owners(self, user_product_ids: Sequence[str]) -> dict[str, str]:
        return owners_of(self.database, user_product_ids)

    def put_rows(self, rows: Sequence[AccountRow]) -> None:
        if not rows:
            return
        self.bulk = True
        ids = [row.record.account_id for row in rows]
        values = [_values(row, self.written.get(row.record.account_id)) for row in rows]
        # The index stays where the same text was read before.
        anew = [row for row, id_ in zip(rows, ids, strict=True) if not self._reads(id_, row.record.document)]
        self.database.many(_PUT_ACCOUNT, values)
        if anew:
            changed = [row.record.account_id for row in anew]
            self.database.all(f"DELETE FROM user_products WHERE account_id IN ({marks(changed)})", changed)  # noqa: S608 -- only marks
            owned = [(own, row.record.account_id) for row in anew for own in sorted(row.user_product_ids)]
            self.database.many("INSERT INTO user_products VALUES (?, ?)", owned)
        for account_id in ids:
            self._forget(account_id)

    def _reads(self, account_id: str, document: str) -> bool:
        record = self.page.get(account_id)
        return record is not None and record.document == document

    def _forget(self, account_id: str) -> None:
        self.page.pop(account_id, None)
        self.known.pop(account_id, None)

    def remove_account(self, account_id: str) -> None:
        if self.account(account_id) is not None:
            forget = ("DELETE FROM accounts WHERE account_id = ?", (account_id,))
            self.database.run([forget, *self._indexing(account_id, frozenset())])
            self.page.pop(account_id, None)
            self.known[account_id] = None
            self.touched.add(account_id)

    def _indexing(self, account_id: str, ids: frozenset[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The statements by which ``account_of`` finds an account by ``ids``, none if it does already."""
        before = self.known.get(account_id)
        if before is not None and user_product_ids(before) == ids:
            return []
        return _index(account_id, ids)

    def append(self, entry: JournalEntry) -> JournalEntry:
        placed = entry.chained(self.sequence + 1, self.end)
        self.database.all(_ADD_ENTRY, _entry_row(placed))
        self.sequence, self.end = placed.sequence, placed.hash
        self.written[entry.account_id] = placed.sequence
        return placed

    def put_run(self, run: Run) -> None:
        self.database.all(_PUT_RUN, _run_row(run))

    def mark_filled(self) -> None:
        self.database.all("UPDATE meta SET filled = 1")

    def finish(self) -> None:
        """What a change means for the whole store, before it counts."""
        if self.touched or self.bulk:
            self.database.all("UPDATE meta SET serial = serial + 1, mark = ?", (uuid.uuid4().hex,))
        for account_id in self.touched & self.written.keys():
            if self.told.get(account_id) != self.written[account_id]:
                values = (self.written[account_id], account_id)
                self.database.all("UPDATE accounts SET entry = ? WHERE account_id = ?", values)


def _values(row: AccountRow, entry: int | None) -> tuple[Any, ...]:
    """What `_PUT_ACCOUNT` takes."""
    record, number, _ = row
    # Only for people who query the table; the document keeps the number whatever it is made of.
    column = number if isinstance(number, str) and number.isprintable() else None
    return (record.account_id, column, record.document, record.digest, record.observed_at, entry)


def _index(account_id: str, ids: frozenset[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The statements by which ``account_of`` finds an account by ``ids`` and no others."""
    forget = ("DELETE FROM user_products WHERE account_id = ?", (account_id,))
    return [forget, *(("INSERT INTO user_products VALUES (?, ?)", (each, account_id)) for each in sorted(ids))]


def missing(place: str) -> InvalidInput:
    """The refusal for a store that isn't there or was never filled."""
    return InvalidInput(
        f"there is no known state at {place}",
        hint="fill it with `reconciler state import FILE`, or start empty on purpose with `reconciler state init`",
    )


def head_of(database: Database) -> KnownHead:
    """Environment, lineage, serial and oldest observation. Raises `StoreFailed`."""
    row = database.one("SELECT environment, lineage, serial, (SELECT min(observed_at) FROM accounts), mark FROM meta")
    if row is None:
        raise StoreFailed(
            f"state store {database.place}: it doesn't say which environment it is for",
            hint="somebody altered it outside the program: go back to a backup",
        )
    return KnownHead(*row)
