"""The short way from a document to its row, for documents with nothing to say about."""

from __future__ import annotations

from array import array
from typing import Any, Final

from reconciler import canonical
from reconciler.instants import BadTime, Minute, parse_declared
from reconciler.manifests.facts import (
    ACCOUNT,
    CUSTOMER_NUMBER,
    SUBSCRIPTION_NUMBER,
    USER_PRODUCT,
    Row,
    digest_of,
    endings_of,
    id_key,
    known_text,
    number_key,
)
from reconciler.manifests.nodes import Document
from reconciler.model import SYNC_KINDS
from reconciler.predicates import accepts

_PRODUCT_KEYS: Final = (
    "product_id",
    "user_product_id",
    "subscription_type",
    "valid_from",
    "valid_to",
    "subscription_number",
)


def quick_row(document: Document, place: tuple[int, int, int], claims: array[int]) -> Row | None:
    """The row of a document with nothing to say about, straight from its nodes; ``None`` for all others.

    It comes to the same row as the long way through `declare` and to the same claims, which are added; a property
    test holds the two to each other.
    """
    root: Any = document.root
    if not document.sound or document.ambiguous or document.quoted or not accepts("account")(root):
        return None
    account_id, number, sync, labels = root["account_id"].lower(), *map(root.get, ("customer_number", "sync", "labels"))
    keys = [id_key(ACCOUNT, account_id)]
    if number is not None:
        keys.append(number_key(CUSTOMER_NUMBER, number))
    products = []
    ends: list[tuple[Minute, str, int, int]] = []
    for node in root["user_products"]:
        product = _quick_product(node, keys)
        if product is None:
            return None
        products.append(product)
        wanted, (_, end, _) = product
        if end is not None and wanted[2] == "activated":
            at = document.places.at(node.value_marks["valid_to"])
            ends.append((parse_declared(node["valid_to"]).minute, end, at.line, at.column))
    ids = [wanted[0] for wanted, _ in products if wanted[0] is not None]
    if len(set(ids)) < len(ids):
        return None
    if len(products) > 1:
        products.sort(key=_quick_order)
    facts = canonical.dumps(
        [
            {kind: sync[kind] for kind in SYNC_KINDS if kind in sync} if sync is not None else {},
            [wanted for wanted, _ in products],
            number,
            root.get("owner"),
            {name: labels[name] for name in sorted(labels)} if labels is not None else {},
            [sent for _, sent in products],
        ]
    )
    claims.extend(keys)
    return Row(account_id, digest_of(account_id, facts), *place, len(products), *endings_of(ends), facts)


def _quick_product(node: Any, keys: list[int]) -> tuple[list[Any], list[Any]] | None:
    """Both lists of a product in `facts_text`; ``None`` if there is something to say about it. Its claims are added."""
    product_id, user_product_id, kind, start, end, number = map(node.get, _PRODUCT_KEYS)
    try:
        start = start and parse_declared(start)
        end = end and parse_declared(end)
    except BadTime:
        return None
    if end is None and kind == "limited":
        return None
    if start is not None and end is not None and start.minute >= end.minute:
        return None
    if user_product_id is not None:
        user_product_id = user_product_id.lower()
        keys.append(id_key(USER_PRODUCT, user_product_id))
    if number is not None:
        keys.append(number_key(SUBSCRIPTION_NUMBER, number))
    state = node.get("state")
    product_id = product_id and product_id.lower()
    wanted = [product_id, user_product_id, state, kind, known_text(start), known_text(end), number]
    return wanted, [start and start.text, end and end.text, False]


def _quick_order(product: tuple[list[Any], list[Any]]) -> tuple[str, str]:
    return (product[0][0] or "", product[0][1] or "")
