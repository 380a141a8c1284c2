"""Accounts added up to a plan: the order of all steps, the summary, what a guard says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from reconciler.canonical import Json
from reconciler.instants import clock_text
from reconciler.model import KnownAccount, KnownView
from reconciler.operations import OPERATIONS
from reconciler.plan import (
    IMPACTS,
    TAKING,
    AccountPlan,
    KnownInfo,
    ManifestsInfo,
    Plan,
    ProductAccess,
    Refusal,
    Step,
    Unmanaged,
)
from reconciler.planning import guards
from reconciler.planning.accounts import PlannedAccount
from reconciler.planning.context import PlanContext
from reconciler.planning.drafting import TAKING_GROUP
from reconciler.planning.matching import unmatched


class Tally:
    """Gathers accounts as they are planned, and makes the plan of them."""

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.planned: list[PlannedAccount] = []
        self.unmanaged: list[Unmanaged] = []
        self.accounts = 0
        self.declared_products = 0
        self.known_products = 0
        self.unchanged = 0
        self.oldest: str | None = None

    def add(self, planned: PlannedAccount) -> None:
        """Take in a declared account."""
        self.accounts += 1
        self.declared_products += len(planned.products)
        self.unchanged += sum(1 for p in planned.products if not (p.drafts or p.deferred or p.blocked))
        if planned.known is not None:
            self.known_products += len(planned.known.user_products)
            self._unmanaged_products(planned)
            self._observed(planned.known.observed_at)
        if not planned.quiet:
            self.planned.append(planned)

    def add_unmanaged(self, known: KnownAccount) -> None:
        """Take in an account that no manifest names."""
        self.known_products += len(known.user_products)
        self.unmanaged += [
            Unmanaged(known.account_id, product.product_id, product.user_product_id) for product in known.user_products
        ] or [Unmanaged(known.account_id, None, None)]

    def add_settled(self, *, accounts: int, products: int, held: int, oldest: str | None) -> None:
        """Take in declared accounts of which only the numbers are left: nothing is due for any of their products."""
        self.accounts += accounts
        self.declared_products += products
        self.unchanged += products
        self.known_products += held
        self._observed(oldest)

    def add_rest(self, rest: Iterable[Unmanaged]) -> None:
        """Take in known products that nobody declares, of accounts that were counted by `add_settled`."""
        self.unmanaged += rest

    def _observed(self, observed: str | None) -> None:
        if observed is not None and (self.oldest is None or observed < self.oldest):
            self.oldest = observed

    def _unmanaged_products(self, planned: PlannedAccount) -> None:
        assert planned.known is not None
        left = unmatched(planned.known, [product.match for product in planned.products])
        self.unmanaged += [Unmanaged(planned.known.account_id, p.product_id, p.user_product_id) for p in left]

    def plan(self, known: KnownView, manifests_digest: str) -> Plan:
        """The plan of all that was taken in."""
        context = self.context
        # Deadlines first, earliest first; a plan that waits behind thousands of calls may miss them.
        ordered = sorted(self.planned, key=lambda planned: (planned.deadline is None, planned.deadline or 0))
        steps = tuple(_numbered(ordered))
        deferred = tuple(finding for planned in self.planned for finding in planned.deferred)
        blocked = tuple(finding for planned in self.planned for finding in planned.blocked)
        return Plan(
            environment=context.environment,
            host=context.host,
            as_of=clock_text(context.as_of),
            expires_at=clock_text(context.as_of + context.max_plan_age),
            what_if=context.what_if,
            manifests=ManifestsInfo(
                manifests_digest, context.revision, self.accounts, self.declared_products, context.select
            ),
            known_state=KnownInfo(known.head.lineage, known.head.serial, self.oldest or known.head.observed_at),
            summary=self._summary(steps, len(deferred), len(blocked)),
            accounts=tuple(_account_plan(planned) for planned in ordered if planned.drafts),
            steps=steps,
            deferred=deferred,
            blocked=blocked,
            unmanaged=tuple(sorted(self.unmanaged, key=lambda each: each.account_id)),
            warnings=tuple(finding for planned in self.planned for finding in planned.warnings),
            refusals=self._refusals(),
        )

    def _summary(self, steps: tuple[Step, ...], deferred: int, blocked: int) -> Mapping[str, Json]:
        actions = Counter(step.action for step in steps)
        impacts = Counter(step.impact for step in steps)
        summary: dict[str, Json] = {operation.action: actions[operation.action] for operation in OPERATIONS}
        summary |= {
            "unchanged": self.unchanged,
            "adopted": self._count(adopted=True),
            "unmanaged": len(self.unmanaged),
            "deferred": deferred,
            "blocked": blocked,
            "impact": {impact: impacts[impact] for impact in IMPACTS},
        }
        return MappingProxyType(summary)

    def _count(self, *, adopted: bool) -> int:
        return sum(1 for planned in self.planned for product in planned.products if product.adopted is adopted)

    def _refusals(self) -> tuple[Refusal, ...]:
        return guards.judge(
            self._found(),
            scope=max(self.declared_products, self.known_products),
            limits=self.context.limits,
            accepted=self.context.accepted,
        )

    def _found(self) -> dict[str, int]:
        """What each guard counts."""
        found: Counter[str] = Counter()
        for planned in self.planned:
            for product in planned.products:
                takes = any(draft.step.impact in TAKING for draft in product.drafts)
                found["revoked"] += takes
                found["protected"] += takes and product.match.declared.protect
                found["changed"] += bool(product.drafts)
                found["adopted"] += product.adopted
                found["reactivated"] += any(draft.step.action == "reactivate" for draft in product.drafts)
                found["blocked"] += bool(product.blocked)
            found["changed"] += any(draft.group > TAKING_GROUP for draft in planned.drafts)
            found["blocked"] += sum(1 for f in planned.blocked if f.product_id is None and f.user_product_id is None)
            found["stale_known"] += bool(planned.drafts) and self._is_stale(planned.known)
        return dict(found)

    def _is_stale(self, known: KnownAccount | None) -> bool:
        age = self.context.max_known_age
        if age is None or known is None:
            return False
        return known.observed_at is None or known.observed_at < clock_text(self.context.as_of - age)


def _numbered(ordered: Iterable[PlannedAccount]) -> Iterator[Step]:
    number = 0
    for planned in ordered:
        if not planned.drafts:
            continue
        known = (planned.known or KnownAccount(planned.declared.account_id)).digest()
        for draft in planned.drafts:
            number += 1
            yield replace(draft.step, number=number, known=known)


def _account_plan(planned: PlannedAccount) -> AccountPlan:
    declared = planned.declared
    products = []
    for product in planned.products:
        if not product.drafts:
            continue
        step = product.drafts[0].step
        before, after = product.before.windows(), product.after.windows()
        products.append(ProductAccess(step.product_id, step.user_product_id, before, after))
    return AccountPlan(declared.account_id, declared.customer_number, declared.owner, declared.labels, tuple(products))
