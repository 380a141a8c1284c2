"""How a store keeps one account: its products in order, its JSON, its digest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from reconciler import canonical
from reconciler.model import (
    KnownAccount,
    KnownProduct,
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


def encoded(account: KnownAccount) -> tuple[str, str]:
    """The account's JSON without ``observed_at``, and its digest."""
    record = known_record(account)
    return record.document, record.digest


def decoded(document: str, observed_at: str | None) -> KnownAccount:
    """The account behind `encoded` and the time it was observed."""
    data = json.loads(document)
    data["observed_at"] = observed_at
    return known_account_from_json(data)


def user_product_ids(account: KnownAccount) -> frozenset[str]:
    """The ids by which ``account_of`` finds the account."""
    return frozenset(p.user_product_id for p in account.user_products if p.user_product_id is not None)
