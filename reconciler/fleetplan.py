"""The plan of a whole fleet from its rows: only what may have changed is looked at.

It comes to the same plan as `reconciler.planning.planner.make_plan`, byte for byte. An account is judged by three
means, each asked only if the one before can't tell: that it was judged before and nothing has changed since; that its
facts say that nothing is due (`quiet`); the planner.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.instants import Minute, minute_of
from reconciler.manifests.cache import Compared
from reconciler.manifests.facts import digest_of, facts_of
from reconciler.manifests.fleet import Fleet
from reconciler.manifests.fleetdigest import FleetDigest
from reconciler.manifests.settled import Settled, SettledAccounts
from reconciler.model import DeclaredAccount, KnownAccount, KnownRecord, KnownView, known_record
from reconciler.plan import Plan, Unmanaged
from reconciler.planning.accounts import plan_account
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import outcome_from_json, outcome_json, outcome_of
from reconciler.planning.quiet import left_over
from reconciler.planning.tally import Tally

#: Verdicts are written down this many at a time.
_PAGE: Final = 1000
#: If more accounts than this share of the fleet have to be looked at, all are: in their order that is faster.
_ONE_BY_ONE: Final = 0.2
#: An `until` that no clock reaches.
_NEVER: Final = 1 << 60
_NOTHING: Final = (None, None)
_NOT_AT_ALL: Final = (None, 0)


def plan_selected(accounts: Iterable[DeclaredAccount], known: KnownView, context: PlanContext) -> Plan:
    """The plan of some accounts, in the order of their ids; nothing else is in scope."""
    tally, digest = tally_selected(accounts, known, context)
    return tally.plan(known.head, digest.value())


def tally_selected(
    accounts: Iterable[DeclaredAccount], known: KnownView, context: PlanContext
) -> tuple[Tally, FleetDigest]:
    """What `plan_selected` plans from: the accounts added up, and their digests."""
    tally, digest = Tally(context), FleetDigest()
    for account in accounts:
        digest.add(account.account_id, digest_of(account.account_id, facts_of(account)))
        tally.add(outcome_of(plan_account(account, known.account(account.account_id), known, context)))
    return tally, digest


def plan_fleet(fleet: Fleet, known: KnownView, context: PlanContext) -> Plan:
    """The plan of all accounts of a fleet without findings that refuse it.

    What was found out is kept in the fleet's cache. Raises `reconciler.errors.InvalidInput` if a manifest changed
    while it was read, and as the store does.
    """
    tally, digest = _Planning(fleet, known, context).tally()
    return tally.plan(known.head, digest)


def tally_fleet(fleet: Fleet, known: KnownView, context: PlanContext) -> tuple[Tally, FleetDigest]:
    """What `plan_fleet` plans from: the accounts added up, and their digests. Keeps and raises what that does."""
    tally, _ = _Planning(fleet, known, context).tally()
    return tally, fleet.digests()


class _Planning:
    """One plan in the making."""

    def __init__(self, fleet: Fleet, known: KnownView, context: PlanContext) -> None:
        self._fleet, self._known, self._context = fleet, known, context
        self._now = minute_of(context.as_of)
        # Whatever else a verdict depends on: who is asked, for which manifests, and the one setting that rules read.
        scope = [fleet.name, context.environment, context.provision_service]
        self._settled = SettledAccounts(fleet.cache, canonical.dumps(scope))
        self._tally = Tally(context)
        self._waiting: list[Settled] = []

    def tally(self) -> tuple[Tally, str]:
        """Judge what has to be judged, and add everything up; the digest is that of the manifests."""
        settled = self._settled
        due = self._due()
        if due is None:
            digest = self._judge_all()
        else:
            for account_id in sorted(due):
                self._judge_again(account_id)
            digest = settled.digest or self._fleet.digest()
        self._write()
        settled.finish(self._known.head.mark, digest)
        for text in settled.outcomes():
            self._tally.add(outcome_from_json(json.loads(text)))
        self._tally.add_settled(**settled.totals()._asdict())
        self._tally.add_rest(each for account_id, text in settled.rests() for each in _unmanaged(account_id, text))
        return self._tally, digest

    def _due(self) -> set[str] | None:
        """The accounts to be looked at; ``None`` for all of them."""
        due = self._settled.changed()
        if due is None:
            return None
        due |= self._settled.due(self._now)
        if not self._settled.knows(self._known.head.mark):
            due |= set(self._known_otherwise())
        return due if len(due) <= max(_PAGE, _ONE_BY_ONE * self._fleet.accounts) else None

    def _known_otherwise(self) -> Iterator[str]:
        """The accounts of which something else is known than when they were judged."""
        before, now = self._settled.known(), self._known.records()
        one, other = next(before, None), next(now, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one[0] < other.account_id):
                assert one is not None
                if one[1] is not None:  # one that is only declared is kept, too
                    yield one[0]
                one = next(before, None)
            elif one is None or other.account_id < one[0]:
                yield other.account_id
                other = next(now, None)
            else:
                if one[1:] != (other.digest, other.observed_at):
                    yield one[0]
                one, other = next(before, None), next(now, None)

    def _judge_all(self) -> str:
        """Judge every account; returns the digest of the manifests."""
        self._settled.clear()
        digest = FleetDigest()
        for facts, record in self._pairs():
            if facts is not None:
                digest.add(facts.account_id, facts.digest)
            self._judge(facts, record)
        return digest.value()

    def _pairs(self) -> Iterator[tuple[Compared | None, KnownRecord | None]]:
        """What is declared and what is known of each account, in the order of accounts."""
        declared, known = self._fleet.cache.compared(), self._known.records()
        one, other = next(declared, None), next(known, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one.account_id < other.account_id):
                yield one, None
                one = next(declared, None)
            elif one is None or other.account_id < one.account_id:
                yield None, other
                other = next(known, None)
            else:
                yield one, other
                one, other = next(declared, None), next(known, None)

    def _judge_again(self, account_id: str) -> None:
        facts = self._fleet.cache.compared_of(account_id)
        known = self._known.account(account_id)
        if facts is None and known is None:
            self._settled.forget(account_id)
        else:
            self._judge(facts, None if known is None else known_record(known))

    def _judge(self, facts: Compared | None, record: KnownRecord | None) -> None:
        if facts is None:
            assert record is not None
            self._keep(self._stranger(record))
            return
        quiet = None if record is None else _quiet(facts, record)
        self._keep(quiet if quiet is not None else self._asked(facts, record))

    def _asked(self, facts: Compared, record: KnownRecord | None) -> Settled:
        """What the planner says of an account."""
        account = self._fleet.declared(facts.number)
        known = self._known.account(facts.account_id) if record is not None else None
        outcome = outcome_of(plan_account(account, known, self._known, self._context))
        span = _span(account, known, self._now)
        head = (facts.account_id, True, *_seen(record), *span)
        if outcome.quiet and span != _NOT_AT_ALL:
            return Settled(*head, outcome.products, outcome.held, _rest_text(outcome.unmanaged))
        return Settled(*head, 0, 0, None, canonical.dumps(outcome_json(outcome)))

    def _stranger(self, record: KnownRecord) -> Settled:
        try:
            return _stranger(record)
        except (ValueError, LookupError, TypeError, AttributeError):
            self._known.account(record.account_id)  # the store says what is wrong with what it holds
            raise

    def _keep(self, settled: Settled) -> None:
        self._waiting.append(settled)
        if len(self._waiting) >= _PAGE:
            self._write()

    def _write(self) -> None:
        self._settled.put(self._waiting)
        self._waiting = []


def _quiet(facts: Compared, record: KnownRecord) -> Settled | None:
    """The verdict that facts alone allow: it holds at any time."""
    try:
        found = left_over(facts.wanted, record)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # the store says what is wrong with what it holds
    if found is None:
        return None
    rest, held = found
    ids = [[each.get("product_id"), each.get("user_product_id")] for each in rest]
    head = (facts.account_id, True, *_seen(record))
    return Settled(*head, None, None, facts.products, held, canonical.dumps(ids) if ids else None)


def _span(declared: DeclaredAccount, known: KnownAccount | None, now: Minute) -> tuple[Minute | None, Minute | None]:
    """The moments between which the planner says the same: no end of a window lies between them."""
    held = known.user_products if known is not None else ()
    own = {product.user_product_id for product in held}
    if any(p.user_product_id is not None and p.user_product_id not in own for p in declared.user_products):
        return _NOT_AT_ALL  # it may be known on another account, now or later
    ends = [end for product in held for end in (product.valid_from, product.valid_to) if isinstance(end, int)]
    for product in declared.user_products:
        ends += [end.minute for end in (product.valid_from, product.valid_to) if end is not None]
    since = max((end for end in ends if end <= now), default=0)
    until = min((end for end in ends if end > now), default=_NEVER)
    return since, until


def _rest_text(rest: Iterable[Unmanaged]) -> str | None:
    ids: list[Json] = [[each.product_id, each.user_product_id] for each in rest]
    return canonical.dumps(ids) if ids else None


def _seen(record: KnownRecord | None) -> tuple[str | None, str | None]:
    return _NOTHING if record is None else (record.digest, record.observed_at)


def _stranger(record: KnownRecord) -> Settled:
    """An account that no manifest names."""
    products = json.loads(record.document)["user_products"]
    rest = [[product.get("product_id"), product.get("user_product_id")] for product in products] or [[None, None]]
    return Settled(record.account_id, False, *_seen(record), None, None, 0, len(products), canonical.dumps(rest))


def _unmanaged(account_id: str, rest: str) -> Iterator[Unmanaged]:
    return (Unmanaged(account_id, product_id, user_product_id) for product_id, user_product_id in json.loads(rest))
