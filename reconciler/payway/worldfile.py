"""The world's file: JSON Lines, a head, then one account a line; of two lines for one account the later counts.

A change is one appended line, so a killed process loses at most the line it was writing: a torn last line
is ignored. The file can be written by hand: see the project's page on the simulator.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import InvalidInput, StoreFailed
from reconciler.instants import BadTime, parse_known
from reconciler.model import (
    SYNC_KINDS,
    KnownProduct,
    known_account_from_json,
    known_product_json,
)
from reconciler.payway.worldmodel import WorldAccount, WorldProduct, account_from_known

FORMAT: Final = "reconciler.world/v1"

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_ID_FIELDS: Final = frozenset({"account_id", "user_product_id", "product_id"})
_TIME_FIELDS: Final = frozenset({"valid_from", "valid_to"})
_PRODUCT_KEYS: Final = frozenset(
    {
        "user_product_id",
        "product_id",
        "state",
        "subscription_type",
        "valid_from",
        "valid_to",
        "subscription_number",
        "provision_service",
    }
)
#: Keys of a snapshot's account line that mean nothing to the world: such a line may be pasted as it is.
_SNAPSHOT_KEYS: Final = frozenset({"synced", "observed_at", "unverified", "in_doubt"})
_ACCOUNT_KEYS: Final = frozenset({"account_id", "customer_number", "user_products", "syncs", "external"})


class _Flaw(Exception):
    """What is wrong with a line."""


def account_line(account: WorldAccount) -> str:
    """``account`` as one line, without its end."""
    data: dict[str, Json] = {
        "account_id": account.account_id,
        "customer_number": account.customer_number,
        "syncs": dict(account.syncs),
        "user_products": [known_product_json(_as_known(product)) for product in account.user_products],
    }
    if account.external is not None:
        data["external"] = {"user_products": [known_product_json(product) for product in account.external]}
    return canonical.dumps(data)


def _as_known(product: WorldProduct) -> KnownProduct:
    return KnownProduct(
        product_id=product.product_id,
        user_product_id=product.user_product_id,
        state=product.state,
        subscription_type=product.subscription_type,
        valid_from=product.valid_from,
        valid_to=product.valid_to,
        subscription_number=product.subscription_number,
        provision_service=product.provision_service,
    )


def _account(data: object) -> WorldAccount:
    """The account of one line. Raises `_Flaw`."""
    account = _object(data, _ACCOUNT_KEYS | _SNAPSHOT_KEYS, "account")
    if "account_id" not in account:
        raise _Flaw("account_id is missing")
    _check_texts(account, ("account_id", "customer_number"))
    if account["account_id"] is None:
        raise _Flaw("account_id must not be null")
    _check_products(account.get("user_products", []))
    known = account_from_known(known_account_from_json(account))
    counted = _object(account.get("syncs", {}), frozenset(SYNC_KINDS), "syncs")
    if any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counted.values()):
        raise _Flaw("syncs must hold whole numbers from 0")
    syncs = MappingProxyType({kind: int(str(counted.get(kind, 0))) for kind in SYNC_KINDS})
    external: tuple[KnownProduct, ...] | None = None
    if account.get("external") is not None:
        held = _object(account["external"], frozenset({"user_products"}), "external").get("user_products", [])
        _check_products(held)
        inner: dict[str, Json] = {"account_id": account["account_id"], "user_products": held}
        external = known_account_from_json(inner).user_products
    return replace(known, syncs=syncs, external=external)


def _check_products(products: object) -> None:
    if not isinstance(products, list):
        raise _Flaw("user_products must be a list")
    for product in products:
        data = _object(product, _PRODUCT_KEYS, "user product")
        _check_texts(data, sorted(_PRODUCT_KEYS))
        if data.get("user_product_id") is None and data.get("product_id") is None:
            raise _Flaw("a user product needs a user_product_id or a product_id")


def _object(value: object, keys: frozenset[str], what: str) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise _Flaw(f"{what} must be an object")
    for key in value:
        if key not in keys:
            raise _Flaw(f"{what} has no key {key!r}; it can hold {', '.join(sorted(keys))}")
    return value


def _check_texts(data: Mapping[str, Json], names: Iterable[str]) -> None:
    for name in names:
        value = data.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise _Flaw(f"{name} must be text or null")
        if name in _ID_FIELDS and _ID.fullmatch(value) is None:
            raise _Flaw(f"{name} must be 24 hex digits")
        if name in _TIME_FIELDS:
            try:
                parse_known(value)
            except BadTime as error:
                raise _Flaw(f"{name}: {error}") from None


class WorldFile:
    """A world's file, open for appending between `load` or `compact` and `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wants_compaction = False
        self._out: FileIO | None = None

    def load(self) -> Iterator[WorldAccount]:
        """The accounts in the order of their lines, overtaken ones too; nothing if there is no file.

        Raises `InvalidInput` with the line that can't be read.
        """
        try:
            text = self.path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            self.wants_compaction = True
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self.path} can't be read: {error}", hint="a world file is UTF-8 JSON Lines") from None
        lines = text.split("\n")
        # After the last newline stands nothing, or a line that a killed process tore.
        tail = len(lines) if lines[-1] else 0
        self.wants_compaction = bool(tail)
        seen: set[str] = set()
        head = False
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
            except (ValueError, RecursionError):
                if number == tail and head:
                    return
                raise self._bad(number, "it isn't JSON") from None
            try:
                if not head:
                    _check_head(data)
                    head = True
                    continue
                account = _account(data)
            except _Flaw as flaw:
                raise self._bad(number, str(flaw)) from None
            self.wants_compaction |= account.account_id in seen
            seen.add(account.account_id)
            yield account
        if not head:
            raise self._bad(1, "it is empty")

    def append(self, account: WorldAccount) -> None:
        """Write ``account`` as a further line. Raises `StoreFailed`."""
        line = (account_line(account) + "\n").encode("ascii")
        try:
            if self._out is None:
                self._out = self.path.open("ab", buffering=0)
            size = os.fstat(self._out.fileno()).st_size
            written = self._out.write(line)
            if written != len(line):
                # Half a line would spoil the one after it.
                self._out.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._failed(error) from None
        self.wants_compaction = True

    def compact(self, accounts: Iterable[WorldAccount]) -> None:
        """Replace the file by one that has a line for each of ``accounts``, in one move. Raises `StoreFailed`."""
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp makes the file readable for its owner only, as personal data asks for.
            handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise self._failed(error) from None
        try:
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as out:
                out.write(canonical.dumps({"format": FORMAT}) + "\n")
                for account in accounts:
                    out.write(account_line(account) + "\n")
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path)
        except BaseException as error:
            with suppress(OSError):
                Path(name).unlink()
            if isinstance(error, OSError):
                raise self._failed(error) from None
            raise
        self.wants_compaction = False

    def close(self) -> None:
        """Close the file; a later change opens it again."""
        if self._out is not None:
            self._out.close()
            self._out = None

    def _bad(self, line: int, why: str) -> InvalidInput:
        return InvalidInput(
            f"{self.path}:{line}: the world file can't be used: {why}",
            hint=f'the first line is {{"format": "{FORMAT}"}}, each further one an account object',
        )

    def _failed(self, error: OSError) -> StoreFailed:
        return StoreFailed(
            f"the world file {self.path} can't be written: {error.strerror or error}",
            hint="check the folder's permissions and free space",
        )


def _check_head(data: object) -> None:
    found = data.get("format") if isinstance(data, dict) else None
    if found == FORMAT:
        return
    if isinstance(found, str):
        raise _Flaw(f"its format is {found!r}, not {FORMAT!r}")
    raise _Flaw(f"the first line must be a head with the format {FORMAT!r}")
