"""What must hold of a store at any moment, against the truth that `support.perils.Payway` keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.applying.journaling import STALE, Standing, standings
from reconciler.instants import Minute, minute_of, parse_clock
from reconciler.model import UNKNOWN, KnownAccount, KnownProduct
from reconciler.payway.world import World
from reconciler.payway.worldmodel import WorldProduct, product_from_known, state_at
from reconciler.plan import Plan, Step
from reconciler.state.journal import verify_store
from reconciler.state.store import Store
from support.perils import Call

_FIELDS = ("subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service")

#: A product of the world by its account's and its own id, and since when somebody else's hand is on it.
Touched = Mapping[tuple[str, str], datetime]


def broken(
    store: Store, world: World, plans: Mapping[str, Plan], calls: list[Call], touched: Touched,
    ever_touched: set[tuple[str, str]], now: datetime, imported: Mapping[str, datetime], *, told: bool,
) -> Iterator[str]:  # fmt: skip
    """Every promise that doesn't hold.

    ``imported`` says when each account was last seen anew, ``told`` whether exports tell every field.
    """
    yield from verify_store(store)
    unfinished = [run.run_id for run in store.runs() if run.unfinished]
    if len(unfinished) > 1:
        yield f"several runs are unfinished: {unfinished}"
    found = {run.run_id: standings(store.entries(run.run_id)) for run in store.runs()}
    yield from _doubts(store, found, imported)
    yield from _lost(found, plans, calls, ever_touched)
    for account in store.view().accounts():
        yield from unlike(account, world, minute_of(now), touched, told=told)


def unlike(account: KnownAccount, world: World, minute: Minute, touched: Touched, *, told: bool) -> Iterator[str]:
    """What is known of an account, unmarked, although the world says otherwise; ``told`` as in `broken`."""
    real = world.account(account.account_id)
    if real is None:
        if account.user_products:
            yield f"{account.account_id}: known, but not there"
        return
    if account.customer_number not in (UNKNOWN, real.customer_number):
        yield f"{account.account_id}: customer_number {account.customer_number}, really {real.customer_number}"
    if account.unverified or any(doubt.product_id is doubt.user_product_id is None for doubt in account.doubts):
        return
    for known in account.user_products:
        if any(_is_of(doubt.product_id, doubt.user_product_id, known) for doubt in account.doubts):
            continue
        product = _real(known, real.user_products)
        if product is not None and (account.account_id, product.user_product_id) not in touched:
            yield from _unlike(account.account_id, known, product, minute, told=told)


def _unlike(account_id: str, known: KnownProduct, real: WorldProduct, minute: Minute, *, told: bool) -> Iterator[str]:
    where = f"{account_id} {real.user_product_id}"
    for name in _FIELDS:
        value, really = getattr(known, name), getattr(real, name)
        if value is not UNKNOWN and value != really:
            yield f"{where}: {name} is known as {value}, really {really}"
    # Time alone moves states; nobody has to tell us that, if we were told when the term begins and ends.
    if told and UNKNOWN not in (known.state, known.valid_from, known.valid_to, known.subscription_type):
        seen = state_at(replace(product_from_known(known, account_id, 0), state=known.state or ""), minute)
        really = state_at(real, minute)
        if seen != really:
            yield f"{where}: state is known as {known.state} ({seen} by now), really {really}"


def _real(known: KnownProduct, products: tuple[WorldProduct, ...]) -> WorldProduct | None:
    for product in products:
        if product.user_product_id == known.user_product_id:
            return product
    if known.user_product_id is not None:
        return None
    alike = [product for product in products if product.product_id == known.product_id]
    return alike[0] if len(alike) == 1 else None


def _is_of(product_id: str | None, user_product_id: str | None, known: KnownProduct) -> bool:
    if user_product_id is not None and known.user_product_id is not None:
        return user_product_id == known.user_product_id
    return product_id is not None and product_id in (known.product_id, known.user_product_id)


def _doubts(
    store: Store, found: Mapping[str, Mapping[int, Standing]], imported: Mapping[str, datetime]
) -> Iterator[str]:
    """Doubts stand on accounts exactly for the calls that nobody knows the end of."""
    marked = set()
    for account in store.view().accounts():
        for doubt in account.doubts:
            marked.add((account.account_id, doubt.action, doubt.product_id, doubt.user_product_id))
            standing = found.get(doubt.run or "", {}).get(doubt.step or 0)
            if standing is None or not standing.in_doubt:
                yield f"{account.account_id}: a doubt of {doubt.run} step {doubt.step}, which is settled"
    for run_id, of_run in found.items():
        for number, standing in of_run.items():
            last = standing.last
            if not standing.in_doubt:
                continue
            key = (last.account_id, last.action, last.product_id, last.user_product_id)
            seen = imported.get(last.account_id)
            if key not in marked and not (seen is not None and seen > parse_clock(last.at)):
                yield f"{last.account_id}: {run_id} step {number} is {last.status}, but nothing marks that"


def _lost(
    found: Mapping[str, Mapping[int, Standing]],
    plans: Mapping[str, Plan],
    calls: list[Call],
    touched: set[tuple[str, str]],
) -> Iterator[str]:
    """What was carried out is applied in the journal or marked in doubt, and nothing else is called applied."""
    carried = {(call.run_id, call.step) for call in calls if call.carried}
    for run_id, number in sorted(carried):
        standing = found.get(run_id, {}).get(number)
        if standing is None:
            yield f"{run_id} step {number} was carried out, but the journal doesn't know it"
        elif not (standing.is_done or standing.in_doubt or standing.last.code == STALE):
            yield f"{run_id} step {number} was carried out, but is {standing.last.status} ({standing.last.code})"
    for run_id, of_run in found.items():
        for number, standing in of_run.items():
            if standing.is_done and (run_id, number) not in carried:
                step = plans[run_id].steps[number - 1]
                if not (standing.last.status == "assumed" and _is_touched(step, touched)):
                    yield f"{run_id} step {number} is {standing.last.status}, but it was never carried out"


def _is_touched(step: Step, touched: set[tuple[str, str]]) -> bool:
    return (step.account_id, step.user_product_id or "") in touched
