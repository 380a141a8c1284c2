"""The simulator's world: its accounts, found by what a call names, in memory or kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reconciler.instants import Minute, minute_of
from reconciler.model import UNKNOWN, DeclaredAccount, KnownAccount, KnownProduct
from reconciler.payway.worldfile import WorldFile
from reconciler.payway.worldmodel import WorldAccount, account_from_known, account_to_known, state_at


def _told_by(known: KnownAccount, declared: DeclaredAccount) -> KnownAccount:
    """``known`` with the ids and the customer number that only the manifest knows."""
    number = declared.customer_number if known.customer_number is UNKNOWN else known.customer_number
    products = tuple(_ids_told_by(product, declared) for product in known.user_products)
    return replace(known, customer_number=UNKNOWN if number is None else number, user_products=products)


def _ids_told_by(known: KnownProduct, declared: DeclaredAccount) -> KnownProduct:
    for product in declared.user_products:
        same_product = known.product_id is not None and product.product_id == known.product_id
        same_own = known.user_product_id is not None and product.user_product_id == known.user_product_id
        if known.user_product_id is None and same_product:
            return replace(known, user_product_id=product.user_product_id)
        if known.product_id is None and same_own:
            return replace(known, product_id=product.product_id)
    return known


class World:
    """All accounts, found by id, by customer number and by user product.

    With a ``path``, the world is read from there if the file exists, and every change is appended to it.
    One process at a time. Raises `InvalidInput` for a file that can't be read as a world and
    `StoreFailed` if it can't be written.
    """

    def __init__(self, path: Path | None = None, accounts: Iterable[WorldAccount] = ()) -> None:
        self._accounts: dict[str, WorldAccount] = {}
        self._by_number: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._file = None if path is None else WorldFile(path)
        for account in self._file.load() if self._file is not None else ():
            self._keep(account)
        added = tuple(accounts)
        for account in added:
            self._keep(account)
        if self._file is not None and (added or self._file.wants_compaction):
            self._file.compact(self.accounts())

    @classmethod
    def from_known(
        cls,
        accounts: Iterable[KnownAccount],
        clock: Callable[[], datetime],
        *,
        declared: Iterable[DeclaredAccount] = (),
        path: Path | None = None,
    ) -> World:
        """A world that is as known state says, with states read at ``clock()``.

        ``declared`` accounts lend the ids and customer numbers that known state lacks, so that a rehearsal
        doesn't stumble over a made-up id; they add no account and no product. Accounts that a file at
        ``path`` already holds stay there unless known state has them too.
        """
        minute = minute_of(clock())
        by_id = {account.account_id: account for account in declared}

        def filled() -> Iterator[WorldAccount]:
            for known in accounts:
                manifest = by_id.get(known.account_id)
                account = account_from_known(known if manifest is None else _told_by(known, manifest))
                products = tuple(replace(p, state=state_at(p, minute)) for p in account.user_products)
                yield replace(account, user_products=products)

        return cls(path, filled())

    def __len__(self) -> int:
        return len(self._accounts)

    def accounts(self) -> Iterator[WorldAccount]:
        """All accounts, by ascending id."""
        for account_id in sorted(self._accounts):
            yield self._accounts[account_id]

    def account(self, account_id: str) -> WorldAccount | None:
        """The account with this id (lower case)."""
        return self._accounts.get(account_id)

    def account_of_customer(self, customer_number: str) -> WorldAccount | None:
        """The account with this customer number; of several, the one that had it first."""
        account_id = self._by_number.get(customer_number)
        return None if account_id is None else self._accounts[account_id]

    def owner_of(self, user_product_id: str) -> str | None:
        """The id of the account that holds this user product (its own id, lower case)."""
        return self._owners.get(user_product_id)

    def known(self, minute: Minute) -> Iterator[KnownAccount]:
        """The world as a perfect export would give it, by ascending id."""
        return (account_to_known(account, minute) for account in self.accounts())

    def put(self, account: WorldAccount) -> None:
        """Add or replace an account; nothing is written if it is as it was."""
        if self._accounts.get(account.account_id) == account:
            return
        # Written first: a change that can't be kept is one that didn't happen.
        if self._file is not None:
            self._file.append(account)
        self._keep(account)

    def close(self) -> None:
        """Rewrite the file without overtaken lines, and close it. A closed world in memory stays readable."""
        if self._file is not None:
            if self._file.wants_compaction:
                self._file.compact(self.accounts())
            self._file.close()

    def _keep(self, account: WorldAccount) -> None:
        account_id = account.account_id
        before = self._accounts.get(account_id)
        if before is not None:
            if before.customer_number is not None and self._by_number.get(before.customer_number) == account_id:
                del self._by_number[before.customer_number]
            for product in before.user_products:
                if self._owners.get(product.user_product_id) == account_id:
                    del self._owners[product.user_product_id]
        self._accounts[account_id] = account
        if account.customer_number is not None:
            self._by_number.setdefault(account.customer_number, account_id)
        for product in account.user_products:
            self._owners.setdefault(product.user_product_id, account_id)
