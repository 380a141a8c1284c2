"""The store that lives in memory: for tests, and as the copy that a dry run changes.

It is a layer of changed accounts over an underlying moment of another store (or over nothing), so that
the copy for a dry run costs nothing however many accounts there are.
"""

# ruff: noqa: D102 -- the protocol in store.py says what each method does
from __future__ import annotations

import heapq
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

from reconciler.model import KnownAccount, KnownHead, KnownRecord, KnownView, known_record
from reconciler.state import locking
from reconciler.state.accounts import AccountRow, arranged, decoded, user_product_ids
from reconciler.state.condition import Condition
from reconciler.state.store import CHAIN_START, Change, Holder, JournalEntry, Lock, Run, Store


def copy_of(store: Store) -> MemoryStore:
    """A store that starts as ``store`` stands now and never writes to it: what a dry run works on.

    Known state, runs and the journal are read through; the lock isn't copied. Accounts that the copy
    hasn't changed are looked up in ``store``, which must stay open.
    """
    if isinstance(store, MemoryStore):
        return store.copy()
    view = store.view()
    last = store.last_entry()
    return MemoryStore(
        view.head.environment,
        lineage=view.head.lineage,
        serial=view.head.serial or 0,
        mark=view.head.mark,
        filled=store.is_filled(),
        under=_Under(view, store.account, store.entries, store.written_by, last),
        runs=store.runs(),
    )


@dataclass(frozen=True, slots=True)
class _Under:
    """What lies below the changed accounts: ``entries`` are read up to ``last``."""

    view: KnownView
    account: Callable[[str], KnownAccount | None]
    entries: Callable[[str | None], Iterator[JournalEntry]]
    written_by: Callable[[str], int | None]
    last: JournalEntry | None


def _nothing(environment: str) -> _Under:
    view = KnownView(KnownHead(environment), lambda: iter(()), lambda _: None)
    return _Under(view, lambda _: None, lambda _: iter(()), lambda _: None, None)


class MemoryStore:
    """`reconciler.state.store.Store` in memory."""

    def __init__(
        self,
        environment: str,
        *,
        lineage: str | None = None,
        serial: int = 0,
        mark: str | None = None,
        filled: bool = False,
        under: _Under | None = None,
        runs: tuple[Run, ...] = (),
    ) -> None:
        self._environment = environment
        self._lineage = lineage or uuid.uuid4().hex
        self._serial = serial
        self._mark = mark or self._lineage
        self._filled = filled
        self._under = under or _nothing(environment)
        self._changed: dict[str, KnownAccount | None] = {}
        self._written: dict[str, int | None] = {}
        self._entries: list[JournalEntry] = []
        self._runs = {run.run_id: run for run in runs}
        self._lock: Lock | None = None
        self._epoch = 0
        self._changing = False

    @property
    def url(self) -> str:
        return "memory:"

    def copy(self) -> MemoryStore:
        """A second store with the same content, free of the lock."""
        twin = MemoryStore(
            self._environment,
            lineage=self._lineage,
            serial=self._serial,
            mark=self._mark,
            filled=self._filled,
            under=self._under,
            runs=self.runs(),
        )
        twin._changed = dict(self._changed)
        twin._written = dict(self._written)
        twin._entries = list(self._entries)
        return twin

    def head(self) -> KnownHead:
        # Of a copy, the underlying head counts as it stood: reading a million accounts to do better isn't worth it.
        times = [self._under.view.head.observed_at, *(a.observed_at for a in self._changed.values() if a is not None)]
        oldest = min((time for time in times if time is not None), default=None)
        return KnownHead(self._environment, self._lineage, self._serial, oldest, self._mark)

    def is_filled(self) -> bool:
        return self._filled

    def view(self) -> KnownView:
        changed = dict(self._changed)
        owners: dict[str, str] = {}
        for account_id in sorted(changed):
            account = changed[account_id]
            for user_product_id in user_product_ids(account) if account is not None else ():
                owners.setdefault(user_product_id, account_id)

        def account_of(user_product_id: str) -> str | None:
            below = self._under.view.account_of(user_product_id)
            here = owners.get(user_product_id)
            candidates = [here] if below is None or below in changed else [here, below]
            return min((found for found in candidates if found is not None), default=None)

        def find(account_id: str) -> KnownAccount | None:
            return changed[account_id] if account_id in changed else self._under.account(account_id)

        return KnownView(self.head(), lambda: self._accounts(changed), account_of, find=find)

    def account(self, account_id: str) -> KnownAccount | None:
        if account_id in self._changed:
            return self._changed[account_id]
        return self._under.account(account_id)

    @contextmanager
    def change(self, fence: Lock | None = None) -> Iterator[Change]:
        if self._changing:
            raise RuntimeError("a change is under way already")
        if fence is not None and fence != self._lock:
            raise locking.lost(fence, self._lock)
        self._changing = True
        change = _MemoryChange(self.account, self.view, self.last_entry())
        try:
            yield change
            self._commit(change)
        finally:
            self._changing = False

    def acquire(self, holder: Holder) -> Lock:
        if self._lock is not None:
            raise locking.held(self._lock)
        self._epoch += 1
        self._lock = Lock(holder, self._epoch)
        return self._lock

    def release(self, lock: Lock) -> None:
        if self._lock == lock:
            self._lock = None

    def lock(self) -> Lock | None:
        return self._lock

    def break_lock(self, lock_id: str) -> Lock:
        broken = self._lock
        if broken is None or broken.holder.lock_id != lock_id:
            raise locking.not_holding(lock_id, broken)
        self._lock = None
        self._epoch += 1
        return broken

    def runs(self) -> tuple[Run, ...]:
        return tuple(self._runs.values())

    def entries(self, run_id: str | None = None) -> Iterator[JournalEntry]:
        last = self._under.last.sequence if self._under.last is not None else 0
        below = (entry for entry in self._under.entries(run_id) if entry.sequence <= last)
        return chain(below, [entry for entry in self._entries if run_id is None or entry.run_id == run_id])

    def last_entry(self) -> JournalEntry | None:
        return self._entries[-1] if self._entries else self._under.last

    def written_by(self, account_id: str) -> int | None:
        if account_id in self._changed:
            return self._written[account_id]
        return self._under.written_by(account_id)

    def condition(self) -> Condition:
        return Condition(0)

    def damage(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing to give back."""

    def _accounts(self, changed: Mapping[str, KnownAccount | None]) -> Iterator[KnownAccount]:
        below = (account for account in self._under.view.accounts() if account.account_id not in changed)
        here = (account for _, account in sorted(changed.items()) if account is not None)
        return heapq.merge(below, here, key=lambda account: account.account_id)

    def _commit(self, change: _MemoryChange) -> None:
        if change.accounts:
            self._serial += 1
            self._mark = uuid.uuid4().hex
        self._changed.update(change.accounts)
        self._written.update(
            {key: None if account is None else change.written.get(key) for key, account in change.accounts.items()}
        )
        self._entries.extend(change.entries)
        self._runs.update(change.runs)
        self._filled = self._filled or change.filled


@dataclass(slots=True)
class _MemoryChange:
    """What a change collects until it counts."""

    under: Callable[[str], KnownAccount | None]
    view: Callable[[], KnownView]
    last: JournalEntry | None
    accounts: dict[str, KnownAccount | None] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    entries: list[JournalEntry] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    filled: bool = False

    def account(self, account_id: str) -> KnownAccount | None:
        return self.accounts[account_id] if account_id in self.accounts else self.under(account_id)

    def put_account(self, account: KnownAccount) -> None:
        self.accounts[account.account_id] = arranged(account)

    def records(self, account_ids: Sequence[str]) -> dict[str, KnownRecord]:
        accounts = ((account_id, self.account(account_id)) for account_id in account_ids)
        return {account_id: known_record(account) for account_id, account in accounts if account is not None}

    def owners(self, user_product_ids: Sequence[str]) -> dict[str, str]:
        account_of = self.view().account_of
        owners = ((each, account_of(each)) for each in user_product_ids)
        return {each: owner for each, owner in owners if owner is not None}

    def put_rows(self, rows: Sequence[AccountRow]) -> None:
        for row in rows:
            self.put_account(decoded(row.record.document, row.record.observed_at))

    def remove_account(self, account_id: str) -> None:
        if self.account(account_id) is not None:
            self.accounts[account_id] = None

    def append(self, entry: JournalEntry) -> JournalEntry:
        sequence, previous = (1, CHAIN_START) if self.last is None else (self.last.sequence + 1, self.last.hash)
        self.last = entry.chained(sequence, previous)
        self.entries.append(self.last)
        self.written[entry.account_id] = sequence
        return self.last

    def put_run(self, run: Run) -> None:
        self.runs[run.run_id] = run

    def mark_filled(self) -> None:
        self.filled = True
