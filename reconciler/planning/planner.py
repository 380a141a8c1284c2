"""The planner: declared and known accounts in, a plan out. Pure: same inputs, same plan.

Both sides come sorted by account id and are merged in one pass. The rules of a single product are in
`drafting`; here accounts are put together: what is withheld, what comes first, what a guard says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from reconciler.canonical import Json
from reconciler.instants import Minute, clock_text, minute_of
from reconciler.model import (
    DeclaredAccount,
    KnownAccount,
    KnownView,
    Source,
    product_order,
)
from reconciler.operations import OPERATIONS
from reconciler.plan import (
    IMPACTS,
    TAKING,
    AccountPlan,
    Finding,
    KnownInfo,
    ManifestsInfo,
    Plan,
    ProductAccess,
    Refusal,
    Step,
    Unmanaged,
)
from reconciler.planning import guards
from reconciler.planning.drafting import TAKING_GROUP, Draft, ProductDrafts, draft_product
from reconciler.planning.matching import match_products, unmatched
from reconciler.planning.syncs import draft_syncs


@dataclass(frozen=True, slots=True)
class PlanContext:
    """All that a plan depends on besides manifests and known state.

    ``as_of`` is the one reading of the clock (aware). ``max_known_age`` switches the guard ``stale_known``
    on. ``accepted`` are the guards that somebody accepted. With ``select``, only declared accounts are
    in scope.
    """

    environment: str
    host: str
    as_of: datetime
    what_if: bool = False
    max_plan_age: timedelta = timedelta(hours=24)
    max_known_age: timedelta | None = None
    provision_service: str | None = None
    limits: Mapping[str, guards.Limit] = field(default_factory=lambda: MappingProxyType({}))
    accepted: frozenset[str] = frozenset()
    revision: str | None = None
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Planned:
    """One declared account with all that was found for it."""

    declared: DeclaredAccount
    known: KnownAccount | None
    products: tuple[ProductDrafts, ...]
    drafts: tuple[Draft, ...]
    deferred: tuple[Finding, ...]
    blocked: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def deadline(self) -> Minute | None:
        """The earliest minute from which one of its calls can't work any more."""
        return min((draft.step.not_after for draft in self.drafts if draft.step.not_after is not None), default=None)


def make_plan(
    declared: Iterable[DeclaredAccount], known: KnownView, context: PlanContext, *, manifests_digest: str
) -> Plan:
    """The plan that leads from known to declared, without digests (`reconciler.planfile.seal` adds them).

    ``declared`` must be in ascending order of account ids, each id once.
    """
    tally = _Tally(context)
    for account, seen in _merge(declared, known.accounts()):
        if account is not None:
            tally.add(_plan_account(account, seen, known, context))
        elif seen is not None and not context.select:
            tally.add_unmanaged(seen)
    return tally.plan(known, manifests_digest)


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


def _plan_account(
    account: DeclaredAccount, known: KnownAccount | None, view: KnownView, context: PlanContext
) -> _Planned:
    now = minute_of(context.as_of)
    matches = sorted(match_products(account, known, view.account_of), key=lambda match: product_order(match.declared))
    products = tuple(
        draft_product(match, account, known, now=now, provision_service=context.provision_service) for match in matches
    )
    if any(product.misses_gain for product in products):
        products = tuple(_withhold(product) for product in products)
    syncs, sync_blocked, sync_warnings = draft_syncs(account, known)
    drafts = [draft for product in products for draft in product.drafts]
    drafts.sort(key=lambda draft: (draft.group, product_order(draft.step)))
    return _Planned(
        declared=account,
        known=known,
        products=products,
        drafts=(*drafts, *syncs),
        deferred=tuple(finding for product in products for finding in product.deferred),
        blocked=tuple(finding for product in products for finding in product.blocked) + sync_blocked,
        warnings=tuple(finding for product in products for finding in product.warnings) + sync_warnings,
    )


def _withhold(product: ProductDrafts) -> ProductDrafts:
    """``product`` without the `update` that takes access away: half an exchange is worse than none."""
    taking = [draft for draft in product.drafts if draft.group == TAKING_GROUP]
    if not taking:
        return product
    update = taking[0].step
    source = Source(update.source.file, update.source.line)

    def block(rule: str, message: str) -> Finding:
        return Finding(rule, message, update.account_id, update.product_id, update.user_product_id, source)

    blocked = [block("withheld-revoke", "access stays until the product that replaces it can be given")]
    if product.deferred:
        blocked.append(
            block("needs-user-product-id", "its id would come from the answer to an update that is withheld")
        )
    drafts = tuple(draft for draft in product.drafts if draft.group != TAKING_GROUP)
    kept = tuple(finding for finding in product.warnings if finding.rule not in ("owner-unchecked", "unknown-state"))
    return replace(
        product, drafts=drafts, deferred=(), blocked=tuple(blocked), warnings=kept, after=product.reactivated
    )


class _Tally:
    """Gathers accounts as they are planned, and makes the plan of them."""

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.planned: list[_Planned] = []
        self.unmanaged: list[Unmanaged] = []
        self.accounts = 0
        self.declared_products = 0
        self.known_products = 0
        self.unchanged = 0
        self.oldest: str | None = None

    def add(self, planned: _Planned) -> None:
        """Take in a declared account."""
        self.accounts += 1
        self.declared_products += len(planned.products)
        self.unchanged += sum(1 for p in planned.products if not (p.drafts or p.deferred or p.blocked))
        if planned.known is not None:
            self.known_products += len(planned.known.user_products)
            self._unmanaged_products(planned)
            observed = planned.known.observed_at
            if observed is not None and (self.oldest is None or observed < self.oldest):
                self.oldest = observed
        if planned.drafts or planned.deferred or planned.blocked or planned.warnings:
            self.planned.append(planned)

    def add_unmanaged(self, known: KnownAccount) -> None:
        """Take in an account that no manifest names."""
        self.known_products += len(known.user_products)
        self.unmanaged += [
            Unmanaged(known.account_id, product.product_id, product.user_product_id) for product in known.user_products
        ] or [Unmanaged(known.account_id, None, None)]

    def _unmanaged_products(self, planned: _Planned) -> None:
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
            unmanaged=tuple(self.unmanaged),
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


def _numbered(ordered: Iterable[_Planned]) -> Iterator[Step]:
    number = 0
    for planned in ordered:
        if not planned.drafts:
            continue
        known = (planned.known or KnownAccount(planned.declared.account_id)).digest()
        for draft in planned.drafts:
            number += 1
            yield replace(draft.step, number=number, known=known)


def _account_plan(planned: _Planned) -> AccountPlan:
    declared = planned.declared
    products = []
    for product in planned.products:
        if not product.drafts:
            continue
        step = product.drafts[0].step
        before, after = product.before.windows(), product.after.windows()
        products.append(ProductAccess(step.product_id, step.user_product_id, before, after))
    return AccountPlan(declared.account_id, declared.customer_number, declared.owner, declared.labels, tuple(products))
