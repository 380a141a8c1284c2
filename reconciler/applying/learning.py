"""What a call's outcome teaches known state. Pure: an account, a step and an outcome in, the account out.

Two assumptions stand here, for no page says what a read would show after an `update`:

* an activated product is `pending` after an `update` that leaves its window to start later, whether or not the
  `update` sent the state;
* a field that an `update` didn't send is as it was before.

What becomes of the state when an `update` without one revives a term that was over isn't assumed: it isn't known then.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from reconciler.instants import BadTime, Minute, minute_of, parse_clock, parse_declared
from reconciler.model import UNKNOWN, Doubt, KnownAccount, KnownProduct, KnownText, product_order
from reconciler.operations import BY_ACTION
from reconciler.plan import Step

_SYNC_FIELD = "sync."


def learn(account: KnownAccount | None, step: Step, answered_id: str | None, at: str) -> KnownAccount:
    """What is known of an account after ``step`` has worked, at the clock text ``at``.

    ``answered_id`` is the id in Payway's answer, ``None`` if the success was assumed. All that was sent counts
    as known now, not only what differed.
    """
    known = account or KnownAccount(step.account_id)
    learned = (
        _sync(known, step) if BY_ACTION[step.action].answers == "account" else _product(known, step, answered_id, at)
    )
    return replace(learned, observed_at=_later(known.observed_at, at))


def find_product(account: KnownAccount | None, step: Step) -> KnownProduct | None:
    """The known product that a step is for, by the planner's rules of matching."""
    products = account.user_products if account is not None else ()
    wanted = step.user_product_id
    if wanted is not None:
        for product in products:
            if product.user_product_id == wanted:
                return product
    if step.product_id is None:
        return None
    # One without an id comes first: it is the one that the answer can still give it to.
    for product in sorted(products, key=lambda product: product.user_product_id is not None):
        if product.user_product_id is not None and wanted is not None:
            continue
        if (product.product_id or product.user_product_id) == step.product_id:
            return product
    return None


def expected_id(account: KnownAccount | None, step: Step) -> str | None:
    """The id that a 200 answer to ``step`` has to hold; ``None`` if it will teach a new one."""
    if BY_ACTION[step.action].answers == "account":
        return step.account_id
    product = find_product(account, step)
    return step.user_product_id or (product.user_product_id if product is not None else None)


def other_ids(account: KnownAccount | None, step: Step) -> frozenset[str]:
    """The user products of the account that ``step`` isn't for: no answer to it may hold their ids."""
    own = find_product(account, step)
    products = account.user_products if account is not None else ()
    return frozenset(p.user_product_id for p in products if p is not own and p.user_product_id is not None)


def runs_cancelled(account: KnownAccount | None, step: Step, at: str) -> bool:
    """True if the step's product is known as cancelled with its term still running at the clock text ``at``.

    An end that nobody told us doesn't count: the term may be over.
    """
    product = find_product(account, step)
    if product is None or product.state != "cancelled" or product.valid_to is UNKNOWN:
        return False
    return product.valid_to is None or product.valid_to > minute_of(parse_clock(at))


def with_doubt(account: KnownAccount | None, step: Step, run_id: str, at: str) -> KnownAccount:
    """The account with a mark that ``step``'s outcome isn't known.

    ``observed_at`` moves to ``at``, so that no export from before the call can settle the doubt.
    """
    known = without_doubt(account, step) or KnownAccount(step.account_id)
    doubt = Doubt(step.action, step.product_id, step.user_product_id, run_id, step.number)
    return replace(known, doubts=(*known.doubts, doubt), observed_at=_later(known.observed_at, at))


def without_doubt(account: KnownAccount | None, step: Step) -> KnownAccount | None:
    """The account without that mark; ``None`` if nothing else was known of it."""
    if account is None:
        return None
    settled = replace(account, doubts=tuple(doubt for doubt in account.doubts if not _is_about(doubt, step)))
    empty = KnownAccount(settled.account_id, observed_at=settled.observed_at)
    return None if settled == empty else settled


def doubt_of(account: KnownAccount | None, step: Step) -> Doubt | None:
    """The mark that the account carries of ``step``, or of the same call in another run."""
    return next((doubt for doubt in account.doubts if _is_about(doubt, step)), None) if account is not None else None


def is_doubted(account: KnownAccount | None, step: Step) -> bool:
    """True if the account carries the mark of ``step``."""
    return doubt_of(account, step) is not None


def digest_of(account: KnownAccount | None, account_id: str) -> str:
    """The digest that steps are bound to; of an account that nothing is known of, that of an empty one."""
    return (account or KnownAccount(account_id)).digest()


def _is_about(doubt: Doubt, step: Step) -> bool:
    return (doubt.action, doubt.product_id, doubt.user_product_id) == (
        step.action,
        step.product_id,
        step.user_product_id,
    )


def _sync(known: KnownAccount, step: Step) -> KnownAccount:
    words = {
        change.field.removeprefix(_SYNC_FIELD): change.after
        for change in step.changes
        if change.field.startswith(_SYNC_FIELD)
    }
    return replace(
        known,
        # Payway answered with this account's id, so the number is its own.
        customer_number=step.request.body["customer_number"],
        synced=MappingProxyType({**known.synced, **words}),
        unverified=True,
    )


def _product(known: KnownAccount, step: Step, answered_id: str | None, at: str) -> KnownAccount:
    before = find_product(known, step)
    product = before or KnownProduct(product_id=step.product_id, user_product_id=step.user_product_id)
    product = replace(
        product,
        product_id=product.product_id or step.product_id,
        user_product_id=product.user_product_id or step.user_product_id or answered_id,
    )
    body, now = step.request.body, minute_of(parse_clock(at))
    known_as = product
    if step.action == "reactivate":
        product = replace(product, state="activated")
    if "subscription_number" in body:
        product = replace(product, subscription_number=body["subscription_number"])
    if "subscription_type" in body:
        product = replace(product, subscription_type=body["subscription_type"])
    if "valid_from" in body:
        product = replace(product, valid_from=parse_declared(body["valid_from"]).minute)
    if "valid_to" in body:
        product = replace(product, valid_to=parse_declared(body["valid_to"]).minute)
    if step.action == "update":
        state = body["state"] if "state" in body else _state_left(known_as, product, now)
        starts_later = isinstance(product.valid_from, int) and product.valid_from > now
        product = replace(product, state="pending" if state == "activated" and starts_later else state)
    others = tuple(other for other in known.user_products if other is not before)
    return replace(known, user_products=tuple(sorted((*others, product), key=product_order)))


def _state_left(before: KnownProduct, after: KnownProduct, now: Minute) -> KnownText:
    """The state that an `update` without one leaves, of a product that was known as ``before``."""
    if before.state == "pending":
        begun = isinstance(before.valid_from, int) and before.valid_from <= now
        return "activated" if begun else "pending"
    if _has_ended(before, now) and not _has_ended(after, now):
        return UNKNOWN
    return before.state


def _has_ended(product: KnownProduct, now: Minute) -> bool:
    """True if the term is over, and with it the state: an activated product renews itself if it is recurring."""
    over = isinstance(product.valid_to, int) and product.valid_to <= now
    renews = product.subscription_type == "recurring"
    return over and (product.state == "cancelled" or (product.state == "activated" and not renews))


def _later(before: str | None, at: str) -> str:
    """The later of two clock texts: a clock that went back makes no observation older than the one before."""
    try:
        return before if before is not None and parse_clock(before) > parse_clock(at) else at
    except BadTime:
        return at
