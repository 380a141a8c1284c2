"""The planner: declared and known accounts in, a plan out. Pure: same inputs, same plan.

Both sides come sorted by account id and are merged in one pass. The rules of a single product are in
`drafting`, those of an account in `accounts`; `tally` adds the accounts up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model import DeclaredAccount, KnownAccount, KnownView
from reconciler.plan import Plan
from reconciler.planning.accounts import outcome_of, plan_account
from reconciler.planning.context import PlanContext
from reconciler.planning.tally import Tally


def make_plan(
    declared: Iterable[DeclaredAccount], known: KnownView, context: PlanContext, *, manifests_digest: str
) -> Plan:
    """The plan that leads from known to declared, without digests (`reconciler.planfile.seal` adds them).

    ``declared`` must be in ascending order of account ids, each id once.
    """
    tally = Tally(context)
    for account, seen in _merge(declared, known.accounts()):
        if account is not None:
            tally.add(outcome_of(plan_account(account, seen, known, context)))
        elif seen is not None and not context.select:
            tally.add_unmanaged(seen)
    return tally.plan(known.head, manifests_digest)


def _merge(
    declared: Iterable[DeclaredAccount], known: Iterator[KnownAccount]
) -> Iterator[tuple[DeclaredAccount | None, KnownAccount | None]]:
    seen = next(known, None)
    for account in declared:
        while seen is not None and seen.account_id < account.account_id:
            yield None, seen
            seen = next(known, None)
        if seen is not None and seen.account_id == account.account_id:
            yield account, seen
            seen = next(known, None)
        else:
            yield account, None
    while seen is not None:
        yield None, seen
        seen = next(known, None)
