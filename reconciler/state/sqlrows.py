"""Reads accounts out of a store's tables, whichever database they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from reconciler.errors import StoreFailed
from reconciler.model import KnownAccount, KnownRecord
from reconciler.state.accounts import decoded

#: The rows of a `KnownRecord`.
ACCOUNTS: Final = "SELECT account_id, document, observed_at, digest FROM accounts"

PAGE: Final = 1000

Row = tuple[Any, ...]


class Database(Protocol):
    """One connection to a store's tables. Values stand where a statement has a ``?``. One thread at a time."""

    @property
    def place(self) -> str:
        """Where the tables are, as people read it."""
        ...

    @property
    def in_transaction(self) -> bool:
        """True while a `transaction` is under way."""
        ...

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a statement. Raises `StoreFailed`."""
        ...

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a statement. Raises `StoreFailed`."""
        ...

    def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements that give no rows, each with its values, inside a transaction. Raises `StoreFailed`."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that gives no rows once for each of ``rows``, inside a transaction. Raises `StoreFailed`."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction that has the store for itself from the start, and ends durable or not at all."""
        ...

    def close(self) -> object:
        """Give the connection back; nothing happens if that was done before."""
        ...


def pages(database: Database) -> Iterator[list[Row]]:
    """All accounts in the order of their ids, as rows of `ACCOUNTS`."""
    sql = f"{ACCOUNTS} WHERE account_id > ? ORDER BY account_id LIMIT {PAGE}"
    rows = database.all(sql, ("",))
    while rows:
        yield rows
        rows = database.all(sql, (rows[-1][0],))


def indexed(database: Database, page: list[Row]) -> dict[str, frozenset[str]]:
    """The user products that the index has for each account of a page."""
    found: dict[str, set[str]] = {}
    sql = "SELECT account_id, user_product_id FROM user_products WHERE account_id BETWEEN ? AND ?"
    for account_id, user_product_id in database.all(sql, (page[0][0], page[-1][0])):
        found.setdefault(account_id, set()).add(user_product_id)
    return {account_id: frozenset(ids) for account_id, ids in found.items()}


def account_in(database: Database, account_id: str) -> KnownAccount | None:
    """What is known of an account."""
    row = database.one(f"{ACCOUNTS} WHERE account_id = ?", (account_id,))
    return None if row is None else decoded_row(database, row)


def decoded_row(database: Database, row: Row) -> KnownAccount:
    """The account behind a row of `ACCOUNTS`. Raises `StoreFailed` if it can't be read."""
    account_id, document, observed_at, _ = row
    try:
        return decoded(document, observed_at)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise StoreFailed(
            f"state store {database.place}: what is known of account {account_id} can't be read",
            hint="somebody altered it outside the program: `reconciler state verify` lists all such accounts",
        ) from error


def records_of(database: Database, account_ids: Sequence[str]) -> dict[str, KnownRecord]:
    """Some accounts as text; those of which nothing is known are left out."""
    sql = f"{ACCOUNTS} WHERE account_id IN ({marks(account_ids)})"
    return {row[0]: KnownRecord._make(row) for row in database.all(sql, account_ids)}


def owners_of(database: Database, user_product_ids: Sequence[str]) -> dict[str, str]:
    """The account that each user product is known on; the first one where there are several."""
    place = f"user_product_id IN ({marks(user_product_ids)})"
    found = f"SELECT user_product_id, min(account_id) FROM user_products WHERE {place}"  # noqa: S608 -- marks alone
    return dict(database.all(f"{found} GROUP BY user_product_id", user_product_ids))


def marks(values: Sequence[Any]) -> str:
    """A ``?`` for each value."""
    return ", ".join("?" * len(values))
