"""What each of Payway's calls does to the simulator's world, by the vendor's pages.

Where the pages are silent an assumption decides, mostly for the worse, so that a rehearsal doesn't promise
what Payway may refuse. `ASSUMPTIONS` names each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from reconciler.instants import Minute, parse_known
from reconciler.model import UNKNOWN, KnownProduct
from reconciler.payway.pages import Rejected
from reconciler.payway.world import World
from reconciler.payway.worldmodel import (
    ACTIVATED,
    ANY_SERVICE,
    CANCELLED,
    PENDING,
    TULO,
    WorldAccount,
    WorldProduct,
    product_from_known,
    state_at,
)

#: The provision service of an API user that was configured without one.
NO_SERVICE: Final = ""

#: What the pages don't say, by name; the code that decides it quotes the name.
ASSUMPTIONS: Final = MappingProxyType(
    {
        "either-id": "`product_id` of `update` is the user product's own id or its catalogue id; the own id wins",
        "latest-of-several": "of several user products of one catalogue id, `update` takes one that hasn't ended, "
        "then the one that starts last",
        "unsent-stays": "an optional field that `update` doesn't send stays as it was",
        "update-lifts-no-cancellation": "`state: activated` in an `update` leaves a cancelled product cancelled "
        "while its term runs",
        "update-lifts-frozen": "`state: activated` in an `update` activates a product in any other state",
        "activated-later-is-pending": "an activated product whose `valid_from` lies ahead is pending after an `update`",
        "window-order": "`update` refuses a window that would not end after it starts, as `invalid_parameter`",
        "one-time-form": "times are taken only as in `2016-10-02 13:00 +0100`",
        "ends-at-valid-to": "a term is over from the minute `valid_to` on; without a `valid_to` it has no end",
        "recurring-renews": "a recurring product is still activated after its `valid_to`, which stays as it is",
        "reactivate-order": "`reactivate` checks account, product, owner, provision service, state in this order",
        "foreign-number": "`subscription_number` for a user product of another account answers 404 `not_found`",
        "missing-scope": "a token without the page's scope gets a 403 that has no code of Payway's",
        "sync-is-done": "a sync has done its work when it answers",
        "unknown-service": "a provision service that nobody told us hinders no call",
    }
)

_ACCOUNT_NOT_FOUND: Final = "The account could not be found"
_PRODUCT_NOT_FOUND: Final = "The user-product could not be found"
_NOT_FOUND: Final = "The account or product could not be found"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a call meets: the world, the minute, and the API user's provision service.

    ``provision_service`` is ``None`` if it isn't to be checked, `NO_SERVICE` if the API user has none.
    """

    world: World
    minute: Minute
    provision_service: str | None = None


def update(values: Mapping[str, str], setting: Setting) -> str:
    """Page "Update": set state, type and window of a user product. Returns its id, raises `Rejected`."""
    if setting.provision_service == NO_SERVICE:
        raise Rejected(400, "configuration_error", "API user not configured correctly")
    account = setting.world.account(values["account_id"])
    if account is None:
        raise Rejected(404, "not_found", _ACCOUNT_NOT_FOUND)
    product = _addressed(account, values["product_id"], setting)
    # What time has done to it comes first: a term that has ended doesn't come back by being moved.
    product = replace(product, state=state_at(product, setting.minute))
    changed = replace(
        product,
        # unsent-stays
        subscription_type=values.get("subscription_type", product.subscription_type),
        valid_from=_time(values, "valid_from", product.valid_from),
        valid_to=_time(values, "valid_to", product.valid_to),
        state=_state_set(product.state, values.get("state")),
    )
    _check_window(values, changed)
    # activated-later-is-pending
    if changed.state == ACTIVATED and changed.valid_from is not None and changed.valid_from > setting.minute:
        changed = replace(changed, state=PENDING)
    setting.world.put(account.with_product(replace(changed, state=state_at(changed, setting.minute))))
    return product.user_product_id


def _addressed(account: WorldAccount, product_id: str, setting: Setting) -> WorldProduct:
    # either-id: the page's example has the same id in the request's product_id and in the answer.
    found = [p for p in account.user_products if p.user_product_id == product_id]
    found = found or [p for p in account.user_products if p.product_id == product_id]
    if not found:
        raise Rejected(404, "not_found", _PRODUCT_NOT_FOUND)
    # unknown-service
    service = setting.provision_service
    own = [p for p in found if service is None or p.provision_service in (service, ANY_SERVICE)]
    if not own:
        raise Rejected(
            403, "not_product_owner", "The user-product with expected external provision-service was not found"
        )
    # latest-of-several
    return max(own, key=lambda p: (p.valid_to is None or p.valid_to > setting.minute, p.valid_from or 0))


def _state_set(state: str, wanted: str | None) -> str:
    if wanted is None or (wanted == ACTIVATED and state == CANCELLED):
        # update-lifts-no-cancellation
        return state
    # update-lifts-frozen
    return wanted


def _time(values: Mapping[str, str], name: str, before: Minute | None) -> Minute | None:
    return parse_known(values[name]) if name in values else before


def _check_window(values: Mapping[str, str], product: WorldProduct) -> None:
    # window-order
    sent = [name for name in ("valid_to", "valid_from") if name in values]
    if not sent or product.valid_from is None or product.valid_to is None:
        return
    if product.valid_from >= product.valid_to:
        raise Rejected(400, "invalid_parameter", "valid_to must be after valid_from", sent[0])


def reactivate(values: Mapping[str, str], setting: Setting) -> str:
    """Page "Reactivate": take a cancellation back while the term runs. Returns the product's id, raises `Rejected`."""
    # reactivate-order
    account = setting.world.account(values["account_id"])
    owner = setting.world.owner_of(values["user_product_id"])
    if account is None or owner is None:
        raise Rejected(404, "not_found", _NOT_FOUND)
    product = _own(account, values["user_product_id"])
    if product is None:
        raise Rejected(
            409, "user_product_not_belong_to_account", "The product is not associated with the current account"
        )
    if product.provision_service not in (TULO, ANY_SERVICE):
        raise Rejected(409, "user_product_not_tulo_provisioned", "The product is not controlled by Payway")
    if state_at(product, setting.minute) != CANCELLED:
        raise Rejected(409, "invalid_state", "The product is not cancelled and can not be reactivated")
    setting.world.put(account.with_product(replace(product, state=ACTIVATED)))
    return product.user_product_id


def subscription_number(values: Mapping[str, str], setting: Setting) -> str:
    """Page "Subscription number": set the number. Returns the product's id, raises `Rejected`."""
    account = setting.world.account(values["account_id"])
    product = None if account is None else _own(account, values["user_product_id"])
    if account is None or product is None:
        # foreign-number
        raise Rejected(404, "not_found", _NOT_FOUND)
    setting.world.put(account.with_product(replace(product, subscription_number=values["subscription_number"])))
    return product.user_product_id


def sync_address(values: Mapping[str, str], setting: Setting) -> str:
    """Page "Sync address": count it. Returns the account's id, raises `Rejected`."""
    account = setting.world.account_of_customer(values["customer_number"])
    if account is None:
        raise Rejected(404, "not_found", _ACCOUNT_NOT_FOUND)
    setting.world.put(account.with_sync("address"))
    return account.account_id


def sync_subscriptions(values: Mapping[str, str], setting: Setting) -> str:
    """Page "Sync customer subscriptions": make the products as the external system has them, and count it.

    Returns the account's id, raises `Rejected`.
    """
    account = setting.world.account_of_customer(values["customer_number"])
    if account is None:
        raise Rejected(404, "not_found", _NOT_FOUND)
    # sync-is-done
    setting.world.put(_matched(account).with_sync("subscriptions"))
    return account.account_id


def _own(account: WorldAccount, user_product_id: str) -> WorldProduct | None:
    return next((p for p in account.user_products if p.user_product_id == user_product_id), None)


def _matched(account: WorldAccount) -> WorldAccount:
    """``account`` with what the external system says of its products laid over them; new ones come last."""
    products = list(account.user_products)
    for external in account.external or ():
        place = next((n for n, product in enumerate(products) if _is_same(product, external)), None)
        if place is None:
            products.append(product_from_known(external, account.account_id, len(products)))
        else:
            products[place] = _overwritten(products[place], external)
    return replace(account, user_products=tuple(products))


def _is_same(product: WorldProduct, external: KnownProduct) -> bool:
    if external.user_product_id is not None:
        return product.user_product_id == external.user_product_id
    return product.product_id == external.product_id


def _overwritten(product: WorldProduct, external: KnownProduct) -> WorldProduct:
    told = {
        name: value
        for name in ("subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service")
        if (value := getattr(external, name)) is not UNKNOWN
    }
    if external.product_id is not None:
        told["product_id"] = external.product_id
    if external.state is not UNKNOWN and external.state is not None:
        told["state"] = external.state
    return replace(product, **told)


#: What each call does: the values of its body and the setting in, the answered id out.
EFFECTS: Final[Mapping[str, Callable[[Mapping[str, str], Setting], str]]] = MappingProxyType(
    {
        "update": update,
        "reactivate": reactivate,
        "subscription_number": subscription_number,
        "sync_address": sync_address,
        "sync_subscriptions": sync_subscriptions,
    }
)
