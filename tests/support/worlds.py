"""Worlds, exports and manifests by chance: all from one `random.Random`, so that a seed is a world.

Every story plays around `support.planning.NOW`; times are whole minutes on both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from reconciler.instants import Minute, Moment, minute_of, parse_declared, payway_text
from reconciler.model import (
    UNKNOWN,
    DeclaredAccount,
    DeclaredProduct,
    KnownAccount,
    KnownProduct,
    Source,
    product_order,
)
from reconciler.payway.world import World
from reconciler.payway.worldmodel import WorldAccount, WorldProduct, account_to_known
from support.planning import NOW, account_id, made_id

DAY = 24 * 60
START: Minute = minute_of(NOW)

_FIELDS = ("state", "subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service")
_STATES = ("activated",) * 8 + ("cancelled",) * 5 + ("deactivated",) * 3 + ("pending", "pending", "frozen", "paused")
_TYPES = ("limited", "limited", "recurring", None)
_SERVICES = ("tulo", "tulo", "tulo", "kayak", "kayak", None)
_WORDS = ("1", "2", "3")
_OFFSETS = (0, 60, 120)


def product_name_id(name: str) -> str:
    return made_id("11", name)


def own_id(account: str, number: int) -> str:
    return made_id("22", f"{account}{number}")


def customer_number(account: str) -> str:
    return f"{account}-1"


# --- The world ---


def make_world(rng: Random, *, accounts: int, twins: bool) -> World:
    """A world of so many accounts, with up to three products each; with ``twins``, some of one catalogue id."""
    names = "abcdefgh"[:accounts]
    return World(None, [_account(rng, name, twins=twins) for name in names])


def _account(rng: Random, name: str, *, twins: bool) -> WorldAccount:
    products = []
    catalogue = rng.sample("pqrs", 4)
    for number in range(rng.choice((0, 1, 1, 2, 2, 3))):
        # Now and then two of one catalogue id: a renewal beside the term that it follows.
        shared = twins and number > 0 and rng.random() < 0.1
        chosen = catalogue[0] if shared else catalogue[number]
        products.append(_product(rng, own_id(name, number), product_name_id(chosen)))
    # Some have an external subscription system that knows better: a sync copies what it says.
    external = None
    if products and rng.random() < 0.3:
        moved = rng.choice(products)
        end = START + rng.randint(1, 900) * DAY
        external = (KnownProduct(moved.product_id, moved.user_product_id, valid_to=end),)
    return replace(
        WorldAccount(account_id(name), customer_number(name), tuple(products)),
        external=external,
    )


def _product(rng: Random, user_product_id: str, product_id: str) -> WorldProduct:
    state = rng.choice(_STATES)
    start = START + rng.randint(1, 60) * DAY if state == "pending" else START - rng.randint(10, 400) * DAY
    return WorldProduct(
        user_product_id=user_product_id,
        product_id=product_id,
        state=state,
        subscription_type=rng.choice(_TYPES),
        valid_from=rng.choice((start, start, start, None)),
        valid_to=_end(rng, after=start, past=state != "pending"),
        subscription_number=rng.choice((None, "0012345670", "7")),
        provision_service=rng.choice(_SERVICES),
    )


def _end(rng: Random, *, after: Minute, past: bool) -> Minute | None:
    chance = rng.random()
    if chance < 0.15:
        return None
    if chance < 0.35 and past:
        return max(after + 1, START - rng.randint(1, 30) * DAY)
    if chance < 0.55 and past:
        # So soon that it ends while the story goes on.
        return START + rng.randint(2, 600)
    return max(after, START) + rng.randint(1, 400) * DAY


def change_outside(rng: Random, world: World) -> tuple[str, str] | None:
    """Let somebody else change a product of the world; returns its account's and its own id."""
    owners = [account for account in world.accounts() if account.user_products]
    if not owners:
        return None
    account = rng.choice(owners)
    product = rng.choice(account.user_products)
    made = _product(rng, product.user_product_id, product.product_id or "")
    field = rng.choice(("state", "valid_to", "subscription_number", "subscription_type"))
    changed = replace(product, **{field: getattr(made, field)})
    if field == "valid_to" and None not in (changed.valid_from, changed.valid_to):
        changed = replace(changed, valid_to=max(changed.valid_to, changed.valid_from + 1))
    world.put(account.with_product(changed))
    return account.account_id, product.user_product_id


# --- Exports ---


@dataclass(frozen=True, slots=True)
class Exporter:
    """What this publisher's export tells: its columns, and how often a product of it lacks an id or is missing."""

    columns: frozenset[str]
    without_own_id: bool
    gaps: float

    @classmethod
    def by_chance(cls, rng: Random) -> Exporter:
        if rng.random() < 0.5:
            return cls(frozenset(_FIELDS), False, 0.0)
        columns = frozenset(name for name in _FIELDS if rng.random() < 0.85)
        return cls(columns, rng.random() < 0.2, rng.choice((0.0, 0.15)))

    @property
    def tells_all(self) -> bool:
        """True if a whole export leaves nothing to guess."""
        return len(self.columns) == len(_FIELDS) and not self.without_own_id

    def export(self, rng: Random, world: World, minute: Minute, at: str, *, whole: bool = False) -> list[KnownAccount]:
        """The world at ``minute``, said to be observed at ``at``; ``whole`` leaves no account and product out."""
        gaps = 0.0 if whole else self.gaps
        found = []
        for account in world.accounts():
            if rng.random() < gaps:
                continue
            known = account_to_known(account, minute)
            products = [self._told(product) for product in known.user_products if rng.random() >= gaps]
            found.append(replace(known, user_products=tuple(sorted(products, key=product_order)), observed_at=at))
        return found

    def _told(self, product: KnownProduct) -> KnownProduct:
        hidden = {name: UNKNOWN for name in _FIELDS if name not in self.columns}
        told = replace(product, **hidden)
        return replace(told, user_product_id=None) if self.without_own_id else told


# --- Manifests ---


def declare(rng: Random, world: World, *, by_own_id: bool) -> dict[str, DeclaredAccount]:
    """A manifest for most accounts of the world, and sometimes for one that isn't there.

    ``by_own_id`` lets some products be declared by their own id alone, which an export without those ids can't meet.
    """
    declared = {}
    for account in world.accounts():
        if rng.random() < 0.9:
            declared[account.account_id] = declare_account(rng, account, by_own_id=by_own_id)
    if rng.random() < 0.1:
        missing = WorldAccount(account_id("z"), customer_number("z"))
        declared[missing.account_id] = declare_account(rng, missing, by_own_id=by_own_id)
    return declared


def declare_account(rng: Random, account: WorldAccount, *, by_own_id: bool) -> DeclaredAccount:
    """A manifest of ``account`` that asks for some changes."""
    real = [product for product in account.user_products if rng.random() < 0.85]
    if rng.random() < 0.1:
        real.append(WorldProduct(own_id("y", 0), product_name_id("y")))
    products = [_declared(rng, product, by_own_id=by_own_id) for product in real]
    seen: set[str | None] = set()
    # No manifest declares the same product_id twice: one of two must go by its own id.
    distinct = []
    for product in products:
        if product.product_id not in seen or product.product_id is None:
            distinct.append(product)
        seen.add(product.product_id)
    sync = {kind: rng.choice(_WORDS) for kind in ("address", "subscriptions") if rng.random() < 0.3}
    return DeclaredAccount(
        account_id=account.account_id,
        source=Source("manifests/a.yaml", 1),
        customer_number=account.customer_number if sync or rng.random() < 0.5 else None,
        sync=sync,
        user_products=tuple(distinct),
    )


def _declared(rng: Random, product: WorldProduct, *, by_own_id: bool) -> DeclaredProduct:
    number = rng.choice(("0012345670", "7", "8")) if rng.random() < 0.35 else None
    if by_own_id and rng.random() < 0.08:
        # Then only a number can be declared.
        return DeclaredProduct(
            source=Source("manifests/a.yaml", 2),
            user_product_id=product.user_product_id,
            subscription_number=number or "9",
        )
    start, end = _window(rng, product)
    return DeclaredProduct(
        source=Source("manifests/a.yaml", 2),
        product_id=product.product_id,
        user_product_id=product.user_product_id if rng.random() < 0.6 else None,
        state=rng.choice(("activated", "activated", "deactivated")) if rng.random() < 0.7 else None,
        subscription_type=rng.choice(("recurring", "limited")) if rng.random() < 0.3 else None,
        valid_from=start,
        valid_to=end,
        subscription_number=number,
    )


def _window(rng: Random, product: WorldProduct) -> tuple[Moment | None, Moment | None]:
    start = end = None
    if rng.random() < 0.25:
        start = rng.choice((product.valid_from, START - rng.randint(1, 500) * DAY, START + rng.randint(1, 30) * DAY))
    if rng.random() < 0.5:
        end = rng.choice(
            (product.valid_to, START + rng.randint(5, 900), START + rng.randint(1, 800) * DAY, START - DAY)
        )
    if start is not None and end is not None and start >= end:
        start = None
    return _moment(rng, start), _moment(rng, end)


def _moment(rng: Random, minute: Minute | None) -> Moment | None:
    return None if minute is None else parse_declared(payway_text(minute, rng.choice(_OFFSETS)))
