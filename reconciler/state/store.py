"""The state store's protocol: known state, the journal, runs and the lock, in one place with one transaction.

Every store (memory, SQLite, PostgreSQL) keeps the same promises:

* a `Change` is one durable transaction: all of it or nothing, also when the process is killed;
* the serial rises by one with each change that touches an account;
* journal entries are chained by hash, and never rewritten;
* a change that is *fenced* by a lock fails with `Locked` unless that lock is still the store's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.model import KnownAccount, KnownHead, KnownRecord, KnownView
from reconciler.state.accounts import AccountRow
from reconciler.state.condition import Condition

#: What a journal entry can say of a step. ``intent`` is written before the call, the others after it.
STATUSES: Final = ("intent", "applied", "rejected", "in_doubt", "assumed", "skipped")

#: How a run can stand. Only ``running`` and ``stopped`` are unfinished.
RUN_STATUSES: Final = ("running", "stopped", "finished", "abandoned")

#: How many accounts or user products a change takes at once.
PAGE: Final = 500

#: The ``previous`` of the first journal entry.
CHAIN_START: Final = canonical.DIGEST_PREFIX + "0" * 64


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal. ``at`` is a clock text; ``message`` is escaped and at most 500 characters.

    ``known_after`` is the digest of the account after this entry. ``sequence``, ``previous`` and ``hash``
    are filled in by the store.
    """

    run_id: str
    plan_id: str
    step: int
    attempt: int
    action: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    customer_number: str | None
    body_sha256: str
    status: str
    at: str
    http_status: int | None = None
    code: str | None = None
    field: str | None = None
    message: str | None = None
    answered_id: str | None = None
    known_after: str | None = None
    sequence: int = 0
    previous: str = CHAIN_START
    hash: str = ""

    def to_json(self) -> dict[str, Json]:
        """All but the hash itself: what the hash covers."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "hash"}

    def chained(self, sequence: int, previous: str) -> JournalEntry:
        """This entry at its place in the chain, with its hash."""
        placed = replace(self, sequence=sequence, previous=previous)
        return replace(placed, hash=canonical.digest(placed.to_json()))


@dataclass(frozen=True, slots=True)
class Run:
    """One apply. ``plan`` is the plan file's text; ``steps`` how many steps it has; times are clock texts."""

    run_id: str
    plan_id: str
    steps_digest: str
    environment: str
    status: str
    started_at: str
    who: str
    host: str
    command: str
    steps: int
    plan: str
    ci_url: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    stopped_by: str | None = None

    @property
    def unfinished(self) -> bool:
        """True if ``resume`` or ``abandon`` has to come before another plan."""
        return self.status in ("running", "stopped")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wants or has the lock. ``process`` is a process id on ``host``."""

    lock_id: str
    who: str
    host: str
    process: int
    command: str
    started_at: str
    ci_url: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock as it was taken; ``epoch`` rises whenever a lock is taken or broken."""

    holder: Holder
    epoch: int


class Change(Protocol):
    """One transaction in the making; it counts when the block ends without an exception."""

    def account(self, account_id: str) -> KnownAccount | None:
        """What is known of an account, this change included."""
        ...

    def put_account(self, account: KnownAccount) -> None:
        """Replace what is known of an account."""
        ...

    def records(self, account_ids: Sequence[str]) -> dict[str, KnownRecord]:
        """What is known of many accounts as text, this change included; those of which nothing is known are left out.

        At most `PAGE` of them at once.
        """
        ...

    def owners(self, user_product_ids: Sequence[str]) -> dict[str, str]:
        """The account that each of at most `PAGE` user products was known on before this change, as a view tells it.

        It has to be asked before anything is put.
        """
        ...

    def put_rows(self, rows: Sequence[AccountRow]) -> None:
        """Replace what is known of many accounts, each once and at most `PAGE`, that this change has no entries about.

        They aren't remembered, so that a change may put as many as there are.
        """
        ...

    def remove_account(self, account_id: str) -> None:
        """Forget an account; nothing happens if it isn't known."""
        ...

    def append(self, entry: JournalEntry) -> JournalEntry:
        """Add a journal entry at the end of the chain; returns it with its place and hash."""
        ...

    def put_run(self, run: Run) -> None:
        """Add a run, or replace the one with its id."""
        ...

    def mark_filled(self) -> None:
        """Say that the store is no longer untouched: something was imported, or it is empty on purpose."""
        ...


class Store(Protocol):
    """Where known state and the journal live. Every method raises `StoreFailed` if the store can't do it."""

    @property
    def url(self) -> str:
        """Where the store is, without credentials."""
        ...

    def head(self) -> KnownHead:
        """Environment, lineage and serial."""
        ...

    def is_filled(self) -> bool:
        """True once something was imported, or the store was made empty on purpose."""
        ...

    def view(self) -> KnownView:
        """Known state for the planner: one consistent moment of it."""
        ...

    def account(self, account_id: str) -> KnownAccount | None:
        """What is known of one account."""
        ...

    def change(self, fence: Lock | None = None) -> AbstractContextManager[Change]:
        """A durable transaction. With ``fence``, raises `Locked` if that lock isn't the store's any more."""
        ...

    def acquire(self, holder: Holder) -> Lock:
        """Take the lock; raises `Locked` with the present holder if it is held."""
        ...

    def release(self, lock: Lock) -> None:
        """Give the lock back; nothing happens if it was broken meanwhile."""
        ...

    def lock(self) -> Lock | None:
        """The lock as it stands."""
        ...

    def break_lock(self, lock_id: str) -> Lock:
        """Take the lock away from its holder and raise the epoch; raises `Locked` if that id isn't the holder's."""
        ...

    def runs(self) -> tuple[Run, ...]:
        """All runs, oldest first."""
        ...

    def entries(self, run_id: str | None = None) -> Iterator[JournalEntry]:
        """Journal entries in their order, of one run or of all."""
        ...

    def last_entry(self) -> JournalEntry | None:
        """The end of the journal's chain."""
        ...

    def written_by(self, account_id: str) -> int | None:
        """The sequence of the journal entry that came with an account's last change; ``None`` if an import did it."""
        ...

    def condition(self) -> Condition:
        """Its version, whether it could be written, and what time it is there; nothing is written."""
        ...

    def damage(self) -> tuple[str, ...]:
        """What the backend itself finds broken: a sentence each, none if it is sound."""
        ...

    def close(self) -> None:
        """Give the store's file or connection back."""
        ...
