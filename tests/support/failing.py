"""Stores whose n-th write fails: in memory, and the connection below an SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.errors import StoreFailed
from reconciler.state.store import Lock, Store


@dataclass(slots=True)
class Failures:
    """Counts what a store does, and says what fails: the ``at``-th point, or with ``onward`` all from there."""

    at: int | None = None
    onward: bool = False
    passed: int = 0
    last: str = ""

    def due(self, name: str) -> bool:
        """One more point, called ``name``; True if it fails."""
        self.passed += 1
        if self.at is None or self.passed < self.at or (self.passed > self.at and not self.onward):
            return False
        self.last = self.last or name
        return True


# --- Stores that fail ---


class FailingStore:
    """A store in memory, each of whose writes and transaction's ends can fail, before or after it counts."""

    def __init__(self, store: Store, failures: Failures) -> None:
        self._store = store
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def point(self, name: str) -> None:
        if self._failures.due(name):
            raise StoreFailed(f"{name}: the disk is full")

    @contextmanager
    def change(self, fence: Lock | None = None) -> Iterator[Any]:
        self.point("begin")
        with self._store.change(fence) as change:
            yield _FailingChange(change, self)
            self.point("commit")
        self.point("committed")

    def acquire(self, holder: Any) -> Lock:
        self.point("acquire")
        lock = self._store.acquire(holder)
        self.point("acquired")
        return lock

    def release(self, lock: Lock) -> None:
        self.point("release")
        self._store.release(lock)
        self.point("released")


class _FailingChange:
    def __init__(self, change: Any, store: FailingStore) -> None:
        self._change = change
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._change, name)
        if name not in ("put_account", "put_rows", "remove_account", "append", "put_run"):
            return found

        def write(*values: Any) -> Any:
            self._store.point(name)
            return found(*values)

        return write


class FailingConnection:
    """An SQLite connection, each of whose statements can fail; a COMMIT also after it was carried out."""

    def __init__(self, connection: sqlite3.Connection, failures: Failures, kind: str) -> None:
        self._connection = connection
        self._failures = failures
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, values: Any = ()) -> Any:
        word = self._passed(sql)
        done = self._connection.execute(sql, values)
        if word == "COMMIT" and self._failures.due("committed"):
            raise self._error()
        return done

    def executemany(self, sql: str, rows: Any) -> Any:
        self._passed(sql)
        return self._connection.executemany(sql, rows)

    def _passed(self, sql: str) -> str:
        word = sql.split()[0]
        if self._failures.due(word):
            if self._kind == "SQLITE_FULL" and self._connection.in_transaction:
                self._connection.rollback()
            raise self._error()
        return word

    def _error(self) -> sqlite3.OperationalError:
        problem = sqlite3.OperationalError("it fails here")
        problem.sqlite_errorname = self._kind
        return problem
