"""Merges what somebody saw of accounts into what is known: field by field, by time, all or nothing.

An absent field keeps what was known, an empty one is known to be empty. Products vanish only when the
observation is said to be complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Final, TypeVar

from reconciler.errors import InvalidInput, StalePlan
from reconciler.instants import clock_text, parse_clock
from reconciler.model import UNKNOWN, Doubt, KnownAccount, KnownHead, KnownProduct, KnownView, Unknown
from reconciler.state.accounts import arranged, in_order, user_product_ids
from reconciler.state.store import Change, Holder, Store

#: The environment that takes any snapshot and gives none away.
SIMULATOR: Final = "simulator"

#: How far another machine's clock may be ahead before an observation counts as made in the future.
CLOCK_SKEW: Final = timedelta(minutes=5)

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


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, as account ids.

    ``unchanged`` were seen as they are known (their time moves on). ``older`` were left alone, since they are
    known from a newer observation. ``emptied`` aren't in a complete snapshot, so their products are gone.
    ``moved`` are user products (their ids) that were known on another account.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


def check_environment(head: KnownHead, environment: str) -> None:
    """Raises `StalePlan` if a snapshot may not enter ``environment``; one that names none ("") may."""
    if head.environment in ("", environment) or environment == SIMULATOR:
        return
    raise StalePlan(
        f"the snapshot is of the environment {head.environment!r}, not of {environment!r}",
        hint="what is known of one environment says nothing of another; name the right one with -e",
    )


def import_accounts(
    store: Store,
    head: KnownHead,
    accounts: Iterable[KnownAccount],
    *,
    holder: Holder,
    now_text: str,
    complete: bool = False,
    force: bool = False,
) -> ImportReport:
    """Merge ``accounts`` into ``store`` under its lock, in one transaction; nothing is changed if anything fails.

    An account that doesn't say when it was observed counts as observed at ``head``'s time, else at ``now_text``.
    An older observation than ours isn't taken unless ``force``. With ``complete``, products that aren't in the
    snapshot vanish, also those of accounts it doesn't name; the accounts themselves stay, with what is known of
    their syncs. A user product is on one account only: the newer observation says on which.

    Raises `StalePlan` for another environment's snapshot, `InvalidInput` for an observation from the future or a
    complete snapshot without accounts (both unless ``force``), `Locked` and `StoreFailed`.
    """
    check_environment(head, store.head().environment)
    lock = store.acquire(holder)
    try:
        with store.change(lock) as change:
            view = store.view()
            work = _Import(change, view, parse_clock(now_text), head.observed_at or now_text, complete, force)
            seen = [work.timed(account) for account in accounts]
            # Moves come first, since what moves away is no candidate for what is seen in its place.
            for account in seen:
                work.move(account)
            for account in seen:
                work.take(account)
            if complete:
                if not seen and not force:
                    raise InvalidInput(
                        "the snapshot holds no account, so a complete import would empty all that is known",
                        hint="check the export; --force takes it all the same",
                    )
                for account in view.accounts():
                    work.empty(account.account_id)
            change.mark_filled()
    finally:
        store.release(lock)
    return work.report()


class _Import:
    """An import under way: ``view`` is what was known before, ``time`` counts where an account has none of its own."""

    def __init__(self, change: Change, view: KnownView, now: datetime, time: str, complete: bool, force: bool) -> None:
        self._change = change
        self._view = view
        self._latest = now + CLOCK_SKEW
        self._time = time
        self._complete = complete
        self._force = force
        self._oldest: str | None = None
        self._seen: set[str] = set()
        self._elsewhere: set[str] = set()
        self._told: dict[str, list[str]] = {field.name: [] for field in fields(ImportReport)}

    def timed(self, account: KnownAccount) -> KnownAccount:
        """An account of the snapshot with the time it was observed at. Raises `InvalidInput` for the future."""
        moment = parse_clock(account.observed_at or self._time)
        if moment > self._latest and not self._force:
            raise InvalidInput(
                f"account {account.account_id} was observed at {clock_text(moment)}, which is in the future",
                hint="check the export's clock and offset; --force takes it all the same",
            )
        seen = replace(account, observed_at=clock_text(moment))
        self._oldest = min(self._oldest or clock_text(moment), clock_text(moment))
        self._seen.add(seen.account_id)
        return seen

    def move(self, seen: KnownAccount) -> None:
        """Take the user products of ``seen`` away from the accounts they were known on, if that is older."""
        known = self._change.account(seen.account_id)
        if known is not None and self._is_too_old(seen, known):
            return
        for user_product_id in sorted(user_product_ids(seen)):
            owner = self._view.account_of(user_product_id)
            other = self._change.account(owner) if owner not in (None, seen.account_id) else None
            if other is None or user_product_id not in user_product_ids(other):
                continue
            if self._is_too_old(seen, other):
                self._elsewhere.add(user_product_id)
            else:
                left = tuple(p for p in other.user_products if p.user_product_id != user_product_id)
                self._change.put_account(replace(other, user_products=left))
                self._told["moved"].append(user_product_id)

    def take(self, seen: KnownAccount) -> None:
        """Merge one account of the snapshot."""
        known = self._change.account(seen.account_id)
        if known is not None and self._is_too_old(seen, known):
            self._told["older"].append(seen.account_id)
            return
        own = tuple(product for product in seen.user_products if product.user_product_id not in self._elsewhere)
        merged = merge_account(known, replace(seen, user_products=own), complete=self._complete)
        self._put(merged, known, "added" if known is None else "changed")

    def empty(self, account_id: str) -> None:
        """Take the products of an account that a complete snapshot doesn't name."""
        known = self._change.account(account_id)
        if account_id in self._seen or known is None or not known.user_products:
            return
        seen = KnownAccount(account_id, observed_at=self._oldest or clock_text(parse_clock(self._time)))
        if self._is_too_old(seen, known):
            self._told["older"].append(account_id)
        else:
            self._put(merge_account(known, seen, complete=True), known, "emptied")

    def report(self) -> ImportReport:
        """What happened, in the order of the accounts."""
        return ImportReport(**{name: tuple(sorted(ids)) for name, ids in self._told.items()})

    def _is_too_old(self, seen: KnownAccount, known: KnownAccount) -> bool:
        return not self._force and is_older(seen, known)

    def _put(self, account: KnownAccount, known: KnownAccount | None, what: str) -> None:
        if known is not None and replace(account, observed_at=known.observed_at) == known:
            what = "unchanged"
        if account != known:
            self._change.put_account(account)
        self._told[what].append(account.account_id)


def is_older(seen: KnownAccount, known: KnownAccount) -> bool:
    """True if ``seen`` was observed before ``known``; an account without a time is older than any."""
    if known.observed_at is None:
        return False
    return seen.observed_at is None or parse_clock(seen.observed_at) < parse_clock(known.observed_at)


def merge_account(known: KnownAccount | None, seen: KnownAccount, *, complete: bool) -> KnownAccount:
    """What is known of an account after somebody saw it as ``seen``.

    A newer observation settles the doubts, and the mark that a sync leaves, of all that it tells: what a call may
    have changed and the observation leaves out is as uncertain as before. One of the same time or older (which a
    person forced) settles nothing: it may have been made before the call.
    """
    if known is None:
        return arranged(seen)
    pairs = _paired(known.user_products, seen.user_products)
    newer = is_older(known, seen)
    untold = _untold(pairs, complete=complete)
    kept = tuple(doubt for doubt in known.doubts if not newer or _leaves_open(doubt, untold))
    doubts = tuple(dict.fromkeys((*kept, *seen.doubts)))
    # While a doubt stays, no observation from before its call may come to look newer than it.
    keeps_time = bool(doubts) and is_older(seen, known)
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
