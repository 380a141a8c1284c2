"""Merges what somebody saw of an account into what is known of it: field by field, by time.

An absent field keeps what was known, an empty one is known to be empty. Products vanish only when the
observation is said to be complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Final, TypeVar

from reconciler.instants import parse_clock
from reconciler.model import UNKNOWN, Doubt, KnownAccount, KnownProduct, Unknown
from reconciler.state.accounts import arranged, in_order

#: What calls and syncs can change of a product, and which of it each call that isn't a sync changes.
_CHANGEABLE: Final = frozenset(
    {"state", "subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service"}
)
_CHANGED_BY: Final = MappingProxyType(
    {
        "update": frozenset({"state", "subscription_type", "valid_from", "valid_to"}),
        "reactivate": frozenset({"state"}),
        "subscription_number": frozenset({"subscription_number"}),
    }
)

_Value = TypeVar("_Value")


@lru_cache(maxsize=1024)
def moment_of(clock: str) -> datetime:
    """The moment of a time that many accounts may share."""
    return parse_clock(clock)


def is_older(seen: str | None, known: str | None) -> bool:
    """True if what was observed at ``seen`` is older than what was at ``known``; without a time, it is oldest."""
    if known is None:
        return False
    return seen is None or moment_of(seen) < moment_of(known)


def merge_account(known: KnownAccount | None, seen: KnownAccount, *, complete: bool) -> KnownAccount:
    """What is known of an account after somebody saw it as ``seen``.

    A newer observation settles the doubts, and the mark that a sync leaves, of all that it tells: what a call may
    have changed and the observation leaves out is as uncertain as before. One of the same time or older (which a
    person forced) settles nothing: it may have been made before the call.
    """
    if known is None:
        return arranged(seen)
    pairs = _paired(known.user_products, seen.user_products)
    newer = is_older(known.observed_at, seen.observed_at)
    untold = _untold(pairs, complete=complete)
    kept = tuple(doubt for doubt in known.doubts if not newer or _leaves_open(doubt, untold))
    doubts = tuple(dict.fromkeys((*kept, *seen.doubts)))
    # While a doubt stays, no observation from before its call may come to look newer than it.
    keeps_time = bool(doubts) and is_older(seen.observed_at, known.observed_at)
    return KnownAccount(
        account_id=known.account_id,
        customer_number=_newer(known.customer_number, seen.customer_number),
        synced=MappingProxyType({**known.synced, **seen.synced}),
        user_products=_merged(pairs, complete=complete),
        observed_at=known.observed_at if keeps_time else seen.observed_at or known.observed_at,
        unverified=seen.unverified or (known.unverified and (not newer or bool(untold))),
        doubts=doubts,
    )


def merge_products(
    known: Sequence[KnownProduct], seen: Sequence[KnownProduct], *, complete: bool
) -> tuple[KnownProduct, ...]:
    """The products of an account after somebody saw ``seen``, in order.

    They are matched by ``user_product_id``; where one side has none, by ``product_id``, but only one against one.
    What can't be told apart is kept beside each other, never mixed; the planner blocks it as ambiguous.
    """
    return _merged(_paired(known, seen), complete=complete)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Products that are known and seen, those that are new, and those that weren't seen."""

    both: list[tuple[KnownProduct, KnownProduct]]
    new: list[KnownProduct]
    left: list[KnownProduct]


def _paired(known: Sequence[KnownProduct], seen: Sequence[KnownProduct]) -> _Pairs:
    left = list(known)
    both: list[tuple[KnownProduct, KnownProduct]] = []
    waiting: list[KnownProduct] = []

    def settle(product: KnownProduct, match: KnownProduct | None) -> None:
        if match is None:
            waiting.append(product)
        else:
            left.remove(match)
            both.append((match, product))

    for product in seen:
        own_id = product.user_product_id
        settle(product, next((k for k in left if own_id is not None and k.user_product_id == own_id), None))
    undecided, waiting = list(in_order(waiting)), []
    for product in undecided:
        # First what says nothing new of some product, so that the same import twice adds nothing.
        settle(product, next((k for k in left if _may_be(k, product) and _merge_product(k, product) == k), None))
    undecided, waiting = waiting, []
    for _, group in groupby(undecided, key=lambda product: product.product_id):
        alike = list(group)
        candidates = [k for k in left if any(_may_be(k, product) for product in alike)]
        for product in alike:
            settle(product, candidates[0] if len(candidates) == len(alike) == 1 else None)
    return _Pairs(both, waiting, left)


def _merged(pairs: _Pairs, *, complete: bool) -> tuple[KnownProduct, ...]:
    kept = [] if complete else pairs.left
    return in_order((*(_merge_product(known, seen) for known, seen in pairs.both), *pairs.new, *kept))


def _untold(pairs: _Pairs, *, complete: bool) -> list[tuple[KnownProduct, frozenset[str]]]:
    """The known products of which something is known that the observation doesn't tell, and what that is."""
    left = [] if complete else [(product, KnownProduct()) for product in pairs.left]
    found = []
    for known, seen in (*pairs.both, *left):
        names = frozenset(
            name for name in _CHANGEABLE if getattr(known, name) is not UNKNOWN and getattr(seen, name) is UNKNOWN
        )
        if names:
            found.append((known, names))
    return found


def _leaves_open(doubt: Doubt, untold: Sequence[tuple[KnownProduct, frozenset[str]]]) -> bool:
    """True if ``doubt`` is about something that wasn't told. What nobody ever told can't be known wrongly."""
    changes = _CHANGED_BY.get(doubt.action, _CHANGEABLE)
    return any(_is_about(doubt, product) and not changes.isdisjoint(names) for product, names in untold)


def _is_about(doubt: Doubt, product: KnownProduct) -> bool:
    if doubt.user_product_id is not None and product.user_product_id is not None:
        return doubt.user_product_id == product.user_product_id
    if doubt.product_id is None:
        # Of a whole account, or by an own id that this product may have.
        return doubt.user_product_id is None or product.user_product_id is None
    return doubt.product_id in (product.product_id, product.user_product_id)


def _may_be(known: KnownProduct, seen: KnownProduct) -> bool:
    same = seen.product_id is not None and seen.product_id == known.product_id
    return same and (known.user_product_id is None or seen.user_product_id is None)


def _merge_product(known: KnownProduct, seen: KnownProduct) -> KnownProduct:
    return KnownProduct(
        product_id=seen.product_id or known.product_id,
        user_product_id=seen.user_product_id or known.user_product_id,
        state=_newer(known.state, seen.state),
        subscription_type=_newer(known.subscription_type, seen.subscription_type),
        valid_from=_newer(known.valid_from, seen.valid_from),
        valid_to=_newer(known.valid_to, seen.valid_to),
        subscription_number=_newer(known.subscription_number, seen.subscription_number),
        provision_service=_newer(known.provision_service, seen.provision_service),
    )


def _newer(known: _Value, seen: _Value) -> _Value:
    return known if isinstance(seen, Unknown) else seen
