"""How a store keeps one account (its products in order, its JSON, its digest), and what was seen of many."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from reconciler import canonical
from reconciler.model import (
    KnownAccount,
    KnownProduct,
    KnownRecord,
    KnownText,
    known_account_from_json,
    known_product_json,
    known_record,
    product_order,
)


def in_order(products: Iterable[KnownProduct]) -> tuple[KnownProduct, ...]:
    """``products`` in the one order that they can have, also those that no id tells apart."""
    ordered = sorted(products, key=product_order)
    if len({product_order(product) for product in ordered}) < len(ordered):
        ordered.sort(key=lambda each: (product_order(each), canonical.dumps(known_product_json(each))))
    return tuple(ordered)


def arranged(account: KnownAccount) -> KnownAccount:
    """``account`` with its products in order, so that every store gives back the same value."""
    products = in_order(account.user_products)
    return account if products == account.user_products else replace(account, user_products=products)


def decoded(document: str, observed_at: str | None) -> KnownAccount:
    """The account behind a record's document and the time it was observed."""
    data = json.loads(document)
    data["observed_at"] = observed_at
    return known_account_from_json(data)


def user_product_ids(account: KnownAccount) -> frozenset[str]:
    """The ids by which ``account_of`` finds the account."""
    return frozenset(p.user_product_id for p in account.user_products if p.user_product_id is not None)


class AccountRow(NamedTuple):
    """An account as it is written into a store: what tables have columns for stands beside the text."""

    record: KnownRecord
    customer_number: KnownText
    user_product_ids: frozenset[str]


def row_of(account: KnownAccount) -> AccountRow:
    """``account`` as it is written into a store."""
    account = arranged(account)
    return AccountRow(known_record(account), account.customer_number, user_product_ids(account))


class Seen(ABC):
    """Accounts that somebody saw, each once: what an import goes through without having to hold it."""

    @abstractmethod
    def __len__(self) -> int:
        """How many accounts."""

    @abstractmethod
    def __contains__(self, account_id: object) -> bool:
        """True if the account was seen."""

    @abstractmethod
    def __iter__(self) -> Iterator[KnownAccount]:
        """The accounts in the order of their ids."""

    @abstractmethod
    def find(self, account_id: str) -> KnownAccount | None:
        """One of the accounts."""

    @abstractmethod
    def rows(self) -> Iterator[AccountRow]:
        """The accounts as they are written into a store, in the order of their ids."""

    @abstractmethod
    def claims(self) -> Iterator[tuple[str, str]]:
        """Every user product that was seen, and the account that it was seen on."""


class SeenAccounts(Seen):
    """`Seen` for accounts that are in memory anyhow."""

    def __init__(self, accounts: Iterable[KnownAccount]) -> None:
        found = {account.account_id: account for account in accounts}
        self._accounts = {account_id: found[account_id] for account_id in sorted(found)}

    def __len__(self) -> int:
        """How many accounts."""
        return len(self._accounts)

    def __contains__(self, account_id: object) -> bool:
        """True if the account was seen."""
        return account_id in self._accounts

    def __iter__(self) -> Iterator[KnownAccount]:
        """The accounts in the order of their ids."""
        return iter(self._accounts.values())

    def find(self, account_id: str) -> KnownAccount | None:
        """One of the accounts."""
        return self._accounts.get(account_id)

    def rows(self) -> Iterator[AccountRow]:
        """The accounts as they are written into a store, in the order of their ids."""
        return map(row_of, self._accounts.values())

    def claims(self) -> Iterator[tuple[str, str]]:
        """Every user product that was seen, and the account that it was seen on."""
        for account in self._accounts.values():
            for user_product_id in user_product_ids(account):
                yield user_product_id, account.account_id
