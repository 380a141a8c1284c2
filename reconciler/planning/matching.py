"""Which known product a declared one means, and why that sometimes can't be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciler.model import DeclaredAccount, DeclaredProduct, KnownAccount, KnownProduct


@dataclass(frozen=True, slots=True)
class Match:
    """A declared product and the known one it means.

    Without ``known`` the product is adopted, or ``rule`` (and ``message``) say why it is blocked.
    """

    declared: DeclaredProduct
    known: KnownProduct | None = None
    rule: str | None = None
    message: str = ""


def match_products(
    account: DeclaredAccount, known: KnownAccount | None, account_of: Callable[[str], str | None]
) -> tuple[Match, ...]:
    """One `Match` for each declared product, in the order of the manifest.

    ``account_of`` tells which account a ``user_product_id`` is known on.
    """
    products = known.user_products if known is not None else ()
    by_id = {p.user_product_id: p for p in products if p.user_product_id is not None}
    taken = {id(by_id[d.user_product_id]) for d in account.user_products if d.user_product_id in by_id}
    free = [p for p in products if id(p) not in taken]
    matches = []
    for declared in account.user_products:
        wanted = declared.user_product_id
        if wanted is not None and wanted in by_id:
            matches.append(Match(declared, by_id[wanted]))
            continue
        elsewhere = account_of(wanted) if wanted is not None else None
        if elsewhere is not None and elsewhere != account.account_id:
            message = f"user product {wanted} is known on account {elsewhere}"
            matches.append(Match(declared, rule="wrong-account", message=message))
            continue
        matches.append(_by_product_id(declared, free))
    return tuple(matches)


def unmatched(known: KnownAccount, matches: Iterable[Match]) -> tuple[KnownProduct, ...]:
    """The known products that no declaration means."""
    meant = {id(match.known) for match in matches if match.known is not None}
    return tuple(product for product in known.user_products if id(product) not in meant)


def _by_product_id(declared: DeclaredProduct, free: Iterable[KnownProduct]) -> Match:
    candidates = [product for product in free if _same_product(declared, product)]
    if declared.user_product_id is not None:
        others = [product for product in candidates if product.user_product_id is not None]
        candidates = [product for product in candidates if product.user_product_id is None]
        if not candidates and others:
            known_id = others[0].user_product_id
            message = f"known as user product {known_id}, declared as {declared.user_product_id}"
            return Match(declared, rule="user-product-mismatch", message=message)
    if len(candidates) > 1:
        ids = ", ".join(product.user_product_id or "one without an id" for product in candidates)
        message = (
            f"{len(candidates)} known products have product_id {declared.product_id} ({ids}); declare user_product_id"
        )
        return Match(declared, rule="ambiguous-product", message=message)
    return Match(declared, candidates[0] if candidates else None)


def _same_product(declared: DeclaredProduct, known: KnownProduct) -> bool:
    if declared.product_id is None:
        return False
    if known.product_id is None:
        # What `update` takes as product_id may be the user product's own id (an unknown of Payway's pages).
        return known.user_product_id == declared.product_id
    return known.product_id == declared.product_id
