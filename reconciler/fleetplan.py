"""The plan of a whole fleet from its rows: only what may have changed is looked at.

It comes to the same plan as `reconciler.planning.planner.make_plan`, byte for byte. An account is judged by three
means, each asked only if the one before can't tell: that it was judged before and nothing has changed since; that its
facts say that nothing is due (`quiet`); the planner.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

from reconciler import canonical
from reconciler.fleetaccounts import (
    UNREADABLE,
    Asked,
    asked_of,
    elsewhere,
    planned_verdict,
    quiet_verdict,
    stranger_verdict,
)
from reconciler.instants import minute_of
from reconciler.manifests.cache import Compared
from reconciler.manifests.facts import digest_of, facts_of
from reconciler.manifests.fleet import Fleet
from reconciler.manifests.fleetdigest import FleetDigest
from reconciler.manifests.settled import Settled, SettledAccounts
from reconciler.manifests.spread import spread
from reconciler.model import DeclaredAccount, KnownRecord, KnownView
from reconciler.plan import Plan, Unmanaged
from reconciler.planning.accounts import plan_account
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import outcome_from_json, outcome_of
from reconciler.planning.tally import Tally

#: Verdicts are written down this many at a time.
_PAGE: Final = 1000
#: The planner is asked about so many accounts at a time.
_ASKED: Final = 50
#: If more accounts than this share of the fleet have to be looked at, all are: in their order that is faster.
_ONE_BY_ONE: Final = 0.2

#: What is declared and what is known of one account, where either may be nothing.
_Pair: TypeAlias = tuple[Compared | None, KnownRecord | None]
_Declared: TypeAlias = tuple[Compared, KnownRecord | None]


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
        self._digest = ""

    def tally(self) -> tuple[Tally, str]:
        """Judge what has to be judged, and add everything up; the digest is that of the manifests."""
        settled = self._settled
        due = self._due()
        if due is None:
            settled.clear()
            self._judge(self._pairs(), self._fleet.accounts)
        else:
            self._judge(self._pairs_of(sorted(due)), len(due))
        settled.finish(self._known.head.mark, self._digest)
        for text in settled.outcomes():
            self._tally.add(outcome_from_json(json.loads(text)))
        self._tally.add_settled(**settled.totals()._asdict())
        self._tally.add_rest(each for account_id, text in settled.rests() for each in _unmanaged(account_id, text))
        return self._tally, self._digest

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

    def _pairs(self) -> Iterator[_Pair]:
        """What is declared and what is known of each account, in their order; then the manifests' digest is there."""
        digests = FleetDigest()
        declared, known = self._fleet.cache.compared(), self._known.records()
        one, other = next(declared, None), next(known, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one.account_id < other.account_id):
                assert one is not None
                digests.add(one.account_id, one.digest)
                yield one, None
                one = next(declared, None)
            elif one is None or other.account_id < one.account_id:
                yield None, other
                other = next(known, None)
            else:
                digests.add(one.account_id, one.digest)
                yield one, other
                one, other = next(declared, None), next(known, None)
        self._digest = digests.value()

    def _pairs_of(self, account_ids: Sequence[str]) -> Iterator[_Pair]:
        """The same of some accounts; those that are neither declared nor known are forgotten."""
        for start in range(0, len(account_ids), _PAGE):
            page = account_ids[start : start + _PAGE]
            declared, known = self._fleet.cache.compared_of(page), self._known.records_of(page)
            for account_id in page:
                if account_id in declared or account_id in known:
                    yield declared.get(account_id), known.get(account_id)
                else:
                    self._settled.forget(account_id)
        # Now, while other processes are still planning.
        self._digest = self._settled.digest or self._fleet.digest()

    def _judge(self, pairs: Iterable[_Pair], count: int) -> None:
        """Find out what comes of about ``count`` accounts, and keep it."""
        asks = partial(asked_of, self._context.alone())
        for asked, verdicts in spread(self._fleet.planners(count), asks, self._asked(pairs)):
            for (facts, record), verdict in zip(asked, verdicts, strict=True):
                self._keep(verdict or self._verdict_here(facts, record))
        self._write()

    def _asked(self, pairs: Iterable[_Pair]) -> Iterator[tuple[list[_Declared], list[Asked]]]:
        """The accounts that the planner is asked about, some at a time, and what it is told; the others are kept."""
        some: list[_Declared] = []
        for facts, record in pairs:
            if facts is None:
                assert record is not None
                self._keep(self._stranger(record))
                continue
            quiet = None if record is None else quiet_verdict(facts, record)
            if quiet is not None:
                self._keep(quiet)
                continue
            some.append((facts, record))
            if len(some) == _ASKED:
                yield some, self._told(some)
                some = []
        yield some, self._told(some)

    def _told(self, some: Iterable[_Declared]) -> list[Asked]:
        owner = self._known.account_of
        return [
            Asked(*self._fleet.place(facts.number), record, {each: owner(each) for each in elsewhere(facts, record)})
            for facts, record in some
        ]

    def _verdict_here(self, facts: Compared, record: KnownRecord | None) -> Settled:
        """The planner's verdict with everything at hand, and with words for what is wrong."""
        account = self._fleet.declared(facts.number)
        known = self._known.account(facts.account_id) if record is not None else None
        return planned_verdict(account, known, record, self._known, self._context)

    def _stranger(self, record: KnownRecord) -> Settled:
        try:
            return stranger_verdict(record)
        except UNREADABLE:
            self._known.account(record.account_id)  # the store says what is wrong with what it holds
            raise

    def _keep(self, settled: Settled) -> None:
        self._waiting.append(settled)
        if len(self._waiting) >= _PAGE:
            self._write()

    def _write(self) -> None:
        self._settled.put(self._waiting)
        self._waiting = []


def _unmanaged(account_id: str, rest: str) -> Iterator[Unmanaged]:
    return (Unmanaged(account_id, product_id, user_product_id) for product_id, user_product_id in json.loads(rest))
