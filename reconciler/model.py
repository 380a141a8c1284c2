"""The nouns: what a manifest declares of an account, and what is known of it.

*Declared* values come from manifests: a field that isn't there (``None``) is not managed.
*Known* values come from imports and from answers: a field may be `UNKNOWN` (nobody told us), ``None``
(known to be empty) or a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.instants import Minute, Moment, instant_text, parse_known


class Unknown(Enum):
    """The one value of a field that nobody told us about."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

KnownText: TypeAlias = "str | Literal[Unknown.UNKNOWN] | None"
KnownMinute: TypeAlias = "Minute | Literal[Unknown.UNKNOWN] | None"

#: The kinds of sync, by the name that a manifest's ``sync`` gives them.
SYNC_KINDS: Final = ("address", "subscriptions")

#: The fields of a product that a manifest can declare, in the order in which they are shown.
PRODUCT_FIELDS: Final = ("state", "subscription_type", "valid_from", "valid_to", "subscription_number")


@dataclass(frozen=True, slots=True)
class Source:
    """Where something is declared: ``line`` counts from 1; ``fields`` has the line of each field's value."""

    file: str
    line: int
    fields: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Json]:
        """As plans show it."""
        data: dict[str, Json] = {"file": self.file, "line": self.line}
        if self.fields:
            data["fields"] = dict(self.fields)
        return data


@dataclass(frozen=True, slots=True)
class DeclaredProduct:
    """One user product of a manifest. Ids are in lower case."""

    source: Source
    product_id: str | None = None
    user_product_id: str | None = None
    state: str | None = None
    subscription_type: str | None = None
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    subscription_number: str | None = None
    protect: bool = False

    @property
    def manages(self) -> bool:
        """True if any field is declared."""
        return any(getattr(self, name) is not None for name in PRODUCT_FIELDS)


@dataclass(frozen=True, slots=True)
class DeclaredAccount:
    """One document. ``sync`` maps a kind of `SYNC_KINDS` to its request word."""

    account_id: str
    source: Source
    customer_number: str | None = None
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sync: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user_products: tuple[DeclaredProduct, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The declaration without its places: equal declarations are equal bytes."""
        data: dict[str, Json] = {"account_id": self.account_id}
        _put(data, customer_number=self.customer_number, owner=self.owner)
        if self.labels:
            data["labels"] = {name: self.labels[name] for name in sorted(self.labels)}
        if self.sync:
            data["sync"] = {kind: self.sync[kind] for kind in sorted(self.sync)}
        products = sorted(self.user_products, key=product_order)
        data["user_products"] = [_declared_json(product) for product in products]
        return data


def _declared_json(product: DeclaredProduct) -> Json:
    data: dict[str, Json] = {}
    _put(data, product_id=product.product_id, user_product_id=product.user_product_id)
    for name in PRODUCT_FIELDS:
        value = getattr(product, name)
        if value is not None:
            data[name] = value.text if isinstance(value, Moment) else value
    if product.protect:
        data["protect"] = True
    return data


def _put(data: dict[str, Json], **values: str | None) -> None:
    data.update({name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True, slots=True)
class KnownProduct:
    """What is known of one user product. Ids are in lower case; an id that isn't known is ``None``."""

    product_id: str | None = None
    user_product_id: str | None = None
    state: KnownText = UNKNOWN
    subscription_type: KnownText = UNKNOWN
    valid_from: KnownMinute = UNKNOWN
    valid_to: KnownMinute = UNKNOWN
    subscription_number: KnownText = UNKNOWN
    provision_service: KnownText = UNKNOWN


@dataclass(frozen=True, slots=True)
class Doubt:
    """A call whose outcome isn't known: what it was for. ``run`` and ``step`` say where to look it up."""

    action: str
    product_id: str | None = None
    user_product_id: str | None = None
    run: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What is known of one account.

    ``synced`` maps a kind of `SYNC_KINDS` to the request word recorded as done. ``observed_at`` is the
    clock text of the newest observation. ``unverified`` is set by a sync (it may have changed anything)
    and cleared by a newer import.
    """

    account_id: str
    customer_number: KnownText = UNKNOWN
    synced: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user_products: tuple[KnownProduct, ...] = ()
    observed_at: str | None = None
    unverified: bool = False
    doubts: tuple[Doubt, ...] = ()

    def digest(self) -> str:
        """SHA-256 over what is known, without when we learned it: what a plan's steps are bound to."""
        return canonical.digest(self.to_json())

    def to_json(self) -> dict[str, Json]:
        """The snapshot form, without ``observed_at``: unknown fields are left out, empty ones are null."""
        data: dict[str, Json] = {"account_id": self.account_id}
        if self.customer_number is not UNKNOWN:
            data["customer_number"] = self.customer_number
        if self.synced:
            data["synced"] = {kind: self.synced[kind] for kind in sorted(self.synced)}
        data["user_products"] = [known_product_json(p) for p in sorted(self.user_products, key=product_order)]
        if self.unverified:
            data["unverified"] = True
        if self.doubts:
            data["in_doubt"] = [_doubt_json(doubt) for doubt in self.doubts]
        return data


def known_product_json(product: KnownProduct) -> dict[str, Json]:
    """A known product in the snapshot form."""
    data: dict[str, Json] = {}
    _put(data, product_id=product.product_id, user_product_id=product.user_product_id)
    for name in ("state", "subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service"):
        value = getattr(product, name)
        if value is not UNKNOWN:
            data[name] = instant_text(value) if isinstance(value, int) else value
    return data


def _doubt_json(doubt: Doubt) -> Json:
    data: dict[str, Json] = {"action": doubt.action}
    _put(data, product_id=doubt.product_id, user_product_id=doubt.user_product_id, run=doubt.run)
    if doubt.step is not None:
        data["step"] = doubt.step
    return data


def known_account_from_json(data: Mapping[str, Json]) -> KnownAccount:
    """An account of the snapshot form, whose schema was checked before. Unknown fields are ignored.

    Raises `reconciler.instants.BadTime` for a time that can't be read.
    """
    synced = data.get("synced")
    products = data.get("user_products") or []
    doubts = data.get("in_doubt") or []
    assert isinstance(products, list) and isinstance(doubts, list)
    return KnownAccount(
        account_id=str(data["account_id"]).lower(),
        customer_number=_known_text(data, "customer_number"),
        synced=MappingProxyType({str(k): str(v) for k, v in synced.items()} if isinstance(synced, dict) else {}),
        user_products=tuple(sorted((_known_product(p) for p in products if isinstance(p, dict)), key=product_order)),
        observed_at=_optional_text(data, "observed_at"),
        unverified=data.get("unverified") is True,
        doubts=tuple(_doubt(d) for d in doubts if isinstance(d, dict)),
    )


def _known_product(data: Mapping[str, Json]) -> KnownProduct:
    return KnownProduct(
        product_id=_id(data, "product_id"),
        user_product_id=_id(data, "user_product_id"),
        state=_known_text(data, "state"),
        subscription_type=_known_text(data, "subscription_type"),
        valid_from=_known_minute(data, "valid_from"),
        valid_to=_known_minute(data, "valid_to"),
        subscription_number=_known_text(data, "subscription_number"),
        provision_service=_known_text(data, "provision_service"),
    )


def _doubt(data: Mapping[str, Json]) -> Doubt:
    step = data.get("step")
    return Doubt(
        action=str(data.get("action")),
        product_id=_id(data, "product_id"),
        user_product_id=_id(data, "user_product_id"),
        run=_optional_text(data, "run"),
        step=step if isinstance(step, int) else None,
    )


def _known_text(data: Mapping[str, Json], name: str) -> KnownText:
    if name not in data:
        return UNKNOWN
    value = data[name]
    return None if value is None else str(value)


def _known_minute(data: Mapping[str, Json], name: str) -> KnownMinute:
    text = _known_text(data, name)
    return parse_known(text) if isinstance(text, str) else text


def _optional_text(data: Mapping[str, Json], name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value)


def _id(data: Mapping[str, Json], name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value).lower()


class HasProductIds(Protocol):
    """Anything that names a user product by its two ids."""

    @property
    def product_id(self) -> str | None:
        """What `update` addresses; ``None`` if nobody told."""
        ...

    @property
    def user_product_id(self) -> str | None:
        """What `reactivate` and `subscription_number` address; ``None`` if nobody told."""
        ...


def product_order(product: HasProductIds) -> tuple[str, str]:
    """The order of products within an account; a missing id sorts first."""
    return (product.product_id or "", product.user_product_id or "")


@dataclass(frozen=True, slots=True)
class KnownHead:
    """Which store or snapshot known state comes from: lineage and serial are ``None`` where it doesn't say.

    ``mark`` is another one after each change, also where a serial comes round again after a backup was put back; a
    snapshot has none, since anybody may edit it.
    """

    environment: str
    lineage: str | None = None
    serial: int | None = None
    observed_at: str | None = None
    mark: str | None = None


class KnownRecord(NamedTuple):
    """A known account as text: ``document`` is its canonical JSON (`KnownAccount.to_json`), ``digest`` that of it."""

    account_id: str
    document: str
    observed_at: str | None
    digest: str


def known_record(account: KnownAccount) -> KnownRecord:
    """``account`` as text."""
    document = canonical.dumps(account.to_json())
    return KnownRecord(
        account.account_id, document, account.observed_at, canonical.digest_bytes(document.encode("ascii"))
    )


@dataclass(frozen=True, slots=True)
class KnownView:
    """Known state as the planner reads it: accounts in ascending order of their id, each id once.

    ``account_of`` tells which account a ``user_product_id`` is known on, if any. ``texts`` are the accounts as they
    are kept, where that is cheaper than the accounts themselves; ``find`` looks one account up, ``pick`` the texts of
    some, a page of them at most.
    """

    head: KnownHead
    accounts: Callable[[], Iterator[KnownAccount]]
    account_of: Callable[[str], str | None]
    texts: Callable[[], Iterator[KnownRecord]] | None = None
    find: Callable[[str], KnownAccount | None] | None = None
    pick: Callable[[Sequence[str]], dict[str, KnownRecord]] | None = None

    def records(self) -> Iterator[KnownRecord]:
        """All accounts as text, in their order."""
        return map(known_record, self.accounts()) if self.texts is None else self.texts()

    def records_of(self, account_ids: Sequence[str]) -> dict[str, KnownRecord]:
        """Some accounts as text, a page of them at most; those of which nothing is known are left out."""
        if self.pick is not None:
            return self.pick(account_ids)
        found = map(self.account, account_ids)
        return {account.account_id: known_record(account) for account in found if account is not None}

    def account(self, account_id: str) -> KnownAccount | None:
        """What is known of one account. Raises as the store does."""
        if self.find is not None:
            return self.find(account_id)
        return next((account for account in self.accounts() if account.account_id == account_id), None)
