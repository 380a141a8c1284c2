"""What the simulator's world is made of: accounts and user products as Payway would hold them.

A product's stored state is a word of the past: `state_at` reads it at a moment, because terms end and
begin by themselves. What known state doesn't say is filled in by the assumptions named here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from reconciler.instants import Minute
from reconciler.model import SYNC_KINDS, UNKNOWN, KnownAccount, KnownProduct, KnownText, product_order

ACTIVATED: Final = "activated"
PENDING: Final = "pending"
CANCELLED: Final = "cancelled"
DEACTIVATED: Final = "deactivated"
RECURRING: Final = "recurring"
LIMITED: Final = "limited"

#: The provision service of products that Payway itself provisions.
TULO: Final = "tulo"
#: A provision service that nobody told us: it stands in no call's way.
ANY_SERVICE: Final = "*"

#: A state that nobody told us.
ASSUMED_STATE: Final = ACTIVATED


@dataclass(frozen=True, slots=True)
class WorldProduct:
    """One user product. ``state`` is as it was last written; ask `state_at` for what it is now.

    Times are minutes since 1970 (UTC); ``None`` is an open end. ``product_id`` is ``None`` if the
    catalogue id isn't known: then only its own id addresses the product.
    """

    user_product_id: str
    product_id: str | None = None
    state: str = ASSUMED_STATE
    subscription_type: str | None = None
    valid_from: Minute | None = None
    valid_to: Minute | None = None
    subscription_number: str | None = None
    provision_service: str | None = ANY_SERVICE


@dataclass(frozen=True, slots=True)
class WorldAccount:
    """One account. ``syncs`` counts the syncs by kind.

    ``external`` is what the external subscription system holds, for `sync_subscriptions` to copy over;
    ``None`` leaves the products alone.
    """

    account_id: str
    customer_number: str | None = None
    user_products: tuple[WorldProduct, ...] = ()
    syncs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(SYNC_KINDS, 0)))
    external: tuple[KnownProduct, ...] | None = None

    def with_product(self, product: WorldProduct) -> WorldAccount:
        """The account with ``product`` in the place of the one with its id."""
        products = tuple(product if p.user_product_id == product.user_product_id else p for p in self.user_products)
        return replace(self, user_products=products)

    def with_sync(self, kind: str) -> WorldAccount:
        """The account after one more sync of ``kind``."""
        return replace(self, syncs=MappingProxyType({**self.syncs, kind: self.syncs.get(kind, 0) + 1}))


def state_at(product: WorldProduct, minute: Minute) -> str:
    """The state of ``product`` at ``minute``: what time alone has made of the stored one.

    A pending product begins; a cancelled or limited one ends (page "Reactivate": cancelled is "not yet
    deactivated, IE the subscription term has not reached its end yet"). A recurring one renews itself and
    stays (assumption ``recurring-renews``). Other words stay as they are.
    """
    state = product.state
    if state == PENDING and product.valid_from is not None and product.valid_from <= minute:
        state = ACTIVATED
    # ends-at-valid-to
    ended = product.valid_to is not None and product.valid_to <= minute
    ends = state == CANCELLED or (state == ACTIVATED and product.subscription_type != RECURRING)
    return DEACTIVATED if ended and ends else state


def made_up_id(account_id: str, product_id: str | None, place: int) -> str:
    """The id of a user product whose own isn't known: the same input gives the same 24 hex digits."""
    text = f"reconciler.world:{account_id}:{product_id or ''}:{place}"
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()[:24]


def product_from_known(known: KnownProduct, account_id: str, place: int) -> WorldProduct:
    """``known`` with its gaps filled; ``place`` counts the account's products from 0.

    Unknown or empty: the own id is made up, the state is `ASSUMED_STATE`, the ends are open, there is no
    number. An unknown type is limited where an end is known, else recurring; an unknown provision service
    is `ANY_SERVICE`, an empty one stays empty.
    """
    valid_to = known.valid_to if known.valid_to is not UNKNOWN else None
    kind = _text(known.subscription_type)
    if known.subscription_type is UNKNOWN:
        kind = RECURRING if valid_to is None else LIMITED
    return WorldProduct(
        user_product_id=known.user_product_id or made_up_id(account_id, known.product_id, place),
        product_id=known.product_id,
        state=_text(known.state) or ASSUMED_STATE,
        subscription_type=kind,
        valid_from=known.valid_from if known.valid_from is not UNKNOWN else None,
        valid_to=valid_to,
        subscription_number=_text(known.subscription_number),
        provision_service=ANY_SERVICE if known.provision_service is UNKNOWN else _text(known.provision_service),
    )


def account_from_known(known: KnownAccount) -> WorldAccount:
    """``known`` as an account of the world, its gaps filled by `product_from_known`."""
    products = (product_from_known(p, known.account_id, place) for place, p in enumerate(known.user_products))
    return WorldAccount(known.account_id, _text(known.customer_number), tuple(products))


def account_to_known(account: WorldAccount, minute: Minute) -> KnownAccount:
    """What somebody who could read Payway at ``minute`` would know of ``account``."""
    products = (
        KnownProduct(
            product_id=p.product_id,
            user_product_id=p.user_product_id,
            state=state_at(p, minute),
            subscription_type=p.subscription_type,
            valid_from=p.valid_from,
            valid_to=p.valid_to,
            subscription_number=p.subscription_number,
            provision_service=UNKNOWN if p.provision_service == ANY_SERVICE else p.provision_service,
        )
        for p in account.user_products
    )
    return KnownAccount(
        account_id=account.account_id,
        customer_number=account.customer_number,
        user_products=tuple(sorted(products, key=product_order)),
    )


def _text(value: KnownText) -> str | None:
    # Empty text means empty: a table's cell has no other way to say it.
    return None if value is UNKNOWN else value or None
