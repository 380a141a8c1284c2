"""Reads a snapshot that has an account on each line without holding it: as JSON Lines, or as an export writes JSON.

All lines are checked first, and of each only where it is, its ids and a digest are kept. Whoever wants an account has
its line read again, and the digest tells if the file was changed meanwhile.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from reconciler.canonical import digest_bytes
from reconciler.errors import InvalidInput
from reconciler.model import KnownAccount, KnownRecord
from reconciler.state.accounts import AccountRow, Seen, row_of
from reconciler.state.idtables import NumberedIds, PlacedIds, id_bytes
from reconciler.state.quickline import quick_line
from reconciler.state.snapshotcheck import DataPath
from reconciler.state.snapshottext import account_in, load, unreadable

_REPEATED: Final = "{} {} stands here a second time, first at"


class Repeated(NamedTuple):
    """Something that an account names a second time; both are told by an account's position and the path within it."""

    position: int
    path: DataPath
    text: str
    first: int
    first_path: DataPath


class SeenLines(Seen):
    """The accounts of a snapshot that is read as it goes. Raises `InvalidInput` where the file was changed meanwhile.

    ``observed_at`` counts for accounts that say no time themselves. The file has to stay open.
    """

    def __init__(self, file: BinaryIO, name: str, observed_at: str | None) -> None:
        self._name = name
        self.observed_at = observed_at
        self._file = file.fileno()
        self._accounts = NumberedIds()
        self._user_products = PlacedIds()
        self._starts, self._sizes = array("Q"), array("Q")
        # Python's own hash of bytes has 64 bits, and a key that is another one in each process.
        self._digests = array("q")
        self._positions = array("Q")

    def add(self, account_id: bytes, line: bytes, start: int, position: int) -> None:
        """Remember the account on ``line``, which begins at byte ``start``; ``position`` is what messages call it."""
        self._accounts.add(account_id)
        self._starts.append(start)
        self._sizes.append(len(line))
        self._digests.append(hash(line))
        self._positions.append(position)

    def add_user_product(self, user_product_id: bytes, index: int) -> None:
        """Remember a user product of the account that was added last, and its index there."""
        self._user_products.add(user_product_id, len(self._accounts) - 1, index)

    def arrange(self) -> Iterator[Repeated]:
        """Make look-ups possible, when all were added; tells what stands a second time."""
        for number, first in self._accounts.arrange():
            text = _REPEATED.format("account", self._accounts.at(number).hex())
            yield Repeated(self._positions[number], (), text, self._positions[first], ())
        for id_, (number, index), (first, first_index) in self._user_products.arrange():
            text = _REPEATED.format("user product", id_.hex())
            path, first_path = ("user_products", index), ("user_products", first_index)
            yield Repeated(self._positions[number], path, text, self._positions[first], first_path)

    def __len__(self) -> int:
        """How many accounts."""
        return len(self._accounts)

    def __contains__(self, account_id: object) -> bool:
        """True if the account was seen."""
        return isinstance(account_id, str) and self._number(account_id) is not None

    def __iter__(self) -> Iterator[KnownAccount]:
        """The accounts in the order of their ids."""
        return map(self._account, self._accounts.numbers())

    def find(self, account_id: str) -> KnownAccount | None:
        """One of the accounts."""
        number = self._number(account_id)
        return None if number is None else self._account(number)

    def rows(self) -> Iterator[AccountRow]:
        """The accounts as they are written into a store, in the order of their ids."""
        return map(self._row, self._accounts.numbers())

    def claims(self) -> Iterator[tuple[str, str]]:
        """Every user product, and the account that it is on."""
        return ((id_.hex(), self._accounts.at(number).hex()) for id_, number in self._user_products)

    def account_of(self, user_product_id: str) -> str | None:
        """The account that a user product is on."""
        id_ = id_bytes(user_product_id)
        number = None if id_ is None else self._user_products.find(id_)
        return None if number is None else self._accounts.at(number).hex()

    def _number(self, account_id: str) -> int | None:
        id_ = id_bytes(account_id)
        return None if id_ is None else self._accounts.find(id_)

    def _row(self, number: int) -> AccountRow:
        line = self._line(number)
        quick = quick_line(line)
        if quick is None:
            return row_of(self._decoded(line))
        record = KnownRecord(
            quick.account_id.decode("ascii"),
            quick.document,
            quick.observed_at or self.observed_at,
            digest_bytes(quick.document.encode("ascii")),
        )
        ids = frozenset(own.decode("ascii") for _, own in quick.product_ids if own)
        return AccountRow(record, quick.customer_number, ids)

    def _account(self, number: int) -> KnownAccount:
        return self._decoded(self._line(number))

    def _decoded(self, line: bytes) -> KnownAccount:
        data = load(line.decode("utf-8"))
        assert isinstance(data, dict)  # as when it was checked
        return account_in(data, self.observed_at)

    def _line(self, number: int) -> bytes:
        try:
            line = os.pread(self._file, self._sizes[number], self._starts[number])
        except OSError as error:
            raise unreadable(self._name, error) from None
        if hash(line) != self._digests[number]:
            raise InvalidInput(
                f"{self._name}: the snapshot was changed while it was read", hint="run the command again"
            )
        return line
