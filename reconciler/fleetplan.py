"""The plan of a whole fleet from its rows: only what may have changed is looked at.

It comes to the same plan as `reconciler.planning.planner.make_plan`, byte for byte. An account is judged by three
means, each asked only if the one before can't tell: that it was judged before and nothing has changed since; that its
facts say that nothing is due (`quiet`); the planner.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from reconciler import canonical
from reconciler.instants import minute_of
from reconciler.manifests.facts import digest_of, facts_of
from reconciler.manifests.fleet import Fleet
from reconciler.manifests.fleetdigest import FleetDigest
from reconciler.manifests.settled import SettledAccounts
from reconciler.model import DeclaredAccount, KnownView
from reconciler.plan import Plan, Unmanaged
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import outcome_from_json
from reconciler.planning.tally import Tally

if TYPE_CHECKING:
    from reconciler.fleetjudge import Pair

#: So many accounts are looked up at a time.
_PAGE: Final = 1000
#: If more accounts than this share of the fleet have to be looked at, all are: in their order that is faster.
_ONE_BY_ONE: Final = 0.2


def plan_selected(accounts: Iterable[DeclaredAccount], known: KnownView, context: PlanContext) -> Plan:
    """The plan of some accounts, in the order of their ids; nothing else is in scope."""
    tally, digest = tally_selected(accounts, known, context)
    return tally.plan(known.head, digest.value())


def tally_selected(
    accounts: Iterable[DeclaredAccount], known: KnownView, context: PlanContext
) -> tuple[Tally, FleetDigest]:
    """What `plan_selected` plans from: the accounts added up, and their digests."""
    from reconciler.planning.accounts import outcome_of, plan_account

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
        self._digest = ""

    def tally(self) -> tuple[Tally, str]:
        """Judge what has to be judged, and add everything up; the digest is that of the manifests."""
        settled = self._settled
        due = self._due()
        if due is None:
            settled.clear()
            self._judge(self._pairs(), self._fleet.accounts)
        elif due:
            self._judge(self._pairs_of(sorted(due)), len(due))
        else:
            self._digest = self._digest_kept()
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

    def _pairs(self) -> Iterator[Pair]:
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

    def _pairs_of(self, account_ids: Sequence[str]) -> Iterator[Pair]:
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
        self._digest = self._digest_kept()

    def _digest_kept(self) -> str:
        return self._settled.digest or self._fleet.digest()

    def _judge(self, pairs: Iterable[Pair], count: int) -> None:
        # Slow to load, and not needed where nothing has changed.
        from reconciler.fleetjudge import Judge

        Judge(self._fleet, self._known, self._context, self._settled).judge(pairs, count)


def _unmanaged(account_id: str, rest: str) -> Iterator[Unmanaged]:
    return (Unmanaged(account_id, product_id, user_product_id) for product_id, user_product_id in json.loads(rest))
